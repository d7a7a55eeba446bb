# What `.ci/run` runs, one by one.

default: fmt lint test

test:
    cargo test

fmt:
    cargo fmt --all --check

lint:
    cargo clippy --workspace --all-targets -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# The second cipher backend, and both at once.
backends:
    cargo test -p waxseal --no-default-features --features rust-crypto
    cargo test -p waxseal --all-features
    cargo test -p waxseal --lib --no-default-features --features internal-nonces

# The cache of data keys under a model checker.
model:
    CARGO_TARGET_DIR=target/shuttle RUSTFLAGS="--cfg shuttle" cargo test -p waxseal --lib --no-default-features --features aws-lc model

# Needs cargo-fuzz; TARGET is one of fuzz/fuzz_targets.
fuzz TARGET SECONDS="60":
    RUSTC_BOOTSTRAP=1 cargo fuzz run {{TARGET}} -- -max_total_time={{SECONDS}} -rss_limit_mb=1024 -malloc_limit_mb=64

# Everything in benches/, with ratios to the raw cipher; BENCH is seal, open, range, small or s3.
bench BENCH:
    cargo bench -p waxseal-bench --features s3 --bench {{BENCH}}

# Whole processes beside cp, age and others.
compare *ARGS:
    bench/compare {{ARGS}}

# What the library adds to the cipher, in instructions; needs valgrind.
instructions:
    cargo test --release -p waxseal-bench --test instructions

# Accept the public API and the worked example of the format as they are.
bless:
    WAXSEAL_BLESS=1 cargo test --test public_api --test format_doc

ci:
    .ci/run
