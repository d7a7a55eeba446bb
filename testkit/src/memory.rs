//! Looks for secrets in the memory of another process.
//!
//! From outside, so that what is looked for never stands in the memory that is looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use aws_smithy_types::base64;

/// Secrets to look for, in every form that software writes bytes in.
///
/// Whole and by halves: the C library's `free` overwrites the first 16 bytes of a block with
/// pointers, so that what was freed shows by its second half only.
#[derive(Default)]
pub struct Scanner {
    secrets: Vec<(String, Vec<u8>)>,
    needles: Vec<Needle>,
    /// Needles by their first two bytes.
    by_start: BTreeMap<[u8; 2], Vec<usize>>,
}

/// One form of one secret, or half of it.
#[derive(PartialEq)]
struct Needle {
    secret: usize,
    form: Form,
    is_half: bool,
    bytes: Vec<u8>,
}

/// How the bytes of a secret are written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Form {
    /// As they are.
    Raw,
    /// In hexadecimal digits of either case.
    Hex,
    /// In base64 or base64url, alone or within something longer.
    Base64,
}

/// How often each secret was found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found(BTreeMap<(String, Form), Copies>);

/// Copies of one secret in one form.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Copies {
    /// All of it.
    pub whole: usize,
    /// One half of it without the other.
    pub halves: usize,
}

impl Scanner {
    /// Looks for this secret too, unless it does already.
    ///
    /// # Panics
    ///
    /// If it is so short that its halves would be found anywhere.
    pub fn look_for(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= 32, "a secret of {} bytes", secret.len());
        if self.secrets.iter().any(|(_, known)| known == secret) {
            return;
        }
        let index = self.secrets.len();
        self.secrets.push((name.to_owned(), secret.to_vec()));
        for (form, bytes) in forms(secret) {
            let (first, last) = bytes.split_at(bytes.len() / 2);
            for (is_half, bytes) in [(false, &bytes[..]), (true, first), (true, last)] {
                let needle = Needle { secret: index, form, is_half, bytes: bytes.to_vec() };
                // The alphabets of base64 share most digits.
                if !self.needles.contains(&needle) {
                    let needles = self.by_start.entry([bytes[0], bytes[1]]).or_default();
                    needles.push(self.needles.len());
                    self.needles.push(needle);
                }
            }
        }
    }

    /// Looks through everything that the process can write to.
    ///
    /// # Errors
    ///
    /// If its memory cannot be read, which takes the same user or more, and a process that allows
    /// it.
    pub fn scan(&self, process: u32) -> io::Result<Found> {
        let memory = File::open(format!("/proc/{process}/mem"))?;
        let mut scanned = self.scan_once(process, &memory);
        for _ in 0..100 {
            if scanned.is_ok() {
                break;
            }
            // A thread that ended has taken its stack with it: what is mapped is asked again.
            scanned = self.scan_once(process, &memory);
        }
        scanned
    }

    fn scan_once(&self, process: u32, memory: &File) -> io::Result<Found> {
        let mut found = Found::default();
        for (start, end) in writable(process)? {
            let len = usize::try_from(end - start).map_err(io::Error::other)?;
            let mut bytes = vec![0; len];
            memory.read_exact_at(&mut bytes, start)?;
            self.search(&bytes, &mut found);
        }
        Ok(found)
    }

    /// Looks through these bytes.
    pub fn search(&self, bytes: &[u8], found: &mut Found) {
        let mut may_start = vec![false; 1 << 16];
        for start in self.by_start.keys() {
            may_start[usize::from(u16::from_ne_bytes(*start))] = true;
        }
        let zeros = [0; PAGE_LEN];
        for (page, content) in bytes.chunks(PAGE_LEN).enumerate() {
            // Most memory was never written to.
            if content == &zeros[..content.len()] {
                continue;
            }
            let begin = page * PAGE_LEN;
            let window = &bytes[begin..bytes.len().min(begin + content.len() + 1)];
            for (offset, pair) in window.windows(2).enumerate() {
                if may_start[usize::from(u16::from_ne_bytes([pair[0], pair[1]]))] {
                    self.compare([pair[0], pair[1]], &bytes[begin + offset..], found);
                }
            }
        }
    }

    fn compare(&self, start: [u8; 2], bytes: &[u8], found: &mut Found) {
        for needle in self.by_start.get(&start).into_iter().flatten() {
            let needle = &self.needles[*needle];
            if bytes.starts_with(&needle.bytes) {
                let (name, _) = &self.secrets[needle.secret];
                let copies = found.0.entry((name.clone(), needle.form)).or_default();
                match needle.is_half {
                    true => copies.halves += 1,
                    false => copies.whole += 1,
                }
            }
        }
    }
}

