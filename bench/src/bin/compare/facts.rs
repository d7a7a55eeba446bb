//! What the figures depend on: the machine, the versions, the size.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::programs::Programs;
use crate::programs::version;
use crate::size::Bytes;

/// Names and values, to be printed in this order.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) date: String,
    pub(crate) cpu: String,
    pub(crate) size: u64,
    pub(crate) runs: u32,
    pub(crate) machine: Vec<(&'static str, String)>,
    pub(crate) versions: Vec<(&'static str, String)>,
}

impl Facts {
    /// Asks the system. What it does not tell is `unknown`.
    pub(crate) fn gather(size: u64, runs: u32, folder: &Path, programs: &Programs) -> Self {
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(unknown);
        let cores = thread::available_parallelism().map_or(0, usize::from);
        let cpu = format!("{cpu}, {cores} cores");
        let date = version("date", &["-u", "+%F"]);
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let machine = vec![
            ("date", date.clone()),
            ("CPU", cpu.clone()),
            ("memory", field("/proc/meminfo", "MemTotal").map_or_else(unknown, |kib| mib(&kib))),
            ("kernel", kernel),
            ("file system", file_system(folder)),
            ("rustc", version("rustc", &["--version"]).trim_start_matches("rustc ").to_owned()),
            ("load", load()),
            ("size, runs", format!("{}, {runs} of each, in turns", Bytes(size))),
        ];
        let versions = programs.all().iter().map(|p| (p.label, p.version.clone())).collect();
        Self { date, cpu, size, runs, machine, versions }
    }
}

/// The value of the first line `name: value`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

/// `2048 kB` as `2 MiB`.
fn mib(kib: &str) -> String {
    let number = kib.trim_end_matches(" kB").parse::<u64>();
    number.map_or_else(|_| kib.to_owned(), |kib| format!("{} MiB", kib >> 10))
}

/// How busy others kept the machine before: averages of 1, 5 and 15 minutes.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| unknown());
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// CPU time that was spent since the system started, by all. Zero where it does not tell.
pub(crate) fn busy() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    Duration::from_millis(10 * ticks(text.lines().next().unwrap_or_default()))
}

/// Hundredths of a second that were not idle, from the line of all CPUs.
fn ticks(line: &str) -> u64 {
    let numbers = line.split_whitespace().skip(1).map(|number| number.parse().unwrap_or(0));
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already
    let busy = numbers.zip([1, 1, 1, 0, 0, 1, 1, 1]);
    busy.map(|(ticks, counts): (u64, u64)| ticks * counts).sum()
}

fn file_system(folder: &Path) -> String {
    let asked = Command::new("df").arg("--output=fstype").arg(folder).output();
    let said = asked.map(|done| String::from_utf8_lossy(&done.stdout).into_owned());
    said.ok().and_then(|said| said.lines().nth(1).map(str::to_owned)).unwrap_or_else(unknown)
}

fn unknown() -> String {
    "unknown".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shown_in_mebibytes() {
        assert_eq!(mib("2048 kB"), "2 MiB");
        assert_eq!(mib("much"), "much");
    }

    #[test]
    fn waiting_is_not_busy() {
        assert_eq!(ticks("cpu  1 20 300 7 7 4000 50000 600000 7 7"), 654_321);
        assert_eq!(ticks(""), 0);
    }
}
