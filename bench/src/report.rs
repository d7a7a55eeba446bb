//! Tables, aims and what they were measured on.

use std::process::Command;

use crate::race::Race;
use crate::raw::BACKEND;

/// What a benchmark prints besides criterion's own lines.
#[derive(Debug)]
pub struct Report {
    name: String,
    aims: Vec<String>,
}

/// The bound that a measured number should keep.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
}

impl Report {
    /// A report of the benchmark `name`.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), aims: vec![] }
    }

    /// Prints the ratios of a race; nothing in test mode or if a filter left no entrant.
    pub fn table<S>(&self, race: &Race<S>) {
        if is_test() || !race.was_run() {
            return;
        }
        let head = [race.title(), "rate", "of floor", "quartiles, rounds"].map(str::to_owned);
        let mut lines = vec![head];
        lines.extend(race.table());
        print_aligned(&lines);
    }

    /// Prints rows of something else that was measured, the head first; nothing in test mode.
    pub fn rows<const N: usize>(&self, rows: &[[String; N]]) {
        if !is_test() {
            print_aligned(rows);
        }
    }

    /// Notes whether an aim was met; nothing if a filter left the number out.
    ///
    /// `unit` says of what the number is: `of raw`, `us`.
    pub fn aim(&mut self, what: &str, measured: Option<f64>, unit: &str, aim: Aim) {
        let Some(measured) = measured else { return };
        let (met, sign, bound) = match aim {
            Aim::AtLeast(bound) => (measured >= bound, ">=", bound),
            Aim::AtMost(bound) => (measured <= bound, "<=", bound),
        };
        let met = if met { "met   " } else { "MISSED" };
        self.aims.push(format!("{met} {what}: {measured:.2} {unit} (aim {sign} {bound:.2})"));
    }

    /// Notes something that is no aim but belongs beside them.
    pub fn note(&mut self, line: String) {
        self.aims.push(format!("note   {line}"));
    }

    /// Prints the aims and the machine; nothing in test mode.
    pub fn finish(self) {
        if is_test() || self.aims.is_empty() {
            return;
        }
        println!("\n{}: {}", self.name, machine());
        self.aims.iter().for_each(|line| println!("{line}"));
    }
}

/// Whether criterion runs everything once, as it does unless `cargo bench` asked, or not at all.
pub fn is_test() -> bool {
    let has = |wanted| std::env::args().any(|arg| arg == wanted);
    has("--test") || has("--list") || !has("--bench")
}

/// Prints rows as columns, the first to the left and the others to the right.
fn print_aligned<const N: usize>(rows: &[[String; N]]) {
    let widths: [usize; N] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    println!();
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(i, (cell, width))| match i {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("{}", cells.collect::<Vec<_>>().join("   ").trim_end());
    }
    println!();
}

/// CPU, compiler, backend and date.
fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown CPU", |(_, model)| model);
    let number = std::thread::available_parallelism().map_or(1, usize::from);
    let date = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    let date = date.map(|date| String::from_utf8_lossy(&date.stdout).trim().to_owned());
    let date = date.unwrap_or_else(|_| "at an unknown time".to_owned());
    let rustc = env!("WAXSEAL_BENCH_RUSTC");
    format!("{number} x {model}; {rustc}; backend {BACKEND}; {date}")
}
