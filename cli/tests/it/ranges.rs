//! `cat` and its ranges, of files and of S3 objects.

use crate::support::Aws;
use crate::support::User;
use crate::support::bytes;

const LEN: usize = 200_000;

/// A range and the bytes that it means.
const GOOD: [(&str, std::ops::Range<usize>); 9] = [
    ("0..10", 0..10),
    ("65500..65510", 65500..65510),
    ("..7", 0..7),
    ("199990..", 199_990..LEN),
    ("-8..", LEN - 8..LEN),
    ("-1MiB..", 0..LEN),
    ("64KiB..128KiB", 65536..131_072),
    ("5..5", 0..0),
    ("200000..", 0..0),
];

const BAD: [&str; 4] = ["0..200001", "200001..", "200001..200002", "300000..400000"];

#[test]
fn ranges_of_a_file() {
    let user = User::new();
    let plain = bytes(LEN);
    user.seal("s", &plain);
    assert_eq!(user.run("cat s").succeeds().stdout, plain);
    for (range, means) in GOOD {
        let ran = user.run(&format!("cat s --range {range}")).succeeds();
        assert_eq!(ran.stdout, plain[means], "{range}");
    }
    for range in BAD {
        let ran = user.run(&format!("cat --range {range} s"));
        let ran = ran.fails(2, &["outside the 200000 bytes", "within the object"]);
        assert!(ran.stdout.is_empty());
    }
    user.run("cat s --range -10.. -o tail").succeeds();
    assert_eq!(user.read("tail"), plain[LEN - 10..]);
}

#[test]
fn ranges_of_an_s3_object_fetch_little() {
    let aws = Aws::start();
    let user = aws.user();
    let plain = bytes(4 << 20);
    user.run_with("cp --key aws-kms:alias/demo - s3://demo/k", &plain).succeeds();
    let cat = |range: &str| user.run(&format!("cat --key aws-kms:alias/demo s3://demo/k {range}"));
    assert_eq!(cat("-v").succeeds().stdout, plain);
    aws.services.reset_calls();
    let ran = cat("--range 1MiB..1048586").succeeds();
    assert_eq!(ran.stdout, plain[1 << 20..(1 << 20) + 10]);
    assert!(aws.services.bytes_fetched() < 400_000, "{}", aws.services.bytes_fetched());
    assert_eq!(cat("--range -5..").succeeds().stdout, plain[plain.len() - 5..]);
    cat("--range 0..5MiB").fails(2, &["outside the"]);
}

#[test]
fn pipes_are_sent_to_open() {
    let user = User::new();
    user.seal("s", b"x");
    rustix::fs::mkfifoat(rustix::fs::CWD, user.path("fifo"), 0o600.into()).unwrap();
    let child = user.command(["cat", "fifo"]).spawn().unwrap();
    let _writer = std::fs::File::options().write(true).open(user.path("fifo")).unwrap();
    let ran = crate::support::wait_for(child);
    ran.fails(2, &["fifo cannot be read at random", "waxseal open"]);
    user.run("cat -").fails(2, &["waxseal open"]);
}
