//! Pages of the documentation, run: what they show is what happens.
//!
//! Blocks marked `console` hold commands after `$ ` (and `> `) and what they print, with `[..]` for
//! any part of a line and `...` for any lines; a command that fails shows `[exit CODE]` last. One
//! bash runs all of a page, in one folder, so variables and files stay. Blocks with `file=NAME` are
//! written there. `WAXSEAL_BLESS=1` puts in what was printed, where it differs.
//!
//! Blocks marked `console s3=ceph` ask the S3 of `WAXSEAL_CEPH`, which enforces policies, and the same
//! KMS. Its users are as in `ceph.rs`. Without it they are not run, and said not to be.

mod page;

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use waxseal_testkit::REGION;

use crate::pages::page::Page;
use crate::pages::page::Step;
use crate::support::Aws;
use crate::support::User;
use crate::support::ceph;
use crate::support::commands;
use crate::support::not_tested;
use crate::support::subcommands;

#[test]
fn sessions_with_every_command_go_as_shown() {
    check("commands");
}

#[test]
fn recipes_go_as_shown() {
    check("recipes");
}

#[test]
fn every_command_has_a_page_with_its_session() {
    let pages = folder("commands").into_iter().filter(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        Page::read(path).commands().any(|command| command.contains(&format!("waxseal {name}")))
    });
    let pages: BTreeSet<_> =
        pages.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(pages, subcommands());
    // With its subcommands, if it has some.
    for command in commands() {
        let name = command.split(' ').next().unwrap();
        let page = Page::read(&docs().join(format!("commands/{name}.md")));
        let call = format!("waxseal {command} ");
        assert!(page.commands().any(|text| text.contains(&call)), "no {call}in {name}.md");
    }
}

#[test]
fn every_page_is_listed_and_links_lead_somewhere() {
    for name in ["commands", "recipes"] {
        let list = docs().join(name).join("README.md");
        let listed = std::fs::read_to_string(&list).unwrap();
        for path in folder(name) {
            let link = format!("]({})", path.file_name().unwrap().to_str().unwrap());
            assert!(listed.contains(&link), "{} lacks {link}", list.display());
        }
        for path in folder(name).into_iter().chain([list]) {
            let text = std::fs::read_to_string(&path).unwrap();
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let leads = path.with_file_name(link).is_file() || link.starts_with("https://");
                assert!(leads, "{}: {link}", path.display());
            }
        }
    }
}

/// A page that shows something else than what happens is found, in each way.
#[test]
fn a_page_that_is_wrong_is_found() {
    let fails = |block: &str| {
        let page = Page::parse("p".into(), format!("# P\n\n```console\n{block}```\n"));
        run(&page, &User::new()).expect_err(block)
    };
    let passes = |block: &str| {
        let page = Page::parse("p".into(), format!("# P\n\n```console\n{block}```\n"));
        run(&page, &User::new()).unwrap_or_else(|text| panic!("{block}: {text}"));
    };
    passes("$ echo a; echo b >&2\na\nb\n");
    passes("$ printf a\na\n$ x=1\n$ echo $x\n1\n");
    passes("$ echo one two\none [..]\n$ seq 5\n1\n...\n5\n");
    passes("$ cat <<'A'\n> $x\n> A\n$x\n$ (exit 7)\n[exit 7]\n$ true\n");
    fails("$ echo a\nb\n");
    fails("$ echo a\n");
    fails("$ true\nb\n");
    fails("$ (exit 7)\n");
    fails("$ (exit 7)\n[exit 8]\n");
    fails("$ exit 0\n$ true\n");
    fails("$ echo 'a\n");
    fails("$ seq 5\n1\n...\n6\n");
    assert!(fails("$ echo a\nb\n").contains("echo a"), "says which");
}

