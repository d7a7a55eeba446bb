//! How a cache keeps its data keys: encrypted under a key that the kernel holds, or as they are.
//!
//! Linux keeps the keys of its key service in memory of its own, which is never swapped and in no
//! dump of the process. What is kept here in ordinary memory is then
//!
//! ```text
//! AES-256-GCM(kernel key, nonce, data key)
//! AAD = "waxseal/vault/v1" 0x00 || u32 len || wrapped key || ...
//! ```
//!
//! Without the feature `locked-memory`, elsewhere, or if the kernel refuses, keys stay as they are.

use std::sync::Arc;

use crate::crypto::Aead;
use crate::crypto::Nonce;
use crate::crypto::TAG_LEN;
use crate::keyring::DataKey;
use crate::keyring::WrappedKey;
use crate::secret::Secret;
use crate::secret::SecretKey;

#[cfg(all(feature = "locked-memory", target_os = "linux"))]
use in_kernel::KernelKey;
#[cfg(not(all(feature = "locked-memory", target_os = "linux")))]
use nowhere::KernelKey;

/// What the data keys of one cache are encrypted under.
pub(super) struct Vault {
    kernel_key: Option<KernelKey>,
}

/// A data key as a [`Vault`] keeps it.
pub(super) struct Kept {
    wrapped: Arc<[WrappedKey]>,
    key: Form,
}

enum Form {
    AsItIs(SecretKey),
    Sealed(Nonce, [u8; SEALED_LEN]),
}

impl Vault {
    pub(super) fn new() -> Self {
        Self { kernel_key: KernelKey::make() }
    }

    #[cfg(test)]
    fn refused() -> Self {
        Self { kernel_key: None }
    }

    pub(super) fn put(&mut self, data_key: &DataKey) -> Kept {
        if self.kernel_key.as_ref().is_some_and(|key| !key.is_ours()) {
            self.kernel_key = KernelKey::make();
        }
        let wrapped = Arc::clone(&data_key.wrapped);
        if let Some((nonce, sealed)) = self.seal(data_key) {
            return Kept { wrapped, key: Form::Sealed(nonce, sealed) };
        }
        // Not replaced: where one was lost, the next might be before it is of use, and every
        // request would be a miss.
        self.kernel_key = None;
        Kept { wrapped, key: Form::AsItIs(data_key.key.share()) }
    }

    fn seal(&self, data_key: &DataKey) -> Option<(Nonce, [u8; SEALED_LEN])> {
        let aead = self.aead()?;
        let mut in_out = Secret::<32>::zeroed();
        in_out.expose_mut().copy_from_slice(data_key.key.expose());
        let (nonce, tag) = aead.seal(&aad(&data_key.wrapped), in_out.expose_mut()).ok()?;
        let mut sealed = [0; SEALED_LEN];
        sealed[..32].copy_from_slice(in_out.expose());
        sealed[32..].copy_from_slice(&tag);
        Some((nonce, sealed))
    }

    fn open(&self, nonce: &Nonce, sealed: &[u8], wrapped: &[WrappedKey]) -> Option<SecretKey> {
        let mut key = Secret::<32>::zeroed();
        let opened = self.aead()?.open_to(nonce, &aad(wrapped), sealed, key.expose_mut());
        opened.then(|| SecretKey::try_from(&key.expose()[..]).ok())?
    }

    fn aead(&self) -> Option<Aead> {
        Aead::new(self.kernel_key.as_ref()?.read()?.expose()).ok()
    }
}

impl Kept {
    /// The data key, unless the kernel has lost what `vault` encrypted it under.
    pub(super) fn get(&self, vault: &Vault) -> Option<DataKey> {
        let key = match &self.key {
            Form::AsItIs(key) => key.share(),
            Form::Sealed(nonce, sealed) => vault.open(nonce, sealed, &self.wrapped)?,
        };
        Some(DataKey { key, wrapped: Arc::clone(&self.wrapped) })
    }

    pub(super) fn wrapped(&self) -> &[WrappedKey] {
        &self.wrapped
    }
}

/// No two data keys are wrapped to the same bytes.
fn aad(wrapped: &[WrappedKey]) -> Vec<u8> {
    let mut aad = LABEL.to_vec();
    for wrapped in wrapped {
        let len = u32::try_from(wrapped.ciphertext().len()).expect("it has at most 8,192 bytes");
        aad.extend(len.to_be_bytes());
        aad.extend(wrapped.ciphertext());
    }
    aad
}

const LABEL: &[u8] = b"waxseal/vault/v1\0";
const SEALED_LEN: usize = 32 + TAG_LEN;

