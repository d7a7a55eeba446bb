//! What `--json` prints: the fields that the help of the command lists, all of them and no others.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Aws;
use crate::support::User;
use crate::support::commands;

/// Names of fields, and of those within.
#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<String, Self>);

/// A command, the beginning of what its help says of the fields, and lines that print all of them.
const REPORTS: &[(&str, &str, &[&str])] = &[
    ("inspect", OBJECT, &["inspect --json signed"]),
    (
        "inspect",
        "Fields of --json with --keys",
        &["inspect --keys --json --depends-on aws-kms:alias/demo --recursive absent s3://demo/"],
    ),
    (
        "rewrap",
        OBJECT,
        &[
            "rewrap --from-key aws-kms:alias/demo --key aws-kms:alias/new --keep --json absent moved",
        ],
    ),
    ("rotate", OBJECT, &["rotate --key aws-kms:alias/demo --json absent moved"]),
    ("doctor", OBJECT, &["doctor --key aws-kms:alias/demo --json"]),
    ("key create", OBJECT, &["key create --alias alias/m --multi-region --json"]),
    ("key replicate", OBJECT, &["key replicate --to-region eu-west-1 --json alias/m"]),
    ("key show", OBJECT, &["key show --json alias/m"]),
    ("key list", ARRAY, &["key list --json"]),
    ("key alias", OBJECT, &["key alias --json alias/also alias/m"]),
    ("key enable-rotation", OBJECT, &["key enable-rotation --json alias/m"]),
    ("key rotate-now", OBJECT, &["key rotate-now --json alias/m"]),
    ("key disable-rotation", OBJECT, &["key disable-rotation --json alias/m"]),
    ("key disable", OBJECT, &["key disable --json alias/m"]),
    ("key enable", OBJECT, &["key enable --json alias/m"]),
    (
        "key grant create",
        OBJECT,
        &["key grant create --operation Decrypt --json alias/m \
         --grantee arn:aws:iam::444455556666:role/partner"],
    ),
    ("key grant list", ARRAY, &["key grant list --json alias/m"]),
    ("key grant revoke", OBJECT, &["key grant revoke --json alias/m GRANT"]),
    (
        "key schedule-deletion",
        OBJECT,
        &[
            "key schedule-deletion --json alias/demo --recursive absent s3://demo/",
            "key schedule-deletion --json alias/new --unchecked",
        ],
    ),
    ("key cancel-deletion", OBJECT, &["key cancel-deletion --json alias/new"]),
];

const OBJECT: &str = "Fields of --json, ";
const ARRAY: &str = "--json prints an array. Fields of its entries, ";

#[test]
fn reports_have_the_fields_that_the_help_lists() {
    let user = User::new();
    let help = |command: &str| {
        let help = user.run(&format!("{command} --help")).succeeds().stdout;
        String::from_utf8(help).unwrap()
    };
    let with_json = commands().into_iter().filter(|name| help(name).contains("      --json\n"));
    let listed: BTreeSet<_> = REPORTS.iter().map(|(command, ..)| (*command).to_owned()).collect();
    assert_eq!(listed, with_json.collect());

    let aws = Aws::start();
    let user = prepared(&aws);
    let mut grant = String::new();
    for (command, title, lines) in REPORTS {
        let fields = Fields::read(&help(command), title);
        assert!(!fields.0.is_empty(), "{command}");
        let mut unmet = fields.below("");
        for line in *lines {
            let ran = user.run(&line.replace("GRANT", &grant));
            let report: Value = serde_json::from_slice(&ran.stdout)
                .unwrap_or_else(|error| panic!("{line}: {error}: {ran:?}"));
            if let Some(id) = report["grant_id"].as_str() {
                grant = id.to_owned();
            }
            fields.compare(&report, "", command, &mut unmet);
        }
        assert!(unmet.is_empty(), "{command}: never seen filled: {unmet:?}");
    }
}

/// Objects of each kind that a report tells apart.
fn prepared(aws: &Aws) -> User {
    let user = aws.user();
    aws.services.create_key("alias/new");
    aws.services.create_signing_key("alias/writers");
    user.write("plain", "x");
    let key = "--key aws-kms:alias/demo";
    user.run("keygen mine").succeeds();
    for line in [
        &format!("seal {key} --sign aws-kms:alias/writers plain -o signed"),
        &format!("seal {key} plain -o moved"),
        &format!("cp {key} plain s3://demo/only"),
        &format!("cp {key} --key local:mine plain s3://demo/also"),
        &format!("cp {key} --format one-shot plain s3://demo/unknown"),
    ] {
        user.run(line).succeeds();
    }
    user
}

impl Fields {
    /// The list in `help` whose first line begins with `title`.
    fn read(help: &str, title: &str) -> Self {
        let (_, list) = help.split_once(&format!("\n{title}")).expect(title);
        let (_, list) = list.split_once(":\n").expect(title);
        let mut entries: Vec<(usize, String)> = vec![];
        for line in list.lines().take_while(|line| !line.is_empty()) {
            let text = line.trim_start();
            match (line.len() - text.len(), entries.last_mut()) {
                (indent @ (2 | 4), _) => entries.push((indent, text.to_owned())),
                (_, Some((_, entry))) => entry.extend([" ", text]),
                _ => panic!("{title}: {line}"),
            }
        }
        let mut fields = Self::default();
        let (mut outer, mut before) = (String::new(), Self::default());
        for (indent, entry) in entries {
            let (name, about) = entry.split_once(' ').expect(&entry);
            let about = about.trim_start();
            if !about.starts_with("the same") {
                before = Self::named_in(about);
            }
            let place = if indent == 2 {
                outer = name.to_owned();
                &mut fields
            } else {
                fields.0.get_mut(&outer).expect(&entry)
            };
            place.0.insert(name.to_owned(), before.clone());
        }
        fields
    }

    /// Those in braces.
    fn named_in(about: &str) -> Self {
        let braces = about.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        let names = braces.map(|(names, _)| names.split(',')).into_iter().flatten();
        Self(names.map(|name| (name.trim().to_owned(), Self::default())).collect())
    }

    /// Paths of the fields that have fields.
    fn below(&self, path: &str) -> BTreeSet<String> {
        let with_fields = self.0.iter().filter(|(_, fields)| !fields.0.is_empty());
        with_fields
            .flat_map(|(name, fields)| {
                let path = format!("{path}/{name}");
                fields.below(&path).into_iter().chain([path])
            })
            .collect()
    }

    /// Takes from `unmet` what `value` has at `path`, where it must have these fields.
    #[track_caller]
    fn compare(&self, value: &Value, path: &str, command: &str, unmet: &mut BTreeSet<String>) {
        match value {
            Value::Array(entries) => {
                entries.iter().for_each(|entry| self.compare(entry, path, command, unmet));
            }
            Value::Object(object) if !self.0.is_empty() => {
                unmet.remove(path);
                assert!(object.keys().eq(self.0.keys()), "{command} {path}: {value} but {self:?}");
                for (name, fields) in &self.0 {
                    fields.compare(&object[name], &format!("{path}/{name}"), command, unmet);
                }
            }
            // Strings, numbers, and objects whose names are the user's.
            _ => {}
        }
    }
}