/// Runs all pages of a folder of `docs`.
fn check(name: &str) {
    let mut failures = vec![];
    for path in folder(name) {
        let mut page = Page::read(&path);
        if let Some(tool) = missing(&page) {
            let what = format!("{}, which needs {tool}", path.display());
            assert!(std::env::var_os("CI").is_none(), "CI lacks what is needed: {what}");
            not_tested(&what);
            continue;
        }
        if page.needs_ceph() && ceph().is_none() {
            not_tested(&format!("part of {}: WAXSEAL_CEPH names no server", path.display()));
            page = page.without_ceph();
        }
        let aws = Aws::start();
        if let Err(text) = run(&page, &aws.user()) {
            failures.push(text);
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// The pages of a folder of `docs`, sorted.
fn folder(name: &str) -> Vec<PathBuf> {
    let folder = docs().join(name);
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut pages: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name != "README.md"))
        .collect();
    pages.sort();
    assert!(!pages.is_empty(), "{}", folder.display());
    pages
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// A program that the page uses and that is not here.
fn missing(page: &Page) -> Option<&'static str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let uses =
        |tool: &str| page.commands().any(|text| text.split(|c| !is_word(c)).any(|w| w == tool));
    let is_here = |tool: &str| {
        let which = Command::new("bash").args(["-c", &format!("command -v {tool}")]).output();
        which.is_ok_and(|which| which.status.success())
    };
    TOOLS.iter().copied().find(|tool| uses(tool) && !is_here(tool))
}

/// Runs a page; says where it went otherwise than shown, unless it was to be rewritten.
fn run(page: &Page, user: &User) -> Result<(), String> {
    let mut script = String::new();
    for step in &page.steps {
        match step {
            Step::File { name, text } => user.write(name, text),
            Step::Command(shown) => script.extend([
                if shown.is_for_ceph { CEPH } else { "" },
                "{\n",
                &*shown.command,
                "\n} 2>&1\nprintf '\\n%s %d\\n' '",
                MARK,
                "' \"$?\"\n",
            ]),
        }
    }
    let printed = bash(user, &script);
    let mut rest = printed.as_str();
    let mut actual = vec![];
    for _ in page.commands() {
        let Some((output, after)) = rest.split_once(&format!("\n{MARK} ")) else {
            break;
        };
        let (code, after) = after.split_once('\n').unwrap_or((after, ""));
        let mut output = output.to_owned();
        if !output.is_empty() && !output.ends_with('\n') {
            output.push('\n');
        }
        if code != "0" {
            output.extend(["[exit ", code, "]\n"]);
        }
        actual.push(output);
        rest = after;
    }
    if actual.len() < page.commands().count() {
        let name = page.path.display();
        return Err(format!("{name}: ended after {} commands: {rest}", actual.len()));
    }
    page.compare(&actual)
}

/// What `script` prints on standard output and error.
fn bash(user: &User, script: &str) -> String {
    let like = user.command([""; 0]);
    let tools = user.tools();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script])
        .env_clear()
        .envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .envs([("AWS_DEFAULT_REGION", REGION), ("AWS_PAGER", "")]) // for the AWS CLI
        .envs([("LC_ALL", "C.UTF-8"), ("TZ", "UTC")])
        .envs(std::env::var("WAXSEAL_CEPH").map(|url| ("WAXSEAL_CEPH", url)))
        .env("PATH", format!("{}:{path}", tools.display()))
        .current_dir(user.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = bash.spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output().unwrap()));
    let Ok(output) = ended.recv_timeout(PATIENCE) else {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
        return "it never ends".to_owned();
    };
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Programs that pages use and that not every machine has.
const TOOLS: &[&str] = &["aws", "jq", "openssl", "systemd-analyze"];
/// Makes S3 that of Ceph, from here on.
const CEPH: &str = "export AWS_ENDPOINT_URL_S3=$WAXSEAL_CEPH\n";
const MARK: &str = "--- end of the output, exit code";
const PATIENCE: Duration = Duration::from_secs(300);