#[cfg(all(feature = "locked-memory", target_os = "linux"))]
mod in_kernel {
    use linux_keyutils::Key;
    use linux_keyutils::KeyPermissionsBuilder;
    use linux_keyutils::KeyRing;
    use linux_keyutils::KeyRingIdentifier;
    use linux_keyutils::Permission;

    use crate::crypto;
    use crate::secret::Secret;

    /// A random key in the process keyring of the thread that makes it. Gone with this, and with
    /// the last of that thread and those it starts later.
    pub(super) struct KernelKey {
        pub(super) key: Key,
        pub(super) process: u32,
    }

    impl KernelKey {
        /// `None` if the kernel refuses.
        pub(super) fn make() -> Option<Self> {
            let mut secret = Secret::<32>::zeroed();
            crypto::fill_random(secret.expose_mut()).ok()?;
            // A name of its own: the kernel would give another key of the same name this content.
            let mut number = [0; 8];
            crypto::fill_random(&mut number).ok()?;
            let name = format!("waxseal:{:016x}", u64::from_ne_bytes(number));
            let keyring = KeyRing::from_special_id(KeyRingIdentifier::Process, true).ok()?;
            let key = keyring.add_key(&name, &secret.expose()[..]).ok()?;
            let made = Self { key, process: std::process::id() };
            // Threads that are there already do not possess the key: Linux counts credentials by
            // thread. For them it has to be the user's. Search is what invalidating takes.
            let rights = || Permission::READ | Permission::SEARCH;
            let rights = KeyPermissionsBuilder::builder().posessor(rights()).user(rights());
            key.set_perms(rights.build()).ok()?;
            // Some sandboxes let keys be made but not read.
            made.read().is_some().then_some(made)
        }

        /// `None` if it is gone, or in a process that was forked from the one that made it.
        pub(super) fn read(&self) -> Option<Secret<32>> {
            let mut secret = Secret::zeroed();
            let read = self.is_ours() && self.key.read(secret.expose_mut()) == Ok(32);
            read.then_some(secret)
        }

        /// Whether this process made it, and not one that it was forked from.
        pub(super) fn is_ours(&self) -> bool {
            self.process == std::process::id()
        }
    }

    impl Drop for KernelKey {
        fn drop(&mut self) {
            if self.is_ours() {
                // It can only fail for a key that is gone.
                let _ = self.key.invalidate();
            }
        }
    }
}

#[cfg(not(all(feature = "locked-memory", target_os = "linux")))]
mod nowhere {
    use crate::secret::Secret;

    /// There is none.
    pub(super) enum KernelKey {}

    impl KernelKey {
        pub(super) fn make() -> Option<Self> {
            None
        }

        pub(super) fn read(&self) -> Option<Secret<32>> {
            match *self {}
        }

