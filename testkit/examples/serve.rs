//! KMS and S3 for other programs, on a loopback port, until interrupted.
//!
//! `cargo run -p waxseal-testkit --example serve -- [--dir DIR] [--port N]` prints the
//! environment in which the AWS CLI and every AWS SDK find it. With `--dir`, buckets and
//! keys outlive the process; the keys are stored unencrypted.

use std::error::Error;

use waxseal_testkit::ACCESS_KEY_ID;
use waxseal_testkit::LocalAws;
use waxseal_testkit::REGION;
use waxseal_testkit::SECRET_ACCESS_KEY;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = LocalAws::builder();
    let mut port = 0;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("{arg}: usage: [--dir DIR] [--port N]"))?;
        match arg.as_str() {
            "--dir" => builder = builder.data_dir(value),
            "--port" => port = value.parse()?,
            _ => return Err(format!("{arg}: usage: [--dir DIR] [--port N]").into()),
        }
    }

    let aws = builder.start().await?;
    let key = aws.create_key("alias/demo");
    aws.create_bucket("demo");
    let server = aws.serve_on(port).await?;
    println!("export AWS_ENDPOINT_URL={}", server.endpoint());
    println!("export AWS_ACCESS_KEY_ID={ACCESS_KEY_ID}");
    println!("export AWS_SECRET_ACCESS_KEY={SECRET_ACCESS_KEY}");
    println!("export AWS_REGION={REGION}");
    println!("export AWS_DEFAULT_REGION={REGION}");
    println!("# alias/demo is {key}");
    println!("# s3://demo is a bucket");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
