//! The wire format: AWS JSON 1.1, and the errors with the words that AWS uses.

use aws_smithy_types::base64;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::blob::Context;
use super::policy;

/// The JSON object of a request.
#[derive(Debug)]
pub(super) struct Input(Map<String, Value>);

impl Input {
    /// # Errors
    ///
    /// `SerializationException` if `body` is not a JSON object. An empty one is legal.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Failure> {
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        serde_json::from_slice(body).map(Self).map_err(|_| Failure::serialization())
    }

    /// A string, if there is one.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Failure::serialization()),
        }
    }

    /// A string that must be there and not be empty.
    pub(super) fn need_text(&self, name: &str) -> Result<&str, Failure> {
        match self.text(name)? {
            None => Err(Failure::missing(name)),
            Some("") => Err(Failure::too_short(name)),
            Some(text) => Ok(text),
        }
    }

    /// Bytes that must be there: at least one, and at most `max`.
    pub(super) fn need_bytes(&self, name: &str, max: usize) -> Result<Vec<u8>, Failure> {
        let encoded = self.text(name)?.ok_or_else(|| Failure::missing(name))?;
        let bytes = base64::decode(encoded).map_err(|_| Failure::serialization())?;
        match bytes.len() {
            0 => Err(Failure::too_short(name)),
            len if len > max => Err(Failure::constraint(
                name,
                &format!("Member must have length less than or equal to {max}"),
            )),
            _ => Ok(bytes),
        }
    }

    /// A whole number within bounds, if there is one.
    pub(super) fn number(&self, name: &str, min: i64, max: i64) -> Result<Option<i64>, Failure> {
        let Some(value) = self.0.get(name).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        match value.as_i64().ok_or_else(Failure::serialization)? {
            number if number < min => Err(Failure::constraint(
                name,
                &format!("Member must have value greater than or equal to {min}"),
            )),
            number if number > max => Err(Failure::constraint(
                name,
                &format!("Member must have value less than or equal to {max}"),
            )),
            number => Ok(Some(number)),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(value) => value.as_bool().ok_or_else(Failure::serialization),
        }
    }

    /// An encryption context of at most 8192 bytes; one that is not there is empty.
    pub(super) fn context(&self, name: &str) -> Result<Context, Failure> {
        let pairs = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(Context::new()),
            Some(value) => value.as_object().ok_or_else(Failure::serialization)?,
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let context: Option<Context> =
            pairs.iter().map(|(name, value)| Some((name.clone(), text(value)?))).collect();
        let context = context.ok_or_else(Failure::serialization)?;
        let size: usize = context.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > MAX_CONTEXT {
            return Err(Failure::validation("Encryption context exceeds maximum size of 8192"));
        }
        Ok(context)
    }

    /// A list of strings; one that is not there is empty.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Failure> {
        let list = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(vec![]),
            Some(value) => value.as_array().ok_or_else(Failure::serialization)?,
        };
        let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
        texts.collect::<Option<_>>().ok_or_else(Failure::serialization)
    }

    /// A structure, if there is one.
    pub(super) fn object(&self, name: &str) -> Result<Option<&Map<String, Value>>, Failure> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_object().map(Some).ok_or_else(Failure::serialization),
        }
    }

    /// A list of `{TagKey, TagValue}`; one that is not there is empty.
    pub(super) fn tags(&self) -> Result<Vec<(String, String)>, Failure> {
        let list = match self.0.get("Tags") {
            None | Some(Value::Null) => return Ok(vec![]),
            Some(value) => value.as_array().ok_or_else(Failure::serialization)?,
        };
        let pair = |tag: &Value| {
            let part = |name| tag.get(name).and_then(Value::as_str).map(str::to_owned);
            Some((part("TagKey")?, part("TagValue")?))
        };
        list.iter().map(pair).collect::<Option<_>>().ok_or_else(Failure::serialization)
    }
}

/// Bytes as JSON carries them.
pub(super) fn bytes(bytes: &[u8]) -> Value {
    Value::String(base64::encode(bytes))
}

/// The plaintext in a reply, if it has one.
pub(super) fn plaintext(reply: &Value) -> Option<Vec<u8>> {
    base64::decode(reply.get("Plaintext")?.as_str()?).ok()
}

/// An error reply.
#[derive(Debug)]
pub(super) struct Failure {
    /// HTTP status.
    pub(super) status: u16,
    code: &'static str,
    message: Option<String>,
}

impl Failure {
    pub(super) fn to_json(&self) -> String {
        match &self.message {
            Some(message) => json!({ "__type": self.code, "message": message }).to_string(),
            None => json!({ "__type": self.code }).to_string(),
        }
    }

    pub(super) fn access_denied(operation: &str, arn: &str) -> Self {
        let caller = policy::caller();
        Self::with(
            "AccessDeniedException",
            format!(
                "User: {caller} is not authorized to perform: \
                 kms:{operation} on resource: {arn} because no identity-based policy allows \
                 the kms:{operation} action"
            ),
        )
    }

