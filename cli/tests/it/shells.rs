//! Completions and manual pages, as shells and `man` take them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::process::Command;

use crate::support::User;
use crate::support::commands;
use crate::support::not_tested;
use crate::support::subcommands;

/// What bash offers for the last of `words`.
fn offered(user: &User, words: &[&str]) -> BTreeSet<String> {
    let (last, before) = (words.len() - 1, words[words.len() - 2]);
    let script = format!(
        "source completions || exit 1
         COMP_WORDS=({}) COMP_CWORD={last}
         function=$(complete -p waxseal | sed 's/.*-F \\([^ ]*\\).*/\\1/')
         \"$function\" waxseal '{}' '{before}'
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words[last],
    );
    let mut bash = Command::new("bash");
    let ran = bash.args(["--norc", "-c", &script]).current_dir(user.path("")).output().unwrap();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let user = User::new();
    user.write("completions", user.run("completions bash").succeeds().stdout);
    let offers = |words: &[&str]| offered(&user, words).into_iter().collect::<Vec<_>>();
    assert_eq!(offers(&["waxseal", "in"]), ["inspect"]);
    assert_eq!(offers(&["waxseal", "cp", "--plac"]), ["--placement"]);
    assert_eq!(offers(&["waxseal", "cp", "--placement", ""]), ["inline", "metadata"]);
    assert_eq!(offers(&["waxseal", "explain", "key-d"]), ["key-disabled"]);
    let all = offered(&user, &["waxseal", ""]);
    assert!(subcommands().is_subset(&all), "{all:?}");
    for command in commands() {
        let words: Vec<_> = ["waxseal"].into_iter().chain(command.split(' ')).collect();
        let offered = offered(&user, &words);
        assert!(offered.contains(*words.last().unwrap()), "{command}: {offered:?}");
    }
}

#[test]
fn other_shells_can_read_theirs() {
    let user = User::new();
    for (shell, program) in [("zsh", "zsh"), ("fish", "fish"), ("powershell", ""), ("elvish", "")] {
        let script = user.run(&format!("completions {shell}")).succeeds().stdout;
        let text = String::from_utf8_lossy(&script);
        assert!(subcommands().iter().all(|name| text.contains(name)), "{shell}: {text}");
        user.write("script", &script);
        match Command::new(program).arg("-n").arg(user.path("script")).output() {
            Ok(ran) => assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}"),
            Err(_) => not_tested(&format!("whether {shell} reads its completions: not installed")),
        }
    }
}

#[test]
fn every_command_has_a_manual_page_that_man_renders() {
    let user = User::new();
    user.run("man --out pages/man1").succeeds();
    // Each page, and the help that it has to have.
    let expected: BTreeMap<_, _> = commands()
        .into_iter()
        .map(|command| (command.replace(' ', "-"), command + " --help"))
        .map(|(name, help)| (format!("waxseal-{name}.1"), help))
        .chain([("waxseal.1".to_owned(), "--help".to_owned())])
        .collect();
    let pages = std::fs::read_dir(user.path("pages/man1")).unwrap();
    let pages: BTreeSet<_> =
        pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    assert!(pages.iter().eq(expected.keys()), "{pages:?}");
    assert_eq!(user.run("man").succeeds().stdout, user.read("pages/man1/waxseal.1"));
    for (page, help) in expected {
        let mut groff = Command::new("groff");
        groff.args(["-man", "-ww", "-Tascii", "-P-cbou", "-rLL=60n"]);
        let Ok(ran) = groff.arg(user.path("pages/man1").join(&page)).output() else {
            return not_tested("how manual pages look: groff is not installed");
        };
        assert!(ran.status.success() && ran.stderr.is_empty(), "{page}: {ran:?}");
        let text = String::from_utf8(ran.stdout).unwrap();
        let name = page.strip_suffix(".1").unwrap();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&format!("NAME {name} - ")), "{page}: {text}");
        // Examples keep their lines, on however narrow a terminal.
        let help = user.run(&help).succeeds().stdout;
        let help = String::from_utf8(help).unwrap();
        let (_, examples) = help.split_once("Examples:\n").unwrap();
        for line in examples.lines() {
            assert!(text.contains(line.trim_end()), "{page} breaks {line:?}: {text}");
        }
    }
    user.write("file", "x");
    user.run("man --out file").fails(5, &["cannot write file"]);
}
