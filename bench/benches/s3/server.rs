//! The server: the testkit's S3 in a process of its own.

use std::fs;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use tokio::runtime::Runtime;
use waxseal_testkit::LocalAws;

use crate::client::KEPT;
use crate::client::SINK;

/// Serves from `folder`, says where, and goes on until standard input ends.
pub(crate) fn run(folder: &str) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(async {
        let aws = LocalAws::builder().data_dir(folder).start().await.unwrap();
        aws.create_bucket(KEPT);
        aws.create_sink(SINK);
        aws.serve().await.unwrap()
    });
    println!("{}", server.endpoint());
    io::stdin().read_to_end(&mut vec![]).unwrap();
}

/// A server that runs until dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) endpoint: String,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--server").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        Self { child, endpoint: endpoint.trim().to_owned() }
    }

    /// CPU seconds so far, from Linux.
    pub(crate) fn cpu(&self) -> Option<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // Behind the name, which may have spaces; in hundredths of a second.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        let mut next = || fields.next()?.parse::<f64>().ok();
        Some((next()? + next()?) / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}
