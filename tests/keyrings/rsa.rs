//! RSA keys: the layout, what is refused, and OpenSSL as a peer.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::KeyPair as _;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use sha2::Digest as _;
use sha2::Sha256;
use sha2::Sha384;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::KeyRequest;
use waxseal::Keyring as _;
use waxseal::RsaKeyring;
use waxseal::WrappedKey;

use crate::rsa_keys::Pair;
use crate::rsa_keys::pem;
use crate::rsa_keys::pss_der_of;
use crate::rsa_keys::public_der_of;

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

/// A data key, and wrapped.
async fn generated(keyring: &RsaKeyring) -> ([u8; 32], WrappedKey) {
    let made = keyring.generate_data_key(&KeyRequest::new(&context())).await.unwrap();
    let [wrapped] = made.wrapped() else { panic!("wrapped once") };
    (*made.key().expose(), wrapped.clone())
}

async fn unwrap(keyring: &RsaKeyring, wrapped: WrappedKey) -> Result<[u8; 32], Error> {
    let key = keyring.unwrap_data_key(&[wrapped], &KeyRequest::new(&context())).await?;
    Ok(*key.expose())
}

/// The same wrapped key with these bytes in it.
fn holding(wrapped: &WrappedKey, ciphertext: Vec<u8>) -> WrappedKey {
    WrappedKey::new(wrapped.provider(), wrapped.key_id().unwrap(), ciphertext).unwrap()
}

/// HKDF-Expand of one block (RFC 5869, section 2.3), without this library.
fn tag(key: &[u8], context: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha384>::new_from_slice(key).unwrap();
    for part in [b"waxseal/rsa/v1\0", context, &[1]] {
        mac.update(part);
    }
    mac.finalize().into_bytes()[..32].to_vec()
}

const CANONICAL: &[u8] = b"\0\x01\0\x06tenant\0\x04acme";

#[tokio::test]
async fn the_public_key_seals_and_only_the_private_one_opens() {
    for size in [KeySize::Rsa2048, KeySize::Rsa3072] {
        let pair = Pair::of(size);
        let (public, private) = (pair.public(), pair.private());
        assert_eq!(public.key_id(), private.key_id());
        assert_eq!((public.can_open(), private.can_open()), (false, true));
        for sealer in [&public, &private, &RsaKeyring::from_public_der(&pair.public_der()).unwrap()]
        {
            let cipher = EnvelopeCipher::new(sealer.clone());
            let sealed = cipher.seal(b"plain", &context()).await.unwrap();
            let opener = EnvelopeCipher::new(private.clone());
            assert_eq!(opener.open(&sealed, &context()).await.unwrap(), b"plain"[..]);
            let error = EnvelopeCipher::new(public.clone()).open(&sealed, &context()).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::KeyAccess);
            assert!(error.to_string().contains("its private half opens"), "{error}");
        }
    }
}

/// The layout of `docs/format.md`, taken apart without this library.
#[tokio::test]
async fn what_is_wrapped_is_the_data_key_and_a_tag_of_the_context() {
    let pair = Pair::new();
    let (key, wrapped) = generated(&pair.public()).await;
    let id: String = Sha256::digest(pair.public_der()).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!((wrapped.provider(), wrapped.key_id()), ("rsa", Some(&*id)));
    assert_eq!(wrapped.ciphertext().len(), 256);
    let payload = pair.decrypt(wrapped.ciphertext());
    assert_eq!(payload, [&key[..], &tag(&key, CANONICAL)].concat());
    let made = pair.encrypt(&[&[7; 32][..], &tag(&[7; 32], CANONICAL)].concat());
    assert_eq!(unwrap(&pair.private(), holding(&wrapped, made)).await.unwrap(), [7; 32]);
}

#[tokio::test]
async fn another_context_is_refused() {
    let pair = Pair::new();
    let (_, wrapped) = generated(&pair.public()).await;
    for other in [
        EncryptionContext::new(),
        EncryptionContext::from([("tenant", "rival")]),
        EncryptionContext::from([("tenant", "acme"), ("table", "orders")]),
    ] {
        let request = KeyRequest::new(&other);
        let opened = pair.private().unwrap_data_key(std::slice::from_ref(&wrapped), &request).await;
        assert_eq!(opened.err().unwrap().kind(), ErrorKind::Authentication);
    }
}

