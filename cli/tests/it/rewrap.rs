//! `rewrap`: many objects, from one wrapping key under another.

use std::collections::BTreeMap;
use std::process::Command;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;
use tokio::runtime::Runtime;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::KmsKeyring;
use waxseal::S3EncryptionClient;
use waxseal_testkit::Fault;

use crate::support::Aws;
use crate::support::User;
use crate::support::bytes;
use crate::support::mode;
use crate::support::set_mode;
use crate::support::wait_for;
use crate::support::wait_until;

/// A bucket with `count` objects under `alias/demo`, and an empty key `alias/new`.
struct World {
    aws: Aws,
    user: User,
    new: String,
    runtime: Runtime,
    count: usize,
}

impl World {
    fn start(count: usize) -> Self {
        let aws = Aws::start();
        let (user, new) = (aws.user(), aws.services.create_key("alias/new"));
        let runtime = Runtime::new().unwrap();
        let world = Self { aws, user, new, runtime, count };
        let client = world.client("alias/demo");
        let put = stream::iter(0..count).for_each_concurrent(16, |i| {
            let body = plain(i);
            let put = client.put_object("demo", name(i), body, &context());
            async { drop(put.send().await.unwrap()) }
        });
        world.runtime.block_on(put);
        world.aws.services.reset_calls();
        world
    }

    fn client(&self, key: &str) -> S3EncryptionClient {
        let keyring = KmsKeyring::new(self.aws.services.kms(), key);
        S3EncryptionClient::new(self.aws.services.s3(), EnvelopeCipher::new(keyring))
    }

    /// The key that an object is under.
    fn key_of(&self, i: usize) -> String {
        let metadata = self.aws.services.object_metadata("demo", &name(i));
        metadata["waxseal-key-1"].split(' ').nth(1).unwrap().to_owned()
    }

    fn moved(&self) -> usize {
        (0..self.count).filter(|&i| self.key_of(i) == self.new).count()
    }

    fn sealed(&self) -> Vec<Vec<u8>> {
        (0..self.count).map(|i| self.aws.services.read_object("demo", &name(i))).collect()
    }

    fn etags(&self) -> BTreeMap<String, String> {
        let s3 = self.aws.services.s3();
        let heads = stream::iter(0..self.count).map(|i| {
            let head = s3.head_object().bucket("demo").key(name(i)).send();
            async move { (name(i), head.await.unwrap().e_tag.unwrap()) }
        });
        self.runtime.block_on(heads.buffer_unordered(16).collect())
    }

    fn all_open_under(&self, key: &str) {
        let client = self.client(key);
        let opened = stream::iter(0..self.count).for_each_concurrent(16, |i| {
            let get = client.get_object("demo", name(i), &context());
            async move {
                let body = get.send().await.unwrap().into_stream();
                assert_eq!(body.collect().await.unwrap(), plain(i), "{i}");
            }
        });
        self.runtime.block_on(opened);
    }
}

fn name(i: usize) -> String {
    format!("orders/{i:04}")
}

fn plain(i: usize) -> Vec<u8> {
    format!("order {i}").repeat(i % 50).into_bytes()
}

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

const LINE: &str = "rewrap --from-key aws-kms:alias/demo --key aws-kms:alias/new";

fn json(ran: &[u8]) -> Value {
    serde_json::from_slice(ran).unwrap()
}

