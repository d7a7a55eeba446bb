//! A Key Management Service that behaves like the one of AWS.
//!
//! A plain synchronous state machine behind the wire format (AWS JSON 1.1): bytes of a request
//! in, status and bytes of the reply out. It knows nothing of HTTP connections, signatures or any
//! key type but `SYMMETRIC_DEFAULT`, `ECC_NIST_P384` and RSA for encryption. Grants and key policies
//! are kept and checked, but decide nothing: there is only one caller.
//!
//! Keys wrap with real AES-256-GCM, the encryption context is the associated data, and every
//! rotation of a key stays able to unwrap what it wrapped.

mod blob;
mod crypto_operations;
mod grants;
mod key;
mod key_operations;
mod policy;
mod rotation;
mod rsa;
mod saved;
mod signing;
mod tags;
mod wire;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::Value;

use crate::record::lock;
use crate::sdk::REGION;

use key::Key;
use wire::Failure;
use wire::Input;

pub(crate) use key::random_uuid;

/// The KMS of one account, in all regions.
#[derive(Debug)]
pub struct Kms {
    account: Mutex<Account>,
    /// In the order in which they were made.
    data_keys: Mutex<Vec<Vec<u8>>>,
    /// Where the keys are kept, if they outlive the process.
    file: Option<PathBuf>,
}

/// Everything a request can read or change.
#[derive(Debug, Default)]
struct Account {
    /// By name of the region.
    regions: BTreeMap<String, Region>,
    /// Key id, and the operation unless it is all of them.
    denied: BTreeSet<(String, Option<String>)>,
}

/// The keys and aliases of one region.
#[derive(Debug, Default)]
struct Region {
    name: String,
    /// By key id.
    keys: BTreeMap<String, Key>,
    /// Alias name, `alias/` included, to key id.
    aliases: BTreeMap<String, String>,
}

impl Kms {
    /// A KMS without keys, all in memory.
    pub fn new() -> Self {
        Self { account: Mutex::default(), data_keys: Mutex::default(), file: None }
    }

    /// A KMS whose keys are kept in a file, **unencrypted**. The file need not exist yet.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not one this function's KMS has written.
    pub fn open(file: impl Into<PathBuf>) -> io::Result<Self> {
        let file = file.into();
        let regions = saved::load(&file)?;
        let account = Account { regions, denied: BTreeSet::new() };
        Ok(Self { account: Mutex::new(account), file: Some(file), ..Self::new() })
    }

    /// Answers one request to the default region: HTTP status and JSON body.
    ///
    /// `target` is the value of the header `X-Amz-Target`, such as `TrentService.Decrypt`.
    pub fn handle(&self, target: &str, body: &[u8]) -> (u16, String) {
        self.handle_in(REGION, target, body)
    }

    /// Like [`handle`](Self::handle), in a given region. Regions share nothing but replicas of
    /// multi-Region keys.
    pub fn handle_in(&self, region: &str, target: &str, body: &[u8]) -> (u16, String) {
        match self.run(region, target, body) {
            Ok(reply) => (200, reply.to_string()),
            Err(failure) => (failure.status, failure.to_json()),
        }
    }

    /// Refuses every operation that uses this key with `AccessDeniedException`, from now on.
    ///
    /// # Panics
    ///
    /// If no key has this id, ARN or alias.
    pub fn deny(&self, key: &str) {
        self.set_denied(key, None);
    }

    /// Like [`deny`](Self::deny) for one operation, such as `Decrypt`.
    ///
    /// `ReEncrypt` is two permissions, `ReEncryptFrom` and `ReEncryptTo`.
    ///
    /// # Panics
    ///
    /// If no key has this id, ARN or alias.
    pub fn deny_operation(&self, key: &str, operation: &str) {
        self.set_denied(key, Some(operation.to_owned()));
    }

    /// Undoes [`deny`](Self::deny) and [`deny_operation`](Self::deny_operation) for this key.
    ///
    /// # Panics
    ///
    /// If no key has this id, ARN or alias.
    pub fn allow(&self, key: &str) {
        let mut account = lock(&self.account);
        let id = account.id_of(key);
        account.denied.retain(|(denied, _)| *denied != id);
    }

    /// The plaintext of every data key that `GenerateDataKey` gave out, oldest first: what a test
    /// looks for where it must not be.
    pub fn data_keys(&self) -> Vec<Vec<u8>> {
        lock(&self.data_keys).clone()
    }

    /// See [`LocalAws::create_key`](crate::LocalAws::create_key).
    pub(crate) fn create_key(&self, alias: &str) -> String {
        self.create_key_of(alias, "{}")
    }

