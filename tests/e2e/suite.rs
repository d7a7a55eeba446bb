//! The tests, for any server that speaks KMS and S3.

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit as _;
use aes_gcm::aead::Aead as _;
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use bytes::Bytes;
use waxseal::{
    Binding, Body, EncryptionContext, EnvelopeCipher, ErrorKind, Format, GetOptions, KmsKeyring,
    KmsSigningKey, METADATA_LIMIT, Placement, PutOptions, S3EncryptionClient,
};

use crate::world::Stored;
use crate::world::World;

const MIB: usize = 1 << 20;

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

async fn read(client: &S3EncryptionClient, world: &World, key: &str) -> waxseal::Result<Bytes> {
    let object = client.get_object(&world.bucket, key, &world.context()).send().await?;
    object.into_stream().collect().await
}

async fn put(client: &S3EncryptionClient, world: &World, key: &str, body: impl Into<Body>) {
    client.put_object(&world.bucket, key, body, &world.context()).send().await.unwrap();
}

pub(crate) async fn what_is_put_is_got_whole_and_by_range(world: &World) {
    let client = world.client();
    for len in [0, 1, 65_503, 65_504, 65_505, 200_000, 5 * MIB, 11 * MIB + 7] {
        let data = plain(len);
        for known in [true, false] {
            let body = if known {
                Body::from(data.clone())
            } else {
                Body::from_reader(std::io::Cursor::new(data.clone()))
            };
            assert_eq!(body.len_hint().is_some(), known);
            let put = client.put_object(&world.bucket, "k", body, &world.context());
            let stored = put.send().await.unwrap();
            let object = client.get_object(&world.bucket, "k", &world.context());
            let object = object.send().await.unwrap();
            assert_eq!(object.len(), len as u64);
            assert_eq!(object.sealed_len(), stored.sealed_len());
            for range in [0..len, 0..len.min(1), len / 2..len, len.saturating_sub(8)..len] {
                let got = object.range(range.start as u64..range.end as u64).await.unwrap();
                assert_eq!(got, data[range.clone()], "{len} bytes, {range:?}");
            }
            let past = object.range(0..len as u64 + 1).await.unwrap_err();
            assert_eq!(past.kind(), ErrorKind::InvalidInput);
            assert!(object.into_stream().collect().await.unwrap() == data, "{len} bytes");
        }
    }
}

pub(crate) async fn both_kinds_of_upload_keep_type_and_metadata(world: &World) {
    let client = world.client();
    for len in [10, 6 * MIB] {
        let options = PutOptions::new().content_type("text/csv").metadata("Origin", "billing 7");
        let put = client.put_object(&world.bucket, "k", plain(len), &world.context());
        put.options(options).send().await.unwrap();
        let object = client.get_object(&world.bucket, "k", &world.context());
        let object = object.send().await.unwrap();
        assert_eq!(object.content_type(), Some("text/csv"), "{len} bytes");
        assert_eq!(object.metadata(), [("origin".to_owned(), "billing 7".to_owned())]);
    }
    for (name, value, why) in [
        ("waxseal-key-1", "x", "reserved"),
        ("X-Amz-Key", "x", "reserved"),
        ("long", &*"x".repeat(METADATA_LIMIT - 400), "2048"),
        ("line", "a\nb", "ASCII"),
        ("na me", "x", "a name"),
    ] {
        let put = client.put_object(&world.bucket, "new", "data", &world.context());
        let put = put.options(PutOptions::new().metadata(name, value));
        let error = put.send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(why), "{error}");
        let head = world.s3.head_object().bucket(&world.bucket).key("new").send().await;
        assert!(head.is_err(), "nothing was stored");
    }
}

pub(crate) async fn head_needs_no_key(world: &World) {
    let elsewhere = KmsKeyring::new(world.kms.clone(), "alias/not-there");
    let reader = S3EncryptionClient::new(world.s3.clone(), EnvelopeCipher::new(elsewhere));
    for placement in [Placement::Metadata, Placement::Inline] {
        let client = world.client().placement(placement);
        let options = PutOptions::new().metadata("origin", "billing");
        let put = client.put_object(&world.bucket, "k", plain(200_000), &world.context());
        let stored = put.options(options).send().await.unwrap();
        let head = reader.head_object(&world.bucket, "k", GetOptions::new()).await.unwrap();
        assert_eq!((head.unverified_len(), head.sealed_len()), (200_000, stored.sealed_len()));
        assert_eq!(head.envelope().context(), Some(&world.context()));
        assert_eq!(head.envelope().wrapped_keys()[0].key_id(), Some(&*world.key_arn));
        assert_eq!(head.metadata(), [("origin".to_owned(), "billing".to_owned())]);
    }
}

