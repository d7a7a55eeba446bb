//! A key file sealed under a passphrase.
//!
//! ```text
//! # waxseal keys, ...
//! waxseal-locked-keys/1 argon2id m=65536,t=3,p=4 <salt> <nonce || ciphertext || tag>
//! ```
//!
//! Salt (16 bytes) and the rest in base64url. The plaintext is the text of a key file, the key is
//! Argon2id of the passphrase, 32 bytes, and the AAD is the line up to the space before the last
//! field. Lines that begin with `#` and empty lines are ignored.

use base64ct::Base64UrlUnpadded;
use base64ct::Encoding as _;
use zeroize::Zeroizing;

use crate::crypto;
use crate::crypto::Aead;
use crate::crypto::NONCE_LEN;
use crate::crypto::passphrase;
use crate::crypto::passphrase::Cost;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;

/// Whether this is the text of a locked file, by how it begins.
pub(super) fn is_locked(text: &str) -> bool {
    lines(text).next().is_some_and(|line| line.starts_with(FAMILY))
}

/// The text of a locked file that holds `plain`.
pub(super) fn lock(plain: &[u8], passphrase: &[u8]) -> Result<String> {
    lock_at(Cost::RECOMMENDED, plain, passphrase)
}

fn lock_at(cost: Cost, plain: &[u8], passphrase: &[u8]) -> Result<String> {
    if passphrase.is_empty() {
        return Err(Error::invalid_input("the passphrase is empty"));
    }
    let mut salt = [0; SALT_LEN];
    crypto::fill_random(&mut salt)?;
    let head = format!("{} {}", head(cost), Base64UrlUnpadded::encode_string(&salt));
    let mut in_out = Zeroizing::new(plain.to_vec());
    let key = passphrase::derive(passphrase, &salt, cost)?;
    let (nonce, tag) = Aead::new(key.expose())?.seal(head.as_bytes(), &mut in_out)?;
    let sealed = [&nonce[..], &in_out, &tag].concat();
    Ok(format!("{COMMENT}\n{head} {}\n", Base64UrlUnpadded::encode_string(&sealed)))
}

/// What a locked file holds.
///
/// # Errors
///
/// `Format` if it is none, or costs more than is borne; `KeyAccess` if the passphrase is wrong.
pub(super) fn unlock(text: &str, passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let Locked { head, cost, salt, mut sealed } = Locked::parse(text)
        .ok_or_else(|| Error::format("not a locked key file of this version, or damaged"))?;
    if !cost.is_bearable() {
        return Err(Error::format(
            "the locked key file asks for more than 1 GiB of memory, 16 passes or 16 lanes",
        ));
    }
    let key = passphrase::derive(passphrase, &salt, cost)?;
    let plain = match sealed.split_first_chunk_mut::<NONCE_LEN>() {
        Some((nonce, in_out)) => Aead::new(key.expose())?.open(nonce, head.as_bytes(), in_out),
        None => None,
    };
    plain.map(|plain| Zeroizing::new(plain.to_vec())).ok_or_else(|| {
        Error::new(ErrorKind::KeyAccess, "the passphrase is wrong, or the file was altered")
    })
}

struct Locked<'a> {
    /// The line up to the space before the last field.
    head: &'a str,
    cost: Cost,
    salt: [u8; SALT_LEN],
    sealed: Zeroizing<Vec<u8>>,
}

impl<'a> Locked<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut lines = lines(text);
        let line = lines.next().filter(|_| lines.next().is_none())?;
        let (head, sealed) = line.rsplit_once(' ')?;
        let (before, salt) = head.rsplit_once(' ')?;
        let (_, params) = before.rsplit_once(' ')?;
        let mut numbers = params.split(',').map(|field| field.get(2..)?.parse().ok());
        let mut number = || numbers.next().flatten();
        let cost = Cost { memory: number()?, passes: number()?, lanes: number()? };
        // One spelling: whatever is said otherwise is another format.
        if before != self::head(cost) {
            return None;
        }
        let mut salt_bytes = [0; SALT_LEN];
        let salt_len = Base64UrlUnpadded::decode(salt, &mut salt_bytes).ok()?.len();
        // In memory that is wiped: it will hold the keys.
        let mut bytes = Zeroizing::new(vec![0; sealed.len()]);
        let len = Base64UrlUnpadded::decode(sealed, &mut bytes).ok()?.len();
        bytes.truncate(len);
        (salt_len == SALT_LEN).then_some(Self { head, cost, salt: salt_bytes, sealed: bytes })
    }
}

