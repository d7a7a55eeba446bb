//! Keys from passphrases: Argon2id (RFC 9106), version 0x13. From RustCrypto with either backend, as
//! AWS-LC has none.

use argon2::Algorithm;
use argon2::Argon2;
use argon2::Block;
use argon2::Params;
use argon2::Version;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::secret::Secret;

/// What guessing one passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// In KiB.
    pub(crate) memory: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Cost {
    /// The second recommendation of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes.
    pub(crate) const RECOMMENDED: Self = Self { memory: 64 << 10, passes: 3, lanes: 4 };

    /// Whether it is legal, and of no more than 1 GiB, 16 passes and 16 lanes.
    pub(crate) fn is_bearable(self) -> bool {
        (1..=16).contains(&self.lanes)
            && (1..=16).contains(&self.passes)
            && (8 * self.lanes..=1 << 20).contains(&self.memory)
    }
}

/// # Errors
///
/// `Keyring` if there is not as much memory.
pub(crate) fn derive(passphrase: &[u8], salt: &[u8; 16], cost: Cost) -> Result<Secret<32>> {
    let failed = || {
        let text = format!("no key from the passphrase: no {} KiB of memory?", cost.memory);
        Error::new(ErrorKind::Keyring, text)
    };
    let params =
        Params::new(cost.memory, cost.passes, cost.lanes, Some(32)).map_err(|_| failed())?;
    let mut memory = Zeroizing::new(Vec::new());
    memory.try_reserve_exact(params.block_count()).map_err(|_| failed())?;
    memory.resize(params.block_count(), Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut key = Secret::zeroed();
    argon2
        .hash_password_into_with_memory(passphrase, salt, key.expose_mut(), &mut memory[..])
        .map_err(|_| failed())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the reference implementation: `argon2 somesaltsomesalt -id -v 13 -m 8 -t 2 -p 2`.
    #[test]
    fn it_is_argon2id() {
        let cost = Cost { memory: 256, passes: 2, lanes: 2 };
        let key = derive(b"password", b"somesaltsomesalt", cost).unwrap();
        let hex = base16ct::lower::encode_string(key.expose());
        assert_eq!(hex, "c112d2ee6b9d514413f806243187952186e8f19cacab80f20a823d549f111d2c");
    }

    #[test]
    fn what_is_unbearable_is_told() {
        let good = Cost { memory: 128, passes: 1, lanes: 16 };
        assert!(good.is_bearable() && Cost::RECOMMENDED.is_bearable());
        assert!(Cost { memory: 1 << 20, passes: 16, ..good }.is_bearable());
        for bad in [
            Cost { memory: 127, ..good },
            Cost { memory: (1 << 20) + 1, ..good },
            Cost { memory: u32::MAX, ..good },
            Cost { passes: 0, ..good },
            Cost { passes: 17, ..good },
            Cost { lanes: 0, ..good },
            Cost { lanes: 17, memory: 1 << 20, ..good },
        ] {
            assert!(!bad.is_bearable(), "{bad:?}");
        }
    }
}
