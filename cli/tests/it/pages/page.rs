//! A page: its commands, what they are to print, its files.

use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;

use snapbox::Data;
use snapbox::filter::NormalizeToExpected;

/// A page of the documentation.
pub(super) struct Page {
    pub(super) path: PathBuf,
    text: String,
    pub(super) steps: Vec<Step>,
}

pub(super) enum Step {
    Command(Shown),
    File { name: String, text: String },
}

/// A command as the page shows it.
pub(super) struct Shown {
    pub(super) command: String,
    /// Whether it needs the S3 of Ceph.
    pub(super) is_for_ceph: bool,
    /// Where in the page its output is.
    output: Range<usize>,
}

/// The block that a line is in.
enum Block {
    None,
    Console { is_for_ceph: bool },
    File,
    Other,
}

impl Page {
    pub(super) fn read(path: &Path) -> Self {
        Self::parse(path.to_owned(), std::fs::read_to_string(path).unwrap())
    }

    pub(super) fn parse(path: PathBuf, text: String) -> Self {
        let mut steps = vec![];
        let mut block = Block::None;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let end = at + line.len();
            match (&block, line.strip_prefix("```"), steps.last_mut()) {
                (Block::None, Some(info), _) => {
                    let info = info.trim_end();
                    block = match (info, info.split_once(" file=")) {
                        ("console", _) => Block::Console { is_for_ceph: false },
                        ("console s3=ceph", _) => Block::Console { is_for_ceph: true },
                        (_, Some((_, name))) => {
                            steps.push(Step::File { name: name.to_owned(), text: String::new() });
                            Block::File
                        }
                        _ => Block::Other,
                    };
                }
                (_, Some(_), _) => block = Block::None,
                (&Block::Console { is_for_ceph }, None, last) => {
                    let continues = |shown: &Shown| shown.output.is_empty();
                    match (line.strip_prefix("$ "), line.strip_prefix("> "), last) {
                        (Some(command), ..) => {
                            let command = command.to_owned();
                            let shown = Shown { command, is_for_ceph, output: end..end };
                            steps.push(Step::Command(shown));
                        }
                        (_, Some(more), Some(Step::Command(shown))) if continues(shown) => {
                            shown.command.push_str(more);
                            shown.output = end..end;
                        }
                        (_, _, Some(Step::Command(shown))) => shown.output.end = end,
                        _ => panic!("{}: no command before {line:?}", path.display()),
                    }
                }
                (Block::File, None, Some(Step::File { text, .. })) => text.push_str(line),
                _ => {}
            }
            at = end;
        }
        Self { path, text, steps }
    }

    /// Whether some of it needs the S3 of Ceph.
    pub(super) fn needs_ceph(&self) -> bool {
        self.shown().any(|shown| shown.is_for_ceph)
    }

    /// Takes out what needs the S3 of Ceph.
    pub(super) fn without_ceph(mut self) -> Self {
        self.steps.retain(|step| !matches!(step, Step::Command(shown) if shown.is_for_ceph));
        self
    }

    pub(super) fn commands(&self) -> impl Iterator<Item = &str> {
        self.shown().map(|shown| shown.command.as_str())
    }

    fn shown(&self) -> impl Iterator<Item = &Shown> {
        self.steps.iter().filter_map(|step| match step {
            Step::Command(shown) => Some(shown),
            Step::File { .. } => None,
        })
    }

    /// Says where the page shows something else than `actual`, or mends it if that is wanted.
    pub(super) fn compare(&self, actual: &[String]) -> Result<(), String> {
        let mut mended = self.text.clone();
        let mut differences = vec![];
        for (shown, actual) in self.shown().zip(actual).collect::<Vec<_>>().into_iter().rev() {
            let expected = &self.text[shown.output.clone()];
            // What a wildcard stands for becomes the wildcard.
            let actual = NormalizeToExpected::new()
                .redact()
                .normalize(Data::text(actual), &Data::text(expected))
                .to_string();
            if actual != expected {
                mended.replace_range(shown.output.clone(), &actual);
                let (path, command) = (self.path.display(), &shown.command);
                differences.push(format!(
                    "{path}: $ {command}--- shown\n{expected}--- printed\n{actual}---\n"
                ));
            }
        }
        if mended != self.text && self.path.is_file() && std::env::var_os("WAXSEAL_BLESS").is_some()
        {
            std::fs::write(&self.path, mended).unwrap();
            return Ok(());
        }
        differences.reverse();
        if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
    }
}
