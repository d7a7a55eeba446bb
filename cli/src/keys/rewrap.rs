//! From `--from-key` and `--key` to a [`Rewrap`].

use std::sync::Arc;

use waxseal::Keyring;
use waxseal::KmsKeyring;
use waxseal::Rewrap;

use crate::aws::Aws;
use crate::exit::Failure;
use crate::keys::KeyNames;
use crate::keys::KeySpec;
use crate::keys::Keyrings;
use crate::keys::absent;
use crate::keys::default_path;
use crate::keys::kms;
use crate::passphrase::Passphrase;

/// A keyring; of KMS as it is, so that the library can tell.
enum Ring {
    Kms(KmsKeyring),
    Other(Arc<dyn Keyring>),
}

/// Neither is empty. `again`: a key may be both old and new.
///
/// # Errors
///
/// `Code::Usage` if a key is both and may not be; `Code::Key` if one cannot be used.
pub(crate) async fn rewrap(
    from: &[KeySpec],
    to: &[KeySpec],
    again: bool,
    passphrase: &Passphrase,
    aws: &Aws,
) -> Result<Rewrap, Failure> {
    refuse_repeated("--from-key", from)?;
    refuse_repeated("--key", to)?;
    let is_same = shares_a_key(from, to, passphrase, aws).await?;
    if is_same && !again {
        return Err(Failure::usage("a --from-key is a --key as well").remedy(
            "name another key; or, if KMS rotated it, say when: --before 2026-01-31T00:00:00Z",
        ));
    }
    let (mut from, mut to) =
        (rings(from, passphrase, aws).await?, rings(to, passphrase, aws).await?);
    let rewrap = match (from.remove(0), to.remove(0)) {
        (Ring::Kms(from), Ring::Kms(to)) => Rewrap::new(from, to),
        (Ring::Kms(from), Ring::Other(to)) => Rewrap::new(from, to),
        (Ring::Other(from), Ring::Kms(to)) => Rewrap::new(from, to),
        (Ring::Other(from), Ring::Other(to)) => Rewrap::new(from, to),
    };
    let rewrap = from.into_iter().fold(rewrap, |rewrap, ring| match ring {
        Ring::Kms(from) => rewrap.and_from(from),
        Ring::Other(from) => rewrap.and_from(from),
    });
    let rewrap = to.into_iter().fold(rewrap, |rewrap, ring| match ring {
        Ring::Kms(to) => rewrap.and_to(to),
        Ring::Other(to) => rewrap.and_to(to),
    });
    Ok(if is_same { rewrap.again() } else { rewrap })
}

/// Of a key file each object tells which of its keys it is under, so that may be both.
async fn shares_a_key(
    from: &[KeySpec],
    to: &[KeySpec],
    passphrase: &Passphrase,
    aws: &Aws,
) -> Result<bool, Failure> {
    let tells = |spec: &&KeySpec| !matches!(spec, KeySpec::Local(_));
    let mut names = vec![];
    for spec in from.iter().filter(tells) {
        names.push(KeyNames::of(spec, passphrase, aws).await?);
    }
    for spec in to.iter().filter(tells) {
        let to = KeyNames::of(spec, passphrase, aws).await?;
        if names.iter().any(|from| from.share_a_key_with(&to)) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn rings(
    specs: &[KeySpec],
    passphrase: &Passphrase,
    aws: &Aws,
) -> Result<Vec<Ring>, Failure> {
    let mut rings = vec![];
    for spec in specs {
        rings.push(match spec {
            KeySpec::AwsKms(id) => Ring::Kms(kms(id, aws).await?),
            // Not made for this: what it should open would not be there.
            KeySpec::Local(None) if !default_path()?.exists() => {
                return Err(absent(&default_path()?).or("make a new one with `waxseal keygen`"));
            }
            spec => {
                let mut one = Keyrings::default();
                spec.add_to(&mut one, passphrase, aws).await?;
                Ring::Other(one.all.remove(0))
            }
        });
    }
    Ok(rings)
}

fn refuse_repeated(option: &str, specs: &[KeySpec]) -> Result<(), Failure> {
    match (1..specs.len()).find(|&i| specs[..i].contains(&specs[i])) {
        Some(i) => Err(Failure::usage(format!("{option} number {} was given before", i + 1))
            .remedy("give each key once")),
        None => Ok(()),
    }
}
