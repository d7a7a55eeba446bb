//! What the errors of KMS become, and the states of a key.

use waxseal::{ErrorKind, KeyRequest, Keyring as _, KmsKeyring};
use waxseal_testkit::Fault;

use crate::world::World;
use crate::world::assert_key_access;

/// Code, status, kind, remedy and how often KMS is asked in vain.
#[rustfmt::skip]
const CODES: &[(&str, u16, ErrorKind, &str, usize)] = {
    use ErrorKind::{Authentication, KeyAccess, Keyring};
    &[
        ("AccessDeniedException", 400, KeyAccess, "; allow", 1),
        ("AccessDenied", 403, KeyAccess, "; allow", 1),
        ("DisabledException", 400, KeyAccess, "the key is disabled: enable the key", 1),
        ("KMSInvalidStateException", 400, KeyAccess, "pending deletion, or not ready for use: cancel the deletion", 1),
        ("NotFoundException", 400, KeyAccess, "the key is not found: check key, Region and account", 1),
        ("InvalidKeyUsageException", 400, KeyAccess, "symmetric", 1),
        ("InvalidGrantTokenException", 400, KeyAccess, "check the grant tokens", 1),
        ("InvalidArnException", 400, KeyAccess, "check the name", 1),
        ("ValidationException", 400, KeyAccess, "check the name", 1),
        ("ExpiredTokenException", 400, KeyAccess, "credentials", 1),
        ("UnrecognizedClientException", 400, KeyAccess, "credentials", 1),
        ("InvalidSignatureException", 400, KeyAccess, "credentials", 1),
        ("IncompleteSignature", 400, KeyAccess, "credentials", 1),
        ("InvalidClientTokenId", 403, KeyAccess, "credentials", 1),
        ("MissingAuthenticationToken", 403, KeyAccess, "credentials", 1),
        ("InvalidCiphertextException", 400, Authentication, "", 1),
        ("IncorrectKeyException", 400, Authentication, "", 1),
        ("DryRunOperationException", 400, Keyring, "DryRun", 1),
        ("SomethingNewException", 400, Keyring, "SomethingNew", 1),
        ("ThrottlingException", 400, Keyring, "Throttling", 3),
        ("KMSInternalException", 500, Keyring, "KMSInternal", 3),
        ("DependencyTimeoutException", 503, Keyring, "DependencyTimeout", 3),
        ("KeyUnavailableException", 500, Keyring, "KeyUnavailable", 3),
    ]
};

#[tokio::test]
async fn each_error_of_kms_has_its_kind_and_remedy_and_no_retry_where_none_helps() {
    let world = World::start().await;
    let arn = &*world.arn;
    let (key, wrapped) = world.generate(arn).await;
    let request = KeyRequest::new(&world.context);
    let alias = &*arn.replace("key/", "alias/");
    for &(code, status, kind, remedy, calls) in CODES {
        for operation in [
            "GenerateDataKey",
            "Decrypt",
            "Encrypt",
            "DescribeKey",
            "GenerateDataKeyWithoutPlaintext",
        ] {
            world.aws.clear_faults();
            world.aws.reset_calls();
            world.aws.fail(operation, 10, Fault::kms_error(status, code));
            let name = if operation == "DescribeKey" { alias } else { arn };
            let keyring = world.keyring(name);
            let error = match operation {
                "GenerateDataKey" => keyring.generate_data_key(&request).await.err(),
                "Decrypt" => world.unwrap(&keyring, std::slice::from_ref(&wrapped)).await.err(),
                "Encrypt" => keyring.wrap_data_key(&key, &request).await.err(),
                "DescribeKey" => world.unwrap(&keyring, std::slice::from_ref(&wrapped)).await.err(),
                _ => keyring.generate_wrapped(&world.context).await.err(),
            };
            let error = error.unwrap();
            assert_eq!(error.kind(), kind, "{operation}: {code}: {error}");
            assert_eq!(world.aws.count(operation), calls, "{operation}: {code}");
            assert_eq!(world.aws.calls().len(), calls, "{operation}: {code}: and nothing else");
            let text = error.to_string();
            assert!(text.contains(remedy), "{operation}: {code}: {text}");
            if kind != ErrorKind::Authentication {
                let told = [name, operation, code, "request id"];
                assert!(told.iter().all(|part| text.contains(part)), "{code}: {text}");
                assert!(std::error::Error::source(&error).is_some(), "{code}: the source is kept");
            }
        }
    }
    world.aws.clear_faults();
    let opened = world.unwrap(&world.keyring(arn), &[wrapped]).await.unwrap();
    assert_eq!(opened.expose(), key.expose());
}