/// All that fails looks the same, whether OAEP, a length or the tag is what fails.
#[tokio::test]
async fn whatever_does_not_unwrap_is_refused_alike() {
    let pair = Pair::new();
    let private = pair.private();
    let (key, wrapped) = generated(&private).await;
    let good = wrapped.ciphertext();
    let mut bad: Vec<Vec<u8>> = (0..good.len())
        .map(|i| {
            let mut flipped = good.to_vec();
            flipped[i] ^= 1;
            flipped
        })
        .collect();
    bad.extend([good[..255].to_vec(), good[1..].to_vec(), [good, &[0]].concat(), vec![0; 1]]);
    bad.extend([vec![0; 256], vec![0xff; 256], vec![1; 8192]]);
    let payload = [&key[..], &tag(&key, CANONICAL)].concat();
    bad.extend([0, 1, 31, 32, 63].map(|len| pair.encrypt(&payload[..len])));
    bad.push(pair.encrypt(&[&payload[..], &[0]].concat()));
    bad.push(pair.encrypt(&[&payload[..], &payload[32..]].concat()));
    for i in 0..64 {
        let mut flipped = payload.clone();
        flipped[i] ^= 1;
        bad.push(pair.encrypt(&flipped));
    }
    let mut texts = vec![];
    for ciphertext in bad {
        let error = unwrap(&private, holding(&wrapped, ciphertext)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        texts.push(error.to_string());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[tokio::test]
async fn another_private_key_is_refused() {
    let (pair, other) = (Pair::new(), Pair::new());
    let (key, wrapped) = generated(&pair.public()).await;
    let error = unwrap(&other.private(), wrapped.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert!(error.to_string().contains(pair.public().key_id()), "{error}");
    // Under the other's name it is tried, and is not the other's.
    let renamed = WrappedKey::new("rsa", other.public().key_id(), wrapped.ciphertext()).unwrap();
    let error = unwrap(&other.private(), renamed.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    // Nor does it hinder the right one.
    let own = generated(&other.public()).await;
    let context = context();
    let request = KeyRequest::new(&context);
    let both = [renamed, own.1];
    assert_eq!(*other.private().unwrap_data_key(&both, &request).await.unwrap().expose(), own.0);
    // A wrapped key of another kind is not tried.
    let local = WrappedKey::new("local", pair.public().key_id(), wrapped.ciphertext()).unwrap();
    let error = unwrap(&pair.private(), local).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert_eq!(unwrap(&pair.private(), wrapped).await.unwrap(), key);
}

#[test]
fn keys_have_2048_to_8192_bits_and_a_legal_exponent() {
    let f4 = &[1, 0, 1];
    for (bits, exponent, legal) in [
        (2048, &f4[..], true),
        (8192, f4, true),
        (3000, f4, true),
        (2048, &[3], true),
        (1024, f4, false),
        (2047, f4, false),
        (8193, f4, false),
        (16384, f4, false),
        (2048, &[1], false),
        (2048, &[2], false),
    ] {
        let der = public_der_of(bits, exponent);
        let read = RsaKeyring::from_public_der(&der);
        assert_eq!(read.is_ok(), legal, "{bits} {exponent:?}");
        assert_eq!(RsaKeyring::from_public_pem(&pem("PUBLIC KEY", &der)).is_ok(), legal);
        if let Err(error) = read {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }
}

#[test]
fn what_is_not_the_right_kind_of_key_is_refused_with_a_remedy() {
    let pair = Pair::new();
    let (public, private) = (pair.public_pem(), pair.private_pem());
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let ec: PublicKeyX509Der<'_> = ec.public_key().as_der().unwrap();
    let labelled = |label: &str| private.replace("PRIVATE KEY", label);
    let old = "BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n";
    let old = labelled("RSA PRIVATE KEY").replace("BEGIN RSA PRIVATE KEY-----\n", old);
    for (text, remedy) in [
        (labelled("ENCRYPTED PRIVATE KEY"), "openssl pkey -in KEY -out PLAIN"),
        (old, "openssl pkey -in KEY -out PKCS8"),
        (labelled("RSA PRIVATE KEY"), "openssl pkey -in KEY -out PKCS8"),
        (labelled("RSA PUBLIC KEY"), "-RSAPublicKey_in"),
        (labelled("CERTIFICATE"), "openssl x509"),
        (labelled("EC PRIVATE KEY"), "openssl genpkey -algorithm RSA"),
        (String::new(), "openssl genpkey -algorithm RSA"),
        ("hello".into(), "openssl genpkey -algorithm RSA"),
    ] {
        for read in [RsaKeyring::from_public_pem, RsaKeyring::from_private_pem] {
            let error = read(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }
    let error = RsaKeyring::from_public_pem(&private).unwrap_err();
    assert!(error.to_string().contains("openssl pkey -in KEY -pubout"), "{error}");
    let error = RsaKeyring::from_private_pem(&public).unwrap_err();
    assert!(error.to_string().contains("the private one is needed"), "{error}");
    for (i, read) in [
        RsaKeyring::from_public_pem(&pem("PUBLIC KEY", ec.as_ref())),
        RsaKeyring::from_public_pem(&pem("PUBLIC KEY", &pair.public_der()[1..])),
        RsaKeyring::from_public_pem(&pem("PUBLIC KEY", &[pair.public_der(), vec![0]].concat())),
        RsaKeyring::from_public_der(&pss_der_of(2048, &[1, 0, 1])),
        RsaKeyring::from_private_pem(&pem("PRIVATE KEY", &pair.public_der())),
        RsaKeyring::from_public_pem(&public.replace('\n', "")),
        RsaKeyring::from_private_pem(&private[..private.len() / 2]),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(read.err().map(|e| e.kind()), Some(ErrorKind::InvalidInput), "{i}");
    }
}

#[test]
fn debug_prints_the_name_only() {
    let pair = Pair::new();
    let text = format!("{:?}", pair.private());
    let wanted = format!("RsaKeyring {{ key_id: {:?}, can_open: true }}", pair.public().key_id());
    assert_eq!(text, wanted);
}

/// With keys that OpenSSL made, what was wrapped here is unwrapped there, and the other way round.
#[tokio::test]
async fn openssl_unwraps_and_wraps() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let openssl = |args: &[&str]| run_openssl(folder.path(), args);
    let (private, public) = (path("private.pem"), path("public.pem"));
    let genpkey = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"];
    if openssl(&[&genpkey[..], &[&private]].concat()).is_none() {
        assert!(std::env::var_os("CI").is_none(), "openssl is not installed");
        let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED HERE: openssl is not installed ***");
        return;
    }
    openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let keyring = RsaKeyring::from_private_pem(&read("private.pem")).unwrap();
    let sealer = RsaKeyring::from_public_pem(&read("public.pem")).unwrap();
    let (key, wrapped) = generated(&sealer).await;
    let oaep = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"];

    std::fs::write(path("wrapped"), wrapped.ciphertext()).unwrap();
    let args = ["pkeyutl", "-decrypt", "-inkey", &private, "-in", &path("wrapped")];
    let payload = openssl(&[&args[..], &oaep].concat()).unwrap();
    assert_eq!(payload[..32], key);

    std::fs::write(path("payload"), payload).unwrap();
    let args = ["pkeyutl", "-encrypt", "-pubin", "-inkey", &public, "-in", &path("payload")];
    let made = openssl(&[&args[..], &oaep].concat()).unwrap();
    assert_eq!(unwrap(&keyring, holding(&wrapped, made)).await.unwrap(), key);

    let der = openssl(&["pkey", "-in", &private, "-pubout", "-outform", "DER"]).unwrap();
    let id: String = Sha256::digest(der).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(keyring.key_id(), id);

    // The commands of the errors do what the errors say.
    let (pkcs1, locked) = (path("pkcs1.pem"), path("locked.pem"));
    openssl(&["pkey", "-in", &private, "-traditional", "-out", &pkcs1]);
    openssl(&["pkey", "-in", &private, "-aes256", "-passout", "pass:x", "-out", &locked]);
    for (name, remedy) in [("pkcs1.pem", "PKCS8"), ("locked.pem", "PLAIN")] {
        let error = RsaKeyring::from_private_pem(&read(name)).unwrap_err().to_string();
        assert!(error.ends_with(&format!("`openssl pkey -in KEY -out {remedy}`")), "{error}");
        let again = path("again.pem");
        openssl(&["pkey", "-in", &path(name), "-passin", "pass:x", "-out", &again]);
        assert!(RsaKeyring::from_private_pem(&read("again.pem")).is_ok());
    }
    openssl(&["rsa", "-in", &private, "-RSAPublicKey_out", "-out", &path("pkcs1.pub")]);
    assert!(RsaKeyring::from_public_pem(&read("pkcs1.pub")).is_err());
    let (from, to) = (path("pkcs1.pub"), path("again.pub"));
    openssl(&["rsa", "-RSAPublicKey_in", "-in", &from, "-pubout", "-out", &to]);
    assert!(RsaKeyring::from_public_pem(&read("again.pub")).is_ok());
}

/// What it printed; `None` if there is no OpenSSL.
fn run_openssl(folder: &Path, args: &[&str]) -> Option<Vec<u8>> {
    let done = match Command::new("openssl").args(args).current_dir(folder).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        done => done.unwrap(),
    };
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    Some(done.stdout)
}
