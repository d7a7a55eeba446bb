//! The public API is the one in `tests/public-api.txt`, so that a change to it is a decision.
//!
//! Read from the sources, which unlike rustdoc's JSON does not depend on the compiler's version:
//! what `lib.rs` and `floe.rs` export, with public functions, variants and trait implementations.
//! `WAXSEAL_BLESS=1 cargo test --test public_api` rewrites the file.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeSet;
use std::path::Path;

use quote::ToTokens;
use syn::ImplItem;
use syn::Item;
use syn::UseTree;
use syn::Visibility;

#[test]
fn the_public_api_is_the_one_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut exported = BTreeSet::new();
    for module in ["lib.rs", "floe.rs"] {
        for item in parse(&root.join("src").join(module)) {
            if let Item::Use(item) = item
                && matches!(item.vis, Visibility::Public(_))
            {
                names(&item.tree, &mut exported);
            }
        }
    }
    let mut lines = BTreeSet::new();
    sources(&root.join("src"), &mut |items| {
        for item in items {
            describe(&item, &exported, &mut lines);
        }
    });
    let missing: Vec<_> =
        exported.iter().filter(|name| !lines.iter().any(|line| line.contains(*name))).collect();
    // Re-exported from another crate.
    assert_eq!(missing, ["async_trait"], "every exported name is described");
    let text = lines.into_iter().collect::<Vec<_>>().join("\n") + "\n";

    let path = root.join("tests/public-api.txt");
    if std::env::var_os("WAXSEAL_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let stated = std::fs::read_to_string(path).unwrap();
    for line in text.lines().filter(|line| !stated.lines().any(|l| l == *line)) {
        println!("new:  {line}");
    }
    for line in stated.lines().filter(|line| !text.lines().any(|l| l == *line)) {
        println!("gone: {line}");
    }
    assert!(stated == text, "if that is meant: WAXSEAL_BLESS=1 cargo test --test public_api");
}

fn describe(item: &Item, exported: &BTreeSet<String>, lines: &mut BTreeSet<String>) {
    let is_public = |vis: &Visibility| matches!(vis, Visibility::Public(_));
    let is_exported = |name: &syn::Ident| exported.contains(&name.to_string());
    match item {
        Item::Const(c) if is_public(&c.vis) && is_exported(&c.ident) => {
            lines.insert(format!("const {}: {}", c.ident, text(&c.ty)));
        }
        Item::Type(t) if is_public(&t.vis) && is_exported(&t.ident) => {
            lines.insert(format!("type {}{} = {}", t.ident, text(&t.generics), text(&t.ty)));
        }
        Item::Fn(f) if is_public(&f.vis) && is_exported(&f.sig.ident) => {
            lines.insert(text(&f.sig));
        }
        Item::Struct(s) if is_public(&s.vis) && is_exported(&s.ident) => {
            lines.insert(format!("struct {}{}", s.ident, derives(&s.attrs)));
            for field in s.fields.iter().filter(|field| is_public(&field.vis)) {
                lines.insert(format!("struct {} {{ {} }}", s.ident, text(field)));
            }
        }
        Item::Enum(e) if is_public(&e.vis) && is_exported(&e.ident) => {
            lines.insert(format!("enum {}{}", e.ident, derives(&e.attrs)));
            for variant in &e.variants {
                lines.insert(format!(
                    "enum {}::{}{}",
                    e.ident,
                    variant.ident,
                    text(&variant.fields)
                ));
            }
        }
        Item::Trait(t) if is_public(&t.vis) && is_exported(&t.ident) => {
            lines.insert(format!("trait {}: {}", t.ident, text(&t.supertraits)));
            for item in &t.items {
                if let syn::TraitItem::Fn(f) = item {
                    lines.insert(format!("trait {}::{}", t.ident, text(&f.sig)));
                }
            }
        }
        Item::Impl(block) => {
            let own = text(&block.self_ty);
            let name = own.split([' ', '<']).next().unwrap_or_default();
            match &block.trait_ {
                Some((_, path, _)) => {
                    let header = format!("impl{} {} for {own}", text(&block.generics), text(path));
                    let names_ours = exported.iter().any(|n| header.split(' ').any(|w| w == n));
                    if names_ours && !header.contains(" Drop ") {
                        lines.insert(header);
                    }
                }
                None if exported.contains(name) => {
                    for item in &block.items {
                        match item {
                            ImplItem::Fn(f) if is_public(&f.vis) => {
                                lines.insert(format!("{own}::{}", text(&f.sig)));
                            }
                            ImplItem::Const(c) if is_public(&c.vis) => {
                                lines.insert(format!("{own}::{}: {}", c.ident, text(&c.ty)));
                            }
                            _ => {}
                        }
                    }
                }
                None => {}
            }
        }
        _ => {}
    }
}

/// The derived traits, and whether more variants or fields may come.
fn derives(attributes: &[syn::Attribute]) -> String {
    attributes
        .iter()
        .filter(|a| a.path().is_ident("derive") || a.path().is_ident("non_exhaustive"))
        .map(|a| format!(" {}", text(&a.meta)))
        .collect()
}

fn names(tree: &UseTree, exported: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => names(&path.tree, exported),
        UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, exported)),
        UseTree::Name(name) => drop(exported.insert(name.ident.to_string())),
        UseTree::Rename(_) | UseTree::Glob(_) => panic!("exports are named one by one"),
    }
}

fn sources(folder: &Path, visit: &mut dyn FnMut(Vec<Item>)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, visit);
        } else if path.extension().is_some_and(|e| e == "rs") {
            visit(parse(&path));
        }
    }
}

fn parse(path: &Path) -> Vec<Item> {
    let source = std::fs::read_to_string(path).unwrap();
    syn::parse_file(&source).unwrap_or_else(|e| panic!("{}: {e}", path.display())).items
}

fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}