/// What refuses one wrapped key and not its bytes refuses the next, so that is not asked about.
#[tokio::test]
async fn an_error_that_would_only_repeat_itself_ends_the_search() {
    let world = World::start().await;
    let keyring = world.keyring(&world.arn);
    let (key, wrapped) = world.generate(&world.arn).await;
    let wrapped = vec![wrapped; 3];
    for (fault, kind, calls) in [
        (Fault::kms_error(400, "DisabledException"), ErrorKind::KeyAccess, 1),
        (Fault::kms_error(400, "AccessDeniedException"), ErrorKind::KeyAccess, 1),
        (Fault::kms_error(400, "ThrottlingException"), ErrorKind::Keyring, 3),
        (Fault::Drop, ErrorKind::Keyring, 3),
    ] {
        world.aws.reset_calls();
        world.aws.fail("Decrypt", 10, fault);
        let error = world.refusal(&keyring, &wrapped).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(world.aws.calls().len(), calls, "{error}");
        world.aws.clear_faults();
    }
    let opened = world.unwrap(&keyring, &wrapped).await.unwrap();
    assert_eq!(opened.expose(), key.expose());
}

/// The states a key can be in, for each operation and name.
#[tokio::test]
async fn key_states_are_obeyed() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    let (key, _) = world.generate(&world.arn).await;
    let kms = world.aws.kms();
    let refused = async |texts: &[&str]| {
        for name in [&*world.arn, "alias/orders"] {
            let keyring = KmsKeyring::new(kms.clone(), name);
            let request = KeyRequest::new(&world.context);
            for error in [
                world.open(name, &sealed).await.err(),
                world.cipher(name).seal(b"x", &world.context).await.err(),
                keyring.wrap_data_key(&key, &request).await.err(),
                keyring.generate_wrapped(&world.context).await.err(),
            ] {
                assert_key_access(&error.unwrap(), texts);
            }
        }
    };
    kms.disable_key().key_id(&world.arn).send().await.unwrap();
    refused(&["DisabledException", "the key is disabled"]).await;
    kms.enable_key().key_id(&world.arn).send().await.unwrap();
    kms.schedule_key_deletion().key_id(&world.arn).send().await.unwrap();
    refused(&["KMSInvalidStateException", "the key is pending deletion"]).await;
    kms.cancel_key_deletion().key_id(&world.arn).send().await.unwrap();
    kms.enable_key().key_id(&world.arn).send().await.unwrap();
    world.aws.kms_state().deny(&world.arn);
    refused(&["AccessDeniedException", "; allow"]).await;
    world.aws.kms_state().allow(&world.arn);
    kms.rotate_key_on_demand().key_id(&world.arn).send().await.unwrap();
    for name in [&*world.arn, "alias/orders"] {
        assert!(world.open(name, &sealed).await.is_ok(), "rotation keeps old keys");
    }
}

#[tokio::test]
async fn an_unreachable_kms_is_a_keyring_error() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    world.aws.fail("Decrypt", 10, Fault::Drop);
    let error = world.open(&world.arn, &sealed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Keyring, "{error}");
    assert!(error.to_string().contains("endpoint"), "{error}");
}
