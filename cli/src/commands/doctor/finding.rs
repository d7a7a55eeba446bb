//! What was found, and how it is told.

use anstyle::Style;
use serde::Serialize;

use crate::report::BAD;
use crate::report::DOUBTFUL;
use crate::report::GOOD;
use crate::report::printable;

/// The result of one check.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// Stable: scripts and `--fix` name checks so.
    pub(super) name: &'static str,
    /// The bucket or key that was checked, unless it is the connection.
    pub(super) subject: Option<String>,
    pub(super) level: Level,
    pub(super) found: String,
    /// What follows from it, unless all is well.
    pub(super) why: Option<&'static str>,
    /// What to do about it, in words.
    pub(super) remedy: Option<String>,
    /// What to do about it, as commands.
    pub(super) commands: Vec<String>,
    /// What was found before `--fix` changed it.
    pub(super) fixed: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    Ok,
    Warning,
    Problem,
    /// The answer was refused, or this server knows no such thing.
    NotChecked,
}

impl Finding {
    pub(super) fn new(name: &'static str, level: Level, found: impl Into<String>) -> Self {
        let (subject, why, remedy, fixed) = (None, None, None, None);
        Self { name, subject, level, found: found.into(), why, remedy, commands: vec![], fixed }
    }

    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Level::Ok, found)
    }

    pub(super) fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    pub(super) fn because(self, why: &'static str) -> Self {
        Self { why: Some(why), ..self }
    }

    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// Adds a command to the remedy, if it can be pasted.
    pub(super) fn command(mut self, command: Option<String>) -> Self {
        self.commands.extend(command);
        self
    }

    /// `--fix` was asked for, and failed.
    pub(super) fn not_put_right(self, why: &str) -> Self {
        let found = format!("{}; it could not be put right: {why}", self.found);
        let remedy = self.remedy.or(Some("mend what it says, and run this again".to_owned()));
        Self { level: Level::Problem, found, remedy, ..self }
    }

    pub(super) fn is_bad(&self) -> bool {
        matches!(self.level, Level::Warning | Level::Problem)
    }

    /// For a terminal of 80 columns. Commands are wrapped so that they can be pasted.
    pub(super) fn to_text(&self) -> String {
        let (style, level) = self.level.told();
        let mut text = format!("{style}{level:<13}{style:#}{}\n", self.name);
        if let Some(subject) = &self.subject {
            push_wrapped(&mut text, "    ", &printable(subject));
        }
        push_wrapped(&mut text, "    ", &printable(&self.found));
        if let Some(before) = &self.fixed {
            push_wrapped(&mut text, "    ", &format!("Fixed. It was: {}", printable(before)));
        }
        if let Some(why) = self.why {
            push_wrapped(&mut text, "    ", &format!("Why: {why}"));
        }
        if let Some(remedy) = &self.remedy {
            push_wrapped(&mut text, "    ", &format!("Remedy: {}", printable(remedy)));
        }
        for command in &self.commands {
            push_command(&mut text, command);
        }
        text
    }
}

impl Level {
    fn told(self) -> (Style, &'static str) {
        match self {
            Self::Ok => (GOOD, "ok"),
            Self::Warning => (DOUBTFUL, "warning"),
            Self::Problem => (BAD, "problem"),
            Self::NotChecked => (Style::new(), "not checked"),
        }
    }
}

fn push_wrapped(text: &mut String, indent: &str, prose: &str) {
    let mut column = 0;
    for word in prose.split(' ') {
        let len = word.chars().count();
        if column > 0 && column + 1 + len > WIDTH {
            text.push('\n');
            column = 0;
        }
        text.push_str(if column == 0 { indent } else { " " });
        column += len + if column == 0 { indent.len() } else { 1 };
        text.push_str(word);
    }
    text.push('\n');
}

fn push_command(text: &mut String, command: &str) {
    let (indent, continued) = ("      ", " \\\n          ");
    let mut column = 0;
    for word in command.split(' ') {
        if column > 0 && column + 1 + word.len() > WIDTH - 2 {
            text.push_str(continued);
            column = 10;
        } else {
            text.push_str(if column == 0 { indent } else { " " });
            column += if column == 0 { indent.len() } else { 1 };
        }
        text.push_str(word);
        column += word.len();
    }
    text.push('\n');
}

/// Columns.
const WIDTH: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_and_commands_fit_80_columns_and_paste_back() {
        let long = format!("waxseal key enable {} --region eu-west-1", "k".repeat(60));
        let finding = Finding::new("key-state", Level::Problem, "word ".repeat(40).trim_end())
            .of("alias/x")
            .because("it matters")
            .command(Some(long.clone()));
        let text = finding.to_text();
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert!(plain.lines().all(|line| line.chars().count() <= 80), "{plain}");
        let command = plain.split_once("      waxseal").unwrap().1.replace("\\\n", "");
        let words: Vec<_> = command.split_whitespace().collect();
        assert_eq!(format!("waxseal {}", words.join(" ")), long);
    }

    #[test]
    fn nothing_a_server_says_moves_the_cursor() {
        let evil = "a\u{1b}[2J\nok           all-is-well";
        let mut finding = Finding::new("key-state", Level::Problem, evil).of(evil).remedy(evil);
        finding.fixed = Some(evil.to_owned());
        let plain = finding.to_text().replace("\u{1b}[31m", "").replace("\u{1b}[1m", "");
        let plain = plain.replace("\u{1b}[0m", "");
        assert!(!plain.contains('\u{1b}') && !plain.contains("\nok"), "{plain:?}");
    }
}
