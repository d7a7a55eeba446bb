//! The RSA key of `--key rsa:PATH`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use waxseal::RsaKeyring;
use zeroize::Zeroizing;

use crate::exit::Code;
use crate::exit::Failure;

/// # Errors
///
/// `Code::Key` if it cannot be read, or others can read a private key, or it is another file.
pub(super) fn load(path: &Path) -> Result<RsaKeyring, Failure> {
    let what = || format!("cannot use the RSA key {}", path.display());
    let unreadable = |error| {
        Failure::io(what(), error).with_code(Code::Key).remedy("check the path and its permissions")
    };
    let file = File::open(path).map_err(unreadable)?;
    let others_can_read = others_can_read(&file).map_err(unreadable)?;
    // Read at once: a buffer that grows leaves keys behind.
    let mut pem = Zeroizing::new(Vec::with_capacity(MAX_LEN));
    file.take(MAX_LEN as u64).read_to_end(&mut pem).map_err(unreadable)?;
    let begins_as_der = pem.first() == Some(&DER_SEQUENCE);
    let pem = std::str::from_utf8(&pem).unwrap_or_default();
    let is_private = pem.contains("PRIVATE KEY-----");
    if is_private && others_can_read {
        let text = format!("others can read the private key {}", path.display());
        return Err(Failure::new(Code::Key, text).remedy(format!(
            "chmod 600 {}, and think about who may have read it",
            path.display()
        )));
    }
    let keyring = if is_private {
        RsaKeyring::from_private_pem(pem)
    } else {
        RsaKeyring::from_public_pem(pem)
    };
    keyring.map_err(|error| {
        let form = match pem {
            "" if begins_as_der => Some(&DER),
            _ => OTHERS.iter().find(|(mark, ..)| pem.contains(mark)),
        };
        match form {
            Some((_, is, remedy)) => {
                Failure::new(Code::Key, format!("{}: it is {is}", what())).remedy(*remedy)
            }
            None => Failure::library(what(), error).with_code(Code::Key).remedy(MAKE),
        }
    })
}

#[cfg(unix)]
fn others_can_read(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

/// Other systems have no mode to look at; the user's folder protects the file.
#[cfg(not(unix))]
fn others_can_read(_: &File) -> std::io::Result<bool> {
    Ok(false)
}

/// Bytes; a private key of 8,192 bits has some 6,400.
const MAX_LEN: usize = 32 << 10;
/// How keys in DER begin.
const DER_SEQUENCE: u8 = 0x30;
/// What other forms of a key contain, are, and can be made into. First match wins.
type Form = (&'static str, &'static str, &'static str);
const DER: Form = (
    "",
    "in DER",
    "convert it with `openssl pkey -inform DER -in FILE -out KEY`, a public one with -pubin as well",
);
const OTHERS: &[Form] = &[
    ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "encrypted", DECRYPT),
    ("Proc-Type: 4,ENCRYPTED", "encrypted", DECRYPT),
    (
        "-----BEGIN RSA PRIVATE KEY-----",
        "in PKCS#1",
        "convert it with `openssl pkey -in FILE -out KEY`",
    ),
    (
        "-----BEGIN RSA PUBLIC KEY-----",
        "in PKCS#1",
        "convert it with `openssl rsa -RSAPublicKey_in -in FILE -pubout -out KEY`",
    ),
    (
        "-----BEGIN CERTIFICATE-----",
        "a certificate",
        "take its key with `openssl x509 -in FILE -pubkey -noout -out KEY`",
    ),
];
const DECRYPT: &str = "in bash, --key rsa:<(openssl pkey -in FILE) decrypts it and leaves nothing on \
     the disk";
const MAKE: &str = "make a key with `openssl genpkey -algorithm RSA -pkeyopt \
     rsa_keygen_bits:3072 -out KEY`, and its public half with `openssl pkey -in KEY -pubout`";