fn head(Cost { memory, passes, lanes }: Cost) -> String {
    format!("{FAMILY}1 argon2id m={memory},t={passes},p={lanes}")
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

const FAMILY: &str = "waxseal-locked-keys/";
const COMMENT: &str = "# waxseal keys, locked with a passphrase. Back this file up, and keep the \
     passphrase elsewhere: without either, what it sealed is lost.";
const SALT_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory: 8, passes: 1, lanes: 1 };

    fn kind(text: &str) -> ErrorKind {
        unlock(text, b"secret").unwrap_err().kind()
    }

    #[test]
    fn the_passphrase_unlocks_and_nothing_else_does() {
        let text = lock_at(CHEAP, b"plain", b"secret").unwrap();
        assert_eq!(**unlock(&text, b"secret").unwrap(), *b"plain");
        assert!(is_locked(&text) && !text.contains("plain"));
        for wrong in [&b""[..], b"Secret", b"secret ", b"secre"] {
            assert_eq!(unlock(&text, wrong).unwrap_err().kind(), ErrorKind::KeyAccess);
        }
        assert!(lock_at(CHEAP, b"plain", b"").is_err());
        let again = lock_at(CHEAP, b"plain", b"secret").unwrap();
        let salt = |text: &str| text.split(' ').rev().nth(1).unwrap().to_owned();
        assert_ne!(salt(&text), salt(&again));
    }

    /// The digits of the cost aside, every character is the version's, or is authenticated.
    #[test]
    fn every_altered_character_is_noticed() {
        let text = lock_at(CHEAP, b"plain", b"secret").unwrap();
        let line_at = text.find('\n').unwrap() + 1;
        for at in line_at..text.len() - 1 {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'1' { b'2' } else { b'1' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(
                [ErrorKind::Format, ErrorKind::KeyAccess].contains(&kind(&altered)),
                "{altered}"
            );
        }
    }

    /// A writer of the file cannot say that it costs less, or more, and have it opened.
    #[test]
    fn the_line_is_authenticated() {
        let (salt, cost) = ([7; SALT_LEN], CHEAP);
        let key = passphrase::derive(b"secret", &salt, cost).unwrap();
        let head = format!("{} {}", head(cost), Base64UrlUnpadded::encode_string(&salt));
        for (aad, opens) in [(&*head, true), ("", false), (&head[1..], false)] {
            let mut in_out = *b"plain";
            let aead = Aead::new(key.expose()).unwrap();
            let (nonce, tag) = aead.seal(aad.as_bytes(), &mut in_out).unwrap();
            let sealed = Base64UrlUnpadded::encode_string(&[&nonce[..], &in_out, &tag].concat());
            assert_eq!(unlock(&format!("{head} {sealed}"), b"secret").is_ok(), opens);
        }
    }

    #[test]
    fn other_spellings_and_unbearable_costs_are_refused_before_any_work() {
        let good = lock_at(CHEAP, b"plain", b"secret").unwrap();
        let line = good.lines().last().unwrap();
        assert!(unlock(line, b"secret").is_ok());
        assert!(unlock(&format!("\n# note\n{line}"), b"secret").is_ok());
        let salt = line.split(' ').nth(3).unwrap();
        for bad in [
            String::new(),
            "waxseal-locked-keys/1".into(),
            format!("{line} more"),
            format!("{line}\n{line}"),
            format!(" {line}"),
            line.replace("/1 ", "/2 "),
            line.replace("argon2id", "argon2i"),
            line.replace("m=8,t=1,p=1", "t=1,m=8,p=1"),
            line.replace("m=8", "m=+8"),
            line.replace("m=8", "m=08"),
            line.replace("p=1", "p=1,x=1"),
            line.replace("p=1", "p=1,"),
            line.replace("m=8", "m=4294967296"),
            line.replace(salt, &salt[..21]),
            line.replace(salt, ""),
            line.replace(salt, "!"),
            format!("{line}="),
            // These would take minutes and all memory.
            line.replace("m=8", "m=4294967295"),
            line.replace("m=8", "m=1048577"),
            line.replace("t=1", "t=4294967295"),
            line.replace("t=1", "t=17"),
            line.replace("p=1", "p=17").replace("m=8", "m=136"),
            line.replace("t=1", "t=0"),
            line.replace("p=1", "p=0"),
            line.replace("m=8", "m=7"),
        ] {
            assert_eq!(kind(&bad), ErrorKind::Format, "{bad}");
        }
        let cut = line.rsplit_once(' ').unwrap().0;
        for sealed in ["", "AAAA", "AAAAAAAAAAAAAAAA"] {
            assert_eq!(kind(&format!("{cut} {sealed}")), ErrorKind::KeyAccess, "{sealed}");
        }
    }
}