pub(crate) async fn another_context_or_key_is_refused(world: &World) {
    let client = world.client();
    put(&client, world, "k", plain(1000)).await;
    let get = |context: EncryptionContext| {
        let get = client.get_object(&world.bucket, "k", &context);
        async move { get.send().await.map(|object| object.len()) }
    };
    assert_eq!(get(world.context()).await.unwrap(), 1000);
    assert_eq!(get(EncryptionContext::from([("tenant", "acme")])).await.unwrap(), 1000);
    assert_eq!(get(EncryptionContext::new()).await.unwrap(), 1000);
    for other in [("tenant", "rival"), ("table", "orders"), ("Tenant", "acme")] {
        let refused = get(EncryptionContext::from([other])).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Authentication, "{other:?}");
    }

    let other = world.kms.create_key().send().await.unwrap();
    let other = other.key_metadata().unwrap().arn().unwrap().to_owned();
    let keyring = KmsKeyring::new(world.kms.clone(), other);
    let reader = S3EncryptionClient::new(world.s3.clone(), EnvelopeCipher::new(keyring));
    let error = read(&reader, world, "k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert!(error.to_string().contains(&world.key_arn), "{error}");

    // The same key named by id and by alias opens it.
    let id = world.key_arn.rsplit('/').next().unwrap();
    let alias = format!("alias/{id}");
    world.kms.create_alias().alias_name(&alias).target_key_id(id).send().await.unwrap();
    for name in [id, &*alias] {
        let keyring = KmsKeyring::new(world.kms.clone(), name);
        let reader = S3EncryptionClient::new(world.s3.clone(), EnvelopeCipher::new(keyring));
        assert_eq!(read(&reader, world, "k").await.unwrap(), plain(1000), "{name}");
    }
}

pub(crate) async fn altered_objects_are_refused(world: &World) {
    let client = world.client();
    put(&client, world, "k", plain(200_000)).await;
    let original = world.stored("k").await;
    let len = original.body.len();
    for at in [0, 1, 5, 10, 41, 42, 73, 74, 78, 90, 1000, 65_609, 65_610, len - 17, len - 1] {
        let mut altered = original.clone();
        altered.body[at] ^= 0x80;
        world.store("k", &altered).await;
        let error = read(&client, world, "k").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "byte {at}: {error}");
    }
    for cut in [0, 1, 73, 74, 105, 106, 65_610, len - 1] {
        let mut altered = original.clone();
        altered.body.truncate(cut);
        world.store("k", &altered).await;
        let error = read(&client, world, "k").await.unwrap_err();
        let format = cut == 0 && error.kind() == ErrorKind::Format;
        assert!(format || error.kind() == ErrorKind::Authentication, "{cut} bytes: {error}");
    }
    let mut longer = original.clone();
    longer.body.push(0);
    world.store("k", &longer).await;
    assert_eq!(read(&client, world, "k").await.unwrap_err().kind(), ErrorKind::Authentication);
    for name in original.metadata.keys() {
        let mut altered = original.clone();
        altered.metadata.remove(name);
        world.store("k", &altered).await;
        let kind = read(&client, world, "k").await.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Format | ErrorKind::Authentication), "{name}: {kind:?}");
    }
    world.store("k", &original).await;
    assert_eq!(read(&client, world, "k").await.unwrap(), plain(200_000));
}