        pub(super) fn is_ours(&self) -> bool {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_key(number: u8) -> DataKey {
        let wrapped = WrappedKey::new("test", "key", [number]).unwrap();
        DataKey::new(SecretKey::random().unwrap(), vec![wrapped])
    }

    #[test]
    fn without_the_kernel_the_key_itself_is_kept() {
        let (mut vault, data_key) = (Vault::refused(), data_key(1));
        let kept = vault.put(&data_key);
        assert!(data_key.key.is_shared());
        assert_eq!(kept.wrapped(), data_key.wrapped());
        let got = kept.get(&vault).unwrap();
        assert_eq!(got.key.expose().as_ptr(), data_key.key.expose().as_ptr());
        assert_eq!(got.wrapped(), data_key.wrapped());
    }

    #[cfg(all(feature = "locked-memory", target_os = "linux"))]
    mod with_the_kernel {
        use std::io;
        use std::io::Write as _;
        use std::sync::mpsc;
        use std::thread;
        use std::time::Duration;
        use std::time::Instant;

        use super::*;
        use crate::context::EncryptionContext;
        use crate::keyring::CachingKeyring;
        use crate::keyring::KeyFile;
        use crate::keyring::KeyRequest;
        use crate::keyring::KeyUse;
        use crate::keyring::Keyring as _;
        use crate::keyring::LocalKeyring;

        /// `None`, and said past the test harness, if the kernel refuses.
        fn vault() -> Option<Vault> {
            let vault = Vault::new();
            if vault.kernel_key.is_none() {
                let what = b"\nNOT TESTED: this kernel or sandbox keeps no keys for a process\n";
                io::stderr().write_all(what).unwrap();
            }
            vault.kernel_key.is_some().then_some(vault)
        }

        fn key_in(vault: &Vault) -> &KernelKey {
            vault.kernel_key.as_ref().unwrap()
        }

        #[test]
        fn what_is_kept_is_not_the_key() {
            let Some(mut vault) = vault() else { return };
            let data_key = data_key(1);
            let kept = [vault.put(&data_key), vault.put(&data_key)];
            assert!(!data_key.key.is_shared());
            let sealed = kept.each_ref().map(|kept| match &kept.key {
                Form::Sealed(nonce, sealed) => [&nonce[..], sealed].concat(),
                Form::AsItIs(_) => panic!("kept as it is"),
            });
            assert_ne!(sealed[0], sealed[1]);
            for part in data_key.key.expose().chunks(8) {
                assert!(!sealed.concat().windows(8).any(|window| window == part));
            }
            for kept in kept {
                let got = kept.get(&vault).unwrap();
                assert_eq!(got.key.expose(), data_key.key.expose());
                assert_ne!(got.key.expose().as_ptr(), data_key.key.expose().as_ptr());
                assert_eq!(got.wrapped(), data_key.wrapped());
            }
        }

        #[test]
        fn another_vault_or_entry_does_not_open_it() {
            let (Some(mut vault), Some(other)) = (vault(), vault()) else { return };
            let mut kept = vault.put(&data_key(1));
            assert!(kept.get(&other).is_none());
            assert!(kept.get(&Vault::refused()).is_none());
            assert!(kept.get(&vault).is_some());
            kept.wrapped = data_key(2).wrapped;
            assert!(kept.get(&vault).is_none());
        }

        #[test]
        fn threads_that_were_there_before_read_it_too() {
            let (give, take) = mpsc::channel::<(Vault, Kept)>();
            let before = thread::spawn(move || {
                let Ok((vault, kept)) = take.recv() else { return };
                assert!(kept.get(&vault).is_some());
                let id = key_in(&vault).key;
                drop(vault);
                assert!(id.read(&mut [0; 32]).is_err(), "it was not invalidated");
            });
            let Some(mut vault) = vault() else { return };
            let kept = vault.put(&data_key(1));
            give.send((vault, kept)).unwrap();
            before.join().unwrap();
        }

        #[test]
        fn a_key_that_is_lost_is_a_miss_and_not_replaced() {
            let Some(mut vault) = vault() else { return };
            let kept = vault.put(&data_key(1));
            key_in(&vault).key.invalidate().unwrap();
            assert!(kept.get(&vault).is_none());
            let kept = vault.put(&data_key(1));
            assert!(matches!(kept.key, Form::AsItIs(_)));
            assert!(kept.get(&vault).is_some());
        }

        #[test]
        fn a_key_goes_with_the_last_thread_that_possesses_it() {
            // Not made here, or the thread would have the keyring from this one.
            let made = thread::spawn(|| {
                let mut vault = vault()?;
                let kept = vault.put(&data_key(1));
                Some((vault, kept))
            });
            let Some((vault, kept)) = made.join().unwrap() else { return };
            // The kernel collects it when it finds the time.
            let patience = Instant::now() + Duration::from_secs(5);
            while kept.get(&vault).is_some() {
                assert!(Instant::now() < patience, "it is still there");
                thread::yield_now();
            }
        }

        #[test]
        fn a_forked_process_uses_a_key_of_its_own() {
            let Some(mut parent) = vault() else { return };
            let kept = parent.put(&data_key(1));
            let of_parent = key_in(&parent);
            let process = of_parent.process + 1;
            let mut child = Vault { kernel_key: Some(KernelKey { key: of_parent.key, process }) };
            assert!(kept.get(&child).is_none());
            let kept_anew = child.put(&data_key(1));
            assert!(kept_anew.get(&child).is_some());
            assert!(matches!(kept_anew.key, Form::Sealed(..)));
            assert_ne!(key_in(&child).key, key_in(&parent).key);
            drop(child);
            assert!(kept.get(&parent).is_some());
        }

        #[tokio::test]
        async fn a_cache_asks_again_for_what_is_lost() {
            let Some(_) = vault() else { return };
            let below = LocalKeyring::new(KeyFile::generate().unwrap());
            let cache =
                CachingKeyring::builder(below).max_age(Duration::from_secs(9)).build().unwrap();
            let context = EncryptionContext::new();
            let request = KeyRequest::new(&context).with_key_use(KeyUse::Derived);
            let seal = || async { cache.generate_data_key(&request).await.map(drop).unwrap() };
            seal().await;
            seal().await;
            assert_eq!(cache.metrics().calls, 1);
            let lose = || key_in(&cache.shared.entries().vault).key.invalidate().unwrap();
            lose();
            seal().await;
            seal().await;
            let metrics = cache.metrics();
            assert_eq!((metrics.calls, metrics.misses, metrics.hits), (2, 2, 2));
            assert_eq!((metrics.wiped, metrics.held), (1, 1));
        }
    }
}