    /// For an intact ciphertext of a key that is not here.
    pub(super) fn foreign_ciphertext() -> Self {
        Self::with(
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not \
             exist in this region, or you are not allowed to access.",
        )
    }

    /// For a principal of a grant.
    pub(super) fn bad_principal(name: &str) -> Self {
        Self::with("InvalidArnException", format!("Invalid principal: {name}"))
    }

    pub(super) fn alias_exists(arn: &str) -> Self {
        let message = format!("An alias with the name {arn} already exists");
        Self::with("AlreadyExistsException", message)
    }

    pub(super) fn key_exists(arn: &str) -> Self {
        Self::with("AlreadyExistsException", format!("Key {arn} already exists"))
    }

    pub(super) fn disabled(arn: &str) -> Self {
        Self::with("DisabledException", format!("{arn} is disabled."))
    }

    pub(super) fn incompatible_algorithm(algorithm: &str, spec: &str) -> Self {
        let message = format!("Algorithm {algorithm} is incompatible with key spec {spec}.");
        Self::with("InvalidKeyUsageException", message)
    }

    pub(super) fn incorrect_key() -> Self {
        Self::with(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        )
    }

    pub(super) fn invalid_key_usage(arn: &str, usage: &str, operation: &str) -> Self {
        let message = format!("{arn} key usage is {usage} which is not valid for {operation}.");
        Self::with("InvalidKeyUsageException", message)
    }

    /// AWS says nothing more either.
    pub(super) fn invalid_signature() -> Self {
        Self { status: 400, code: "KMSInvalidSignatureException", message: None }
    }

    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        Self { status: 500, ..Self::with("KMSInternalException", error.to_string()) }
    }

    pub(super) fn invalid_alias(name: &str) -> Self {
        let message = format!("{name} contains invalid characters for an alias");
        Self::with("InvalidAliasNameException", message)
    }

    /// AWS says nothing more either.
    pub(super) fn invalid_ciphertext() -> Self {
        Self { status: 400, code: "InvalidCiphertextException", message: None }
    }

    pub(super) fn invalid_grant_token() -> Self {
        Self::with("InvalidGrantTokenException", "The grant token is not valid.")
    }

    pub(super) fn invalid_marker() -> Self {
        Self::with("InvalidMarkerException", "Invalid marker.")
    }

    pub(super) fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::with("LimitExceededException", message)
    }

    /// The policy `is` what it must not be.
    pub(super) fn malformed_policy(is: &str) -> Self {
        Self::with("MalformedPolicyDocumentException", format!("The new key policy {is}."))
    }

    pub(super) fn pending_deletion(arn: &str) -> Self {
        Self::with("KMSInvalidStateException", format!("{arn} is pending deletion."))
    }

    pub(super) fn not_pending_deletion(arn: &str) -> Self {
        Self::with("KMSInvalidStateException", format!("{arn} is not pending deletion."))
    }

    pub(super) fn invalid_arn(arn: &str, region: &str) -> Self {
        let given = arn.split(':').nth(3).filter(|given| *given != region);
        let message = given
            .map_or_else(|| format!("Invalid arn {arn}"), |given| format!("Invalid arn {given}"));
        Self::with("NotFoundException", message)
    }

    pub(super) fn no_alias(arn: &str) -> Self {
        Self::with("NotFoundException", format!("Alias {arn} is not found."))
    }

    pub(super) fn no_grant(id: &str) -> Self {
        Self::with("NotFoundException", format!("Grant ID {id} not found"))
    }

    pub(super) fn no_policy(name: &str) -> Self {
        Self::with("NotFoundException", format!("No such policy exists: {name}"))
    }

    pub(super) fn no_key(arn: &str) -> Self {
        Self::with("NotFoundException", format!("Key '{arn}' does not exist"))
    }

    pub(super) fn serialization() -> Self {
        Self { status: 400, code: "SerializationException", message: None }
    }

    pub(super) fn unknown_operation() -> Self {
        Self { status: 400, code: "UnknownOperationException", message: None }
    }

    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::with("UnsupportedOperationException", message)
    }

    pub(super) fn tag() -> Self {
        Self::with("TagException", "Not valid as tags of a key.")
    }

    pub(super) fn reserved_alias() -> Self {
        Self::with("NotAuthorizedException", "")
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::with("ValidationException", message)
    }

    pub(super) fn missing(name: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value null at '{}' failed to satisfy constraint: \
             Member must not be null",
            lower_first(name)
        ))
    }

    pub(super) fn too_short(name: &str) -> Self {
        Self::constraint(name, "Member must have length greater than or equal to 1")
    }

    pub(super) fn constraint(name: &str, rule: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value at '{}' failed to satisfy constraint: {rule}",
            lower_first(name)
        ))
    }

    fn with(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: Some(message.into()) }
    }
}

/// AWS names members like this in validation messages: `keyId` for `KeyId`.
fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Bytes.
const MAX_CONTEXT: usize = 8192;