/// Prints the names of the secrets only.
impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.secrets.iter().map(|(name, _)| name)).finish()
    }
}

impl Found {
    /// The copies of all secrets whose name begins so, in one form.
    pub fn copies(&self, name: &str, form: Form) -> Copies {
        let mut sum = Copies::default();
        for ((found, found_form), copies) in &self.0 {
            if found.starts_with(name) && *found_form == form {
                sum.whole += copies.whole;
                // Each whole one was counted by its halves as well.
                sum.halves += copies.halves - 2 * copies.whole;
            }
        }
        sum
    }

    /// Copies in all, whole and half.
    pub fn total(&self) -> usize {
        [Form::Raw, Form::Hex, Form::Base64].map(|form| self.copies("", form).total()).iter().sum()
    }
}

impl Copies {
    /// Whole and half.
    pub fn total(self) -> usize {
        self.whole + self.halves
    }
}

/// `2+1` for two copies and half of a third.
impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.halves {
            0 => write!(f, "{}", self.whole),
            halves => write!(f, "{}+{halves}", self.whole),
        }
    }
}

fn forms(secret: &[u8]) -> Vec<(Form, Vec<u8>)> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        (Form::Raw, secret.to_vec()),
        (Form::Hex, hex.to_uppercase().into_bytes()),
        (Form::Hex, hex.into_bytes()),
    ];
    for before in 0..3 {
        // What stands before shifts the digits, and those at the ends depend on neighbours.
        let shifted = base64::encode([&vec![0; before][..], secret].concat());
        let whole_groups = (before + secret.len()) / 3 * 4;
        let from = if before == 0 { 0 } else { 4 };
        let digits = &shifted[from..whole_groups];
        let for_urls = digits.replace('+', "-").replace('/', "_");
        forms.push((Form::Base64, for_urls.into_bytes()));
        forms.push((Form::Base64, digits.as_bytes().to_vec()));
    }
    forms
}

/// Where the mappings are that can be written to.
fn writable(process: u32) -> io::Result<Vec<(u64, u64)>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let mut ranges = vec![];
    for line in maps.lines() {
        let mut words = line.split(' ');
        let (Some(range), Some(access)) = (words.next(), words.next()) else { continue };
        if let Some((start, end)) = range.split_once('-').filter(|_| access.starts_with("rw")) {
            let address = |text| u64::from_str_radix(text, 16).map_err(io::Error::other);
            ranges.push((address(start)?, address(end)?));
        }
    }
    Ok(ranges)
}

const PAGE_LEN: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Vec<u8> {
        (0..48).map(|i: u8| i.wrapping_mul(73) ^ 0xa5).collect()
    }

    fn found_in(bytes: &[u8]) -> Found {
        let mut scanner = Scanner::default();
        scanner.look_for("secret", &secret());
        let mut found = Found::default();
        scanner.search(bytes, &mut found);
        found
    }

    #[test]
    fn every_form_is_found_wherever_it_stands() {
        let hex: String = secret().iter().map(|byte| format!("{byte:02x}")).collect();
        for at in [0, 1, 4095, 4096, 8191] {
            for (text, form) in [
                (secret(), Form::Raw),
                (hex.clone().into_bytes(), Form::Hex),
                (hex.to_uppercase().into_bytes(), Form::Hex),
                (base64::encode(secret()).into_bytes(), Form::Base64),
                (base64::encode([b"x", &secret()[..]].concat()).into_bytes(), Form::Base64),
                (base64::encode([b"xy", &secret()[..], b"z"].concat()).into_bytes(), Form::Base64),
                (
                    base64::encode(secret()).replace('/', "_").replace('+', "-").into_bytes(),
                    Form::Base64,
                ),
            ] {
                let found = found_in(&[&vec![0; at], &text[..]].concat());
                assert_eq!(
                    found.copies("secret", form),
                    Copies { whole: 1, halves: 0 },
                    "{form:?}"
                );
                assert_eq!(found.total(), 1, "{form:?}");
            }
        }
    }

    #[test]
    fn halves_are_found_and_less_is_not() {
        let half = |bytes: &[u8]| found_in(bytes).copies("", Form::Raw);
        assert_eq!(half(&secret()[..24]), Copies { whole: 0, halves: 1 });
        assert_eq!(half(&secret()[24..]), Copies { whole: 0, halves: 1 });
        assert_eq!(half(&secret()[16..]), Copies { whole: 0, halves: 1 });
        assert_eq!(found_in(&secret()[1..47]).total(), 0);
        let found = found_in(&[&secret()[..], &secret()[24..], &[0; 9], &secret()].concat());
        assert_eq!(found.copies("", Form::Raw), Copies { whole: 2, halves: 1 });
    }
}