#[test]
fn a_thousand_objects_survive_a_kill_in_the_middle() {
    let world = World::start(1000);
    let (sealed, etags) = (world.sealed(), world.etags());
    world.aws.services.reset_calls();
    let line = format!("{LINE} --recursive s3://demo/orders/");
    let mut child = world.user.command(line.split(' ')).spawn().unwrap();
    wait_until("some are copied", || world.aws.services.count("CopyObject") >= 300);
    child.kill().unwrap(); // SIGKILL
    let ran = wait_for(child);
    assert_eq!(ran.code, None, "{}", ran.stderr);
    let moved = world.moved();
    assert!((250..1000).contains(&moved), "in the middle: {moved}");

    let ran = world.user.run(&format!("{line} --json")).succeeds();
    let report = json(&ran.stdout);
    let again = report["changed"].as_array().unwrap().len();
    let already = report["already"].as_u64().unwrap();
    assert_eq!(again + usize::try_from(already).unwrap(), 1000);
    assert!(already >= 250, "what was done was not done again: {already}");
    assert!(ran.stderr.contains(&format!("re-wrapped {again}, nothing to do {already}")));

    assert_eq!(world.moved(), 1000);
    assert!(world.sealed() == sealed, "bodies are byte-identical");
    let calls = world.aws.services.calls();
    let copies: Vec<_> = calls.iter().filter(|call| call.operation == "CopyObject").collect();
    assert!((1000..1000 + 16).contains(&copies.len()), "{}", copies.len());
    for copy in &copies {
        let etag = Some(etags[copy.key.as_ref().unwrap()].as_str());
        assert_eq!(copy.header("x-amz-copy-source-if-match"), etag);
        assert_eq!(copy.header("if-match"), etag);
    }
    assert!(calls.iter().any(|call| call.operation == "ReEncrypt"));
    for operation in ["Decrypt", "Encrypt", "GetObject", "PutObject"] {
        assert!(!calls.iter().any(|call| call.operation == operation), "{operation}");
    }
    // The old key can go.
    let disabled = world.aws.services.kms();
    world.runtime.block_on(disabled.disable_key().key_id(&world.aws.key).send()).unwrap();
    world.all_open_under("alias/new");
    let found = world.user.run(&format!(
        "inspect --keys --json --depends-on aws-kms:{} --recursive s3://demo/",
        world.aws.key
    ));
    let found = json(&found.succeeds().stdout);
    assert_eq!(
        (found["depends_only"].to_string(), found["depends_also"].to_string()),
        ("[]".to_owned(), "[]".to_owned())
    );
    assert_eq!(found["keys"][0]["objects"], 1000);
    assert_eq!(found["keys"][0]["key_id"], world.new);
}

#[test]
fn an_interrupt_leaves_every_object_whole() {
    let world = World::start(200);
    let line = format!("{LINE} --jobs 2 --recursive s3://demo/orders/");
    let child = world.user.command(line.split(' ')).spawn().unwrap();
    wait_until("some are copied", || world.aws.services.count("CopyObject") >= 20);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ran = wait_for(child);
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    let moved = world.moved();
    assert!((1..200).contains(&moved));
    // What is under way is not counted: it may be done or not.
    let (counted, rest) = ran.stderr.split_once(", nothing to do 0, ").unwrap();
    let counted: usize = counted.strip_prefix("waxseal: re-wrapped ").unwrap().parse().unwrap();
    assert!((moved - 2..=moved).contains(&counted), "{counted} of {moved}: {rest}");
    assert!(rest.contains("run it again to go on\nwaxseal: interrupted\n"), "{rest}");
    world.user.run(&line).succeeds();
    world.all_open_under("alias/new");
}

