//! What commands print for people and for programs: text or JSON, on standard output.

use std::io::Write as _;

use anstyle::AnsiColor;
use anstyle::Style;
use serde::Serialize;

use crate::exit::Failure;
use crate::output::cannot_write;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Writes to standard output: with its colours on a terminal, without them elsewhere and under
/// `NO_COLOR`.
///
/// # Errors
///
/// `Code::Store` if it cannot be written, `Code::Signal(SIGPIPE)` if the reader left.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    let done = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    done.map_err(|e| cannot_write("standard output", e))
}

/// One JSON value and a line feed.
pub(crate) fn to_json(report: &impl Serialize) -> String {
    serde_json::to_string_pretty(report).expect("strings and numbers are JSON") + "\n"
}

/// Stored text cannot move the cursor or colour the terminal.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c: char| {
        if c.is_control() { c.escape_default().collect::<String>() } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

/// A command that a shell takes as it is: of plain words only, since some come from servers.
pub(crate) fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":/_.,=@+-".contains(&b);
    let words: Vec<_> = words.into_iter().collect();
    let all_plain = words.iter().all(|word| !word.is_empty() && word.bytes().all(plain));
    all_plain.then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[31m\nb ü"), "a\\u{1b}[31m\\nb ü");
    }

    #[test]
    fn only_plain_words_become_a_command() {
        assert_eq!(command(["a", "b-c"]).as_deref(), Some("a b-c"));
        for bad in ["", "a b", "$(x)", "a;b", "a'b", "a\u{1b}", "`x`", "a*"] {
            assert_eq!(command(["a", bad]), None, "{bad:?}");
        }
    }
}