pub(crate) async fn two_objects_exchanged_open_unless_bound(world: &World) {
    for (binding, exchangeable) in
        [(Binding::None, true), (Binding::Key, false), (Binding::BucketAndKey, false)]
    {
        let cipher = world.cipher().binding(binding);
        let client = S3EncryptionClient::new(world.s3.clone(), cipher);
        put(&client, world, "a", "contents of a").await;
        put(&client, world, "b", "contents of b").await;
        assert_eq!(&read(&client, world, "a").await.unwrap()[..], b"contents of a");
        let (a, b) = (world.stored("a").await, world.stored("b").await);
        world.store("a", &b).await;
        let exchanged = read(&client, world, "a").await;
        assert_eq!(exchanged.is_ok(), exchangeable);
        // A reader without a binding still checks what the object says it is bound to.
        let open = read(&world.client(), world, "a").await;
        assert_eq!(open.is_ok(), exchangeable);
        // A body under another object's metadata is never accepted.
        let mixed = Stored { metadata: b.metadata, body: a.body };
        world.store("a", &mixed).await;
        assert_eq!(read(&client, world, "a").await.unwrap_err().kind(), ErrorKind::Authentication);
    }
    let demanding = world.cipher().binding(Binding::Key);
    let demanding = S3EncryptionClient::new(world.s3.clone(), demanding);
    put(&world.client(), world, "unbound", "x").await;
    assert_eq!(read(&demanding, world, "unbound").await.unwrap_err().kind(), ErrorKind::Format);
}