#[test]
fn one_failure_does_not_stop_the_others() {
    let world = World::start(20);
    let services = &world.aws.services;
    let mut altered = services.object_metadata("demo", &name(3));
    altered.insert("waxseal-context".to_owned(), "tenant=evil".to_owned());
    services.set_object_metadata("demo", &name(3), altered);
    let third = services.create_key("alias/third");
    world.user.write("f", "x");
    world.user.run("cp --key aws-kms:alias/third f s3://demo/orders/third").succeeds();
    let plain = services.s3().put_object().bucket("demo").key("orders/plain");
    world.runtime.block_on(plain.body(b"plain".to_vec().into()).send()).unwrap();
    let line = format!("{LINE} --recursive s3://demo/orders/");
    let ran = world.user.run(&line);
    let of = ["s3://demo/orders/0003: ", "s3://demo/orders/third: ", &*third];
    assert!(matches!(ran.code, Some(3 | 4)), "{}", ran.stderr);
    let counts = "re-wrapped 19, nothing to do 0, not sealed 1, failed 2\n";
    for part in of.into_iter().chain([counts, "2 of 22 objects failed\n", "\n  remedy: "]) {
        assert!(ran.stderr.contains(part), "no {part:?} in {}", ran.stderr);
    }
    assert_eq!((0..20).filter(|&i| world.key_of(i) == world.new).count(), 19);
    let ran = world.user.run(&format!("{line} --json"));
    let report = json(&ran.stdout);
    assert_eq!((&report["already"], &report["not_sealed"]), (&19.into(), &1.into()));
    assert_eq!(report["failed"].as_array().unwrap().len(), 2);
    // One alone is told as of other commands.
    let ran = world.user.run(&format!("{LINE} s3://demo/orders/third"));
    ran.fails(4, &["cannot re-wrap s3://demo/orders/third", &third, "--from-key"]);
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let world = World::start(5);
    let line = format!("{LINE} --dry-run --recursive s3://demo/orders/");
    let shown = String::from_utf8(world.user.run(&line).succeeds().stdout).unwrap();
    assert_eq!(shown.lines().count(), 5);
    assert!(shown.contains("would be re-wrapped in KMS: s3://demo/orders/0004\n"), "{shown}");
    let report = json(&world.user.run(&format!("{line} --json")).succeeds().stdout);
    assert_eq!(
        (&report["dry_run"], report["changed"].as_array().unwrap().len()),
        (&true.into(), 5)
    );
    let reads = ["ReEncrypt", "DescribeKey", "HeadObject", "ListObjectsV2"];
    let calls = world.aws.services.calls();
    assert!(calls.iter().all(|call| reads.contains(&&*call.operation)));
    assert_eq!(world.moved(), 0);
    let ran = world.user.run(&format!("{line} -v")).succeeds();
    assert_eq!(ran.stdout.iter().filter(|b| **b == b'\n').count(), 5);
    assert_eq!(ran.stderr.lines().count(), 1, "each is said once: {}", ran.stderr);
    let text = world.user.run(&format!("{LINE} -v s3://demo/orders/0001")).succeeds().stderr;
    assert!(text.contains("re-wrapped in KMS: s3://demo/orders/0001"), "{text}");
}

#[test]
fn a_rotated_key_needs_a_time() {
    let world = World::start(5);
    let same = "rewrap --from-key aws-kms:alias/demo --key";
    for key in ["alias/demo", &world.aws.key, world.aws.key.rsplit('/').next().unwrap()] {
        let line = format!("{same} aws-kms:{key} --recursive s3://demo/orders/");
        world.user.run(&line).fails(2, &["--from-key is a --key as well", "--before"]);
    }
    let before = world.aws.services.object_metadata("demo", &name(0));
    let line = format!("{same} aws-kms:alias/demo --json --recursive s3://demo/orders/");
    let early = format!("{line} --before 2020-01-01T00:00:00Z");
    assert_eq!(json(&world.user.run(&early).succeeds().stdout)["already"], 5);
    // Older than now, in whole seconds.
    let now = || {
        let now = std::time::SystemTime::now();
        let date = aws_sdk_s3::primitives::DateTime::from(now).secs();
        aws_sdk_s3::primitives::DateTime::from_secs(date)
            .fmt(aws_sdk_s3::primitives::DateTimeFormat::DateTime)
            .unwrap()
    };
    let start = now();
    wait_until("a second passes", || now() != start);
    let late = format!("{line} --before {}", now());
    let report = json(&world.user.run(&late).succeeds().stdout);
    assert_eq!(report["changed"].as_array().unwrap().len(), 5, "{report}");
    assert_ne!(world.aws.services.object_metadata("demo", &name(0)), before);
    let report = json(&world.user.run(&late).succeeds().stdout);
    assert_eq!(report["already"], 5, "continued: {report}");
    world.all_open_under("alias/demo");
}