    /// See [`LocalAws::create_signing_key`](crate::LocalAws::create_signing_key).
    pub(crate) fn create_signing_key(&self, alias: &str) -> String {
        let kind =
            format!("{{\"KeySpec\": \"{}\", \"KeyUsage\": \"{}\"}}", signing::SPEC, signing::USAGE);
        self.create_key_of(alias, &kind)
    }

    fn create_key_of(&self, alias: &str, kind: &str) -> String {
        let quoted = |value: &str| Value::from(value).to_string();
        let describe = format!("{{\"KeyId\": {}}}", quoted(alias));
        if let Ok(found) = self.run(REGION, "TrentService.DescribeKey", describe.as_bytes()) {
            return arn_in(&found);
        }
        let made = self.run(REGION, "TrentService.CreateKey", kind.as_bytes());
        let arn = arn_in(&made.unwrap_or_else(|failure| panic!("{}", failure.to_json())));
        let name =
            format!("{{\"AliasName\": {}, \"TargetKeyId\": {}}}", quoted(alias), quoted(&arn));
        if let Err(failure) = self.run(REGION, "TrentService.CreateAlias", name.as_bytes()) {
            panic!("{alias:?} is not a legal alias: {}", failure.to_json());
        }
        arn
    }

    fn run(&self, region: &str, target: &str, body: &[u8]) -> Result<Value, Failure> {
        let operation =
            target.strip_prefix("TrentService.").ok_or_else(Failure::unknown_operation)?;
        let input = Input::parse(body)?;
        let mut account = lock(&self.account);
        account.region(region);
        if let Some(reply) = rsa::run(&account, region, operation, &input) {
            return reply;
        }
        if let Some(reply) = crypto_operations::run(&account, region, operation, &input) {
            if operation == "GenerateDataKey"
                && let Some(key) = reply.as_ref().ok().and_then(wire::plaintext)
            {
                lock(&self.data_keys).push(key);
            }
            return reply;
        }
        if let Some(reply) = signing::run(&account, region, operation, &input) {
            return reply;
        }
        let reply = key_operations::run(&mut account, region, operation, &input)?;
        if let Some(file) = &self.file {
            saved::store(file, &account.regions).map_err(|error| Failure::internal(&error))?;
        }
        Ok(reply)
    }

    fn set_denied(&self, key: &str, operation: Option<String>) {
        let mut account = lock(&self.account);
        let id = account.id_of(key);
        account.denied.insert((id, operation));
    }
}

impl Default for Kms {
    fn default() -> Self {
        Self::new()
    }
}

impl Account {
    fn region(&mut self, name: &str) -> &mut Region {
        let region = self.regions.entry(name.to_owned()).or_default();
        name.clone_into(&mut region.name);
        region
    }

    /// The key that a request names, provided that the caller may use it.
    fn permitted(&self, region: &str, name: &str, operation: &str) -> Result<&Key, Failure> {
        let key = self.regions[region].find(name)?;
        let denied = |operation: Option<&str>| {
            self.denied.contains(&(key.id.clone(), operation.map(str::to_owned)))
        };
        if denied(None) || denied(Some(operation)) {
            return Err(Failure::access_denied(operation, &key.arn));
        }
        Ok(key)
    }

    fn id_of(&self, name: &str) -> String {
        let found = self.regions.values().find_map(|region| region.find(name).ok());
        found.unwrap_or_else(|| panic!("there is no KMS key {name:?}")).id.clone()
    }
}

impl Region {
    /// The key with this id, key ARN, alias name or alias ARN.
    fn find(&self, name: &str) -> Result<&Key, Failure> {
        let prefix = format!("arn:aws:kms:{}:{}:", self.name, crate::sdk::ACCOUNT);
        let local = match name.strip_prefix(&prefix) {
            Some(local) => local,
            None if name.starts_with("arn:") => return Err(Failure::invalid_arn(name, &self.name)),
            None => name,
        };
        if local.starts_with("alias/") {
            let id = self.aliases.get(local);
            let key = id.and_then(|id| self.keys.get(id));
            return key.ok_or_else(|| Failure::no_alias(&format!("{prefix}{local}")));
        }
        let id = local.strip_prefix("key/").unwrap_or(local);
        self.keys.get(id).ok_or_else(|| Failure::no_key(&format!("{prefix}key/{id}")))
    }
}

fn arn_in(reply: &Value) -> String {
    reply["KeyMetadata"]["Arn"].as_str().expect("both operations return metadata").to_owned()
}