pub(crate) async fn a_copy_opens_unless_bound(world: &World) {
    let client = world.client();
    let (from, to) = ("dir/a b+ü", "copy");
    for placement in [Placement::Metadata, Placement::Inline] {
        put(&client.clone().placement(placement), world, from, plain(1000)).await;
        client.copy_object((&world.bucket, from), (&world.bucket, to)).await.unwrap();
        assert_eq!(read(&client, world, to).await.unwrap(), plain(1000));
    }
    let bound = S3EncryptionClient::new(world.s3.clone(), world.cipher().binding(Binding::Key));
    put(&bound, world, from, plain(1000)).await;
    let elsewhere = format!("{}-2", world.bucket);
    world.s3.create_bucket().bucket(&elsewhere).send().await.unwrap();
    bound.copy_object((&world.bucket, from), (&elsewhere, from)).await.unwrap();
    let moved = bound.get_object(&elsewhere, from, &world.context()).send().await.unwrap();
    assert_eq!(moved.len(), 1000, "the key is the same in the other bucket");
    let refused = bound.copy_object((&world.bucket, from), (&world.bucket, to)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

pub(crate) async fn the_envelope_can_be_inline(world: &World) {
    let client = world.client().placement(Placement::Inline);
    for len in [0, 1000, 200_000, 6 * MIB] {
        put(&client, world, "k", plain(len)).await;
        let stored = world.stored("k").await;
        assert!(stored.body.starts_with(b"waxseal 1024\n"), "{len} bytes");
        assert!(!stored.metadata.keys().any(|name| name.starts_with("waxseal")));
        assert!(read(&world.client(), world, "k").await.unwrap() == plain(len), "{len} bytes");
        // What S3 holds is what the cipher opens without S3.
        let opened = world.cipher().open(&stored.body, &world.context()).await.unwrap();
        assert!(opened == plain(len));
    }
}

/// `x-amz-key` in hex, and nonce, ciphertext and tag in the body, made and read here by hand.
pub(crate) async fn the_one_shot_layout_is_the_guides(world: &World) {
    let context = EncryptionContext::from([("tenant", "acme")]);
    let pairs = [("tenant".to_owned(), "acme".to_owned())];
    let cipher = world.cipher().format(Format::OneShot);
    let client = S3EncryptionClient::new(world.s3.clone(), cipher);

    let request = world.kms.generate_data_key().key_id(&world.key_arn);
    let request = request.key_spec(aws_sdk_kms::types::DataKeySpec::Aes256);
    let key = request.set_encryption_context(Some(pairs.clone().into())).send().await.unwrap();
    let aes = Aes256Gcm::new_from_slice(key.plaintext().unwrap().as_ref()).unwrap();
    let nonce = [3; 12];
    let sealed = aes.encrypt(&nonce.into(), &b"by hand"[..]).unwrap();
    let wrapped = base16ct::lower::encode_string(key.ciphertext_blob().unwrap().as_ref());
    let metadata = [("x-amz-key".to_owned(), wrapped)].into();
    let by_hand = Stored { metadata, body: [&nonce[..], &sealed].concat() };
    world.store("k", &by_hand).await;
    let get = || client.get_object(&world.bucket, "k", &context).send();
    assert_eq!(&get().await.unwrap().range(3..7).await.unwrap()[..], b"hand");

    client.put_object(&world.bucket, "k", "by us", &context).send().await.unwrap();
    let stored = world.stored("k").await;
    assert_eq!(stored.metadata.keys().collect::<Vec<_>>(), ["x-amz-key"]);
    let wrapped = base16ct::lower::decode_vec(&stored.metadata["x-amz-key"]).unwrap();
    let request = world.kms.decrypt().ciphertext_blob(wrapped.into());
    let key = request.set_encryption_context(Some(pairs.into())).send().await.unwrap();
    let aes = Aes256Gcm::new_from_slice(key.plaintext().unwrap().as_ref()).unwrap();
    let nonce: [u8; 12] = stored.body[..12].try_into().unwrap();
    assert_eq!(aes.decrypt(&nonce.into(), &stored.body[12..]).unwrap(), b"by us");

    let mut altered = stored.clone();
    altered.body[14] ^= 1;
    world.store("k", &altered).await;
    assert_eq!(get().await.unwrap_err().kind(), ErrorKind::Authentication);
    world.store("k", &stored).await;
    assert_eq!(get().await.unwrap().len(), 5);
    let rival = EncryptionContext::from([("tenant", "rival")]);
    let other = client.get_object(&world.bucket, "k", &rival).send().await;
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Authentication);
    let head = client.head_object(&world.bucket, "k", GetOptions::new()).await.unwrap();
    assert_eq!((head.unverified_len(), head.envelope().format()), (5, Format::OneShot));
}

pub(crate) async fn what_the_demanded_key_did_not_sign_is_refused(world: &World) {
    let new_key = async || {
        let key = world.kms.create_key().key_spec(KeySpec::EccNistP384);
        let key = key.key_usage(KeyUsageType::SignVerify).send().await.unwrap();
        KmsSigningKey::new(world.kms.clone(), key.key_metadata().unwrap().arn().unwrap())
    };
    let (key, other) = (new_key().await, new_key().await);
    let client = |cipher| S3EncryptionClient::new(world.s3.clone(), cipher).part_len(0);
    let reader = client(world.cipher().demand_signature(key.clone()));
    for placement in [Placement::Metadata, Placement::Inline] {
        let writer = |key: &KmsSigningKey| {
            client(world.cipher().sign_with(key.clone())).placement(placement)
        };
        put(&writer(&other), world, "other", "x").await;
        put(&world.client().placement(placement), world, "unsigned", "x").await;
        for name in ["other", "unsigned"] {
            let error = read(&reader, world, name).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{name}: {error}");
        }
        put(&writer(&key), world, "k", "x").await;
        assert_eq!(&read(&reader, world, "k").await.unwrap()[..], b"x");
        // Signed by the key, but another object.
        put(&writer(&key), world, "l", "y").await;
        let (mut own, foreign) = (world.stored("k").await, world.stored("l").await);
        if placement == Placement::Metadata {
            let name = "waxseal-signature".to_owned();
            own.metadata.insert(name.clone(), foreign.metadata[&name].clone());
        } else {
            own.body[1024..1024 + 74].copy_from_slice(&foreign.body[1024..1024 + 74]);
        }
        world.store("k", &own).await;
        let error = read(&reader, world, "k").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    }
}

pub(crate) async fn what_is_not_sealed_is_refused(world: &World) {
    let client = world.client();
    for body in [&b""[..], b"x", &plain(200_000)] {
        let foreign = Stored { metadata: [("title".into(), "x".into())].into(), body: body.into() };
        world.store("k", &foreign).await;
        let error = read(&client, world, "k").await.unwrap_err();
        // One byte might still become an envelope: it is one cut short.
        let kinds = [ErrorKind::Format, ErrorKind::Authentication];
        assert!(kinds.contains(&error.kind()), "{error}");
        let head = client.head_object(&world.bucket, "k", GetOptions::new()).await;
        assert!(kinds.contains(&head.unwrap_err().kind()));
    }
    let error = read(&client, world, "not-there").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    let text = error.to_string();
    assert!(text.contains("not-there") && text.contains("NoSuchKey"), "{text}");
}

pub(crate) async fn deleting_is_deleting(world: &World) {
    let client = world.client();
    put(&client, world, "k", "x").await;
    assert_eq!(&read(&client, world, "k").await.unwrap()[..], b"x");
    client.delete_object(&world.bucket, "k").await.unwrap();
    client.delete_object(&world.bucket, "k").await.unwrap();
    assert_eq!(read(&client, world, "k").await.unwrap_err().kind(), ErrorKind::Store);
}