#[test]
fn files_are_replaced_when_they_are_whole() {
    let user = User::new();
    user.run("keygen new").succeeds();
    let plain = bytes(3 << 20);
    user.seal("a", &plain);
    user.write("plain", "plain");
    user.write("empty", "");
    set_mode(user.path("a"), 0o640);
    let sealed = user.read("a");
    let line = "rewrap --from-key local --key local:new -v a plain empty";
    let ran = user.run(line).succeeds();
    assert!(ran.stderr.contains("re-wrapped here: a\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("re-wrapped 1, nothing to do 0, not sealed 2, failed 0"));
    let now = user.read("a");
    assert_eq!(now.len(), sealed.len());
    assert!(now != sealed && now[1024..] == sealed[1024..]);
    assert_eq!(mode(user.path("a")), 0o640);
    assert_eq!(user.run("open --key local:new a").succeeds().stdout, plain);
    user.run("open a -o out").fails(4, &[]);
    assert!(user.run(line).succeeds().stderr.contains("nothing to do: a\n"));
    user.run("rewrap --from-key local:new --key local --keep a").succeeds();
    for key in ["local", "local:new"] {
        assert_eq!(user.run(&format!("open --key {key} a")).succeeds().stdout, plain);
    }
    assert_eq!(user.files(), ["a", "empty", "new", "plain"]);
    // The wrong key, or a key file that is not there, changes nothing and makes nothing.
    let before = user.read("a");
    user.run("keygen wrong").succeeds();
    user.run("rewrap --from-key local:wrong --key local:new a").succeeds();
    user.run("rewrap --from-key local:absent --key local:new a").fails(4, &["absent"]);
    assert_eq!(user.read("a"), before);
}

#[test]
fn a_label_and_the_context_of_one_shot_objects_are_given() {
    let world = World::start(0);
    let user = &world.user;
    user.write("f", "x");
    let cp = "cp --key aws-kms:alias/demo --context tenant=acme";
    user.run(&format!("{cp} --format one-shot f s3://demo/shot")).succeeds();
    user.run(&format!("{LINE} s3://demo/shot")).fails(3, &[]);
    user.run(&format!("{LINE} --context tenant=acme s3://demo/shot")).succeeds();
    let get = "cp --key aws-kms:alias/new --context tenant=acme s3://demo/shot -";
    assert_eq!(user.run(get).succeeds().stdout, b"x");
    user.run("seal f -o s --key local --binding label:orders").succeeds();
    user.run("keygen new").succeeds();
    let line = "rewrap --from-key local --key local:new s";
    user.run(line).fails(3, &["--binding label:TEXT"]);
    user.run(&format!("{line} --binding label:orders")).succeeds();
}

#[test]
fn a_failing_list_is_told_after_what_was_begun() {
    let world = World::start(5);
    world.aws.services.fail("ListObjectsV2", 1, Fault::s3_error(403, "AccessDenied"));
    let ran = world.user.run(&format!("{LINE} --recursive s3://demo/"));
    let ran = ran.fails(5, &["cannot list"]);
    assert!(!ran.stderr.contains("re-wrapped 0"), "{}", ran.stderr);
    world.user.write("list", "s3://demo/orders/0001\ns3:///x\n");
    let ran = world.user.run(&format!("{LINE} --manifest list"));
    ran.fails(2, &["in the manifest", "re-wrapped 1"]);
    assert_eq!(world.moved(), 1);
}

#[test]
fn a_manifest_may_begin_with_a_byte_order_mark() {
    let user = User::new();
    user.run("keygen new").succeeds();
    user.seal("a", b"hello");
    user.seal("b", b"hello");
    user.write("list", "\u{feff}a\r\nb\r\n");
    let line = "rewrap --from-key local --key local:new --manifest list";
    assert!(user.run(line).succeeds().stderr.contains("re-wrapped 2,"));
    user.write("list", "a\n\u{feff}b\n");
    user.run(line).fails(5, &["\u{feff}b"]);
}

#[test]
fn a_folder_is_no_object() {
    let user = User::new();
    user.seal("a", b"hello");
    std::fs::create_dir(user.path("folder")).unwrap();
    for line in [
        "rewrap --from-key local --key local folder --before 2026-01-01T00:00:00Z",
        "rotate --key local folder",
        "inspect --keys folder",
    ] {
        user.run(line).fails(2, &["folder is a folder", "find FOLDER", "--manifest -"]);
    }
}

#[test]
fn a_file_that_was_changed_meanwhile_stays() {
    let world = World::start(0);
    let user = &world.user;
    user.write("plain", "x");
    user.run("seal --key aws-kms:alias/demo plain -o a").succeeds();
    let path = user.path("a");
    world.aws.services.on_request(move |call| {
        if call.operation == "ReEncrypt" {
            std::fs::write(&path, "somebody else's").unwrap();
        }
        None
    });
    let line = "rewrap --from-key aws-kms:alias/demo --key aws-kms:alias/new a";
    user.run(line).fails(5, &["changed while it was read"]);
    assert_eq!(user.read("a"), b"somebody else's");
    assert_eq!(user.files(), ["a", "plain"]);
}
