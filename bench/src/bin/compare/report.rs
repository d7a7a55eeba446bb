//! The report: medians, tables as plain text and as Markdown, the aims.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::time::Duration;

use crate::facts::Facts;
use crate::measure::Measured;
use crate::measure::Part;
use crate::measure::Sample;
use crate::measure::What;
use crate::programs;

/// All that was measured, ready to print.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) facts: Facts,
    pub(crate) parts: Vec<Section>,
    aims: Vec<Aim>,
    skipped: Vec<String>,
}

/// One table: all that wrote to one kind of place.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// What 1.00x is.
    pub(crate) baseline: &'static str,
    short: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// One task of one program. Times are seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) label: &'static str,
    pub(crate) what: What,
    pub(crate) wall: f64,
    least: f64,
    most: f64,
    cpu: f64,
    /// MiB.
    peak: f64,
    /// Cores that other processes used, on average.
    others: f64,
}

/// A ratio that waxseal is to reach.
#[derive(Debug)]
struct Aim {
    what: String,
    ratio: f64,
    /// None: told for comparison only.
    limit: Option<f64>,
}

impl Report {
    pub(crate) fn new(facts: Facts, results: &[Measured], skipped: &[String]) -> Self {
        let section = |part, title, baseline, short| {
            let mut rows: Vec<_> = results.iter().filter(|m| m.part == part).map(row).collect();
            rows.sort_by(order);
            Section { title, baseline, short, rows }
        };
        let files = section(Part::File, "File to new file", programs::CP, "cp");
        let nulls = section(Part::Null, "File to /dev/null", programs::FLOOR, "floor");
        let aims = [
            files.aims(programs::WAXSEAL, programs::CP, Some(1.0)),
            files.aims(programs::WAXSEAL_SYNC, programs::CP_SYNC, None),
            nulls.aims(programs::WAXSEAL, programs::FLOOR, Some(1.5)),
        ];
        let aims = aims.into_iter().flatten().collect();
        Self { facts, parts: vec![files, nulls], aims, skipped: skipped.to_vec() }
    }

    /// For a terminal of 80 columns.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.facts.machine.iter().chain(&self.facts.versions) {
            let _ = writeln!(text, "{name:<22} {value}");
        }
        for part in &self.parts {
            let _ = write!(text, "\n{}\n{}", part.title, part.table().text());
        }
        let _ = writeln!(text, "\n{NOTES}\n\n{AIMS}");
        for aim in &self.aims {
            let _ = writeln!(text, "  {:<55} {}", aim.what, aim.verdict());
        }
        self.say_the_rest(&mut text);
        text
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{MARKDOWN_TITLE}\n\n| | |\n|---|---|\n");
        for (name, value) in self.facts.machine.iter().chain(&self.facts.versions) {
            let _ = writeln!(text, "| {name} | {value} |");
        }
        for part in &self.parts {
            let _ = write!(text, "\n## {}\n\n{}", part.title, part.table().markdown());
        }
        let _ = writeln!(text, "\n{}\n\n{AIMS}\n", NOTES.replace('*', "\\*"));
        for aim in &self.aims {
            let _ = writeln!(text, "- {}: {}", aim.what, aim.verdict());
        }
        self.say_the_rest(&mut text);
        text
    }

    fn say_the_rest(&self, text: &mut String) {
        let rows = self.parts.iter().flat_map(|part| &part.rows);
        if let Some(worst) = rows.max_by(|one, other| one.others.total_cmp(&other.others)) {
            let Row { label, what, others, .. } = worst;
            let what = name(*what);
            let _ =
                write!(text, "\nOthers used up to {others:.1} cores meanwhile ({label} {what})");
            let idle = if *others > BUSY { ": measure again when they are gone" } else { "" };
            let _ = writeln!(text, "{idle}.");
        }
        if !self.skipped.is_empty() {
            let _ = writeln!(text, "\nSkipped: {}", self.skipped.join("; "));
        }
    }
}

impl Section {
    /// The median wall seconds of a program.
    pub(crate) fn wall(&self, label: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.label == label).map(|row| row.wall)
    }

    fn aims(&self, label: &str, baseline: &str, limit: Option<f64>) -> Vec<Aim> {
        let Some(one) = self.wall(baseline) else { return Vec::new() };
        let aim = |row: &Row| {
            let what = format!("{}: {label} {} / {baseline}", self.title, name(row.what));
            Aim { what, ratio: row.wall / one, limit }
        };
        self.rows.iter().filter(|row| row.label == label).map(aim).collect()
    }

    fn table(&self) -> Table {
        let one = self.wall(self.baseline);
        let mut columns =
            ["program", "", "wall s", "least", "most", "CPU s", "MiB", ""].map(str::to_owned);
        columns[7] = format!("x {}", self.short);
        let cells = |row: &Row| {
            let ratio = one.map_or_else(String::new, |one| format!("{:.2}", row.wall / one));
            let seconds = [row.wall, row.least, row.most, row.cpu].map(|s| format!("{s:.3}"));
            let [wall, least, most, cpu] = seconds;
            let (label, what) = (row.label.to_owned(), name(row.what).to_owned());
            [label, what, wall, least, most, cpu, format!("{:.0}", row.peak), ratio]
        };
        Table { columns, rows: self.rows.iter().map(cells).collect() }
    }
}

impl Aim {
    fn verdict(&self) -> String {
        let ratio = self.ratio;
        match self.limit {
            None => format!("{ratio:.2}"),
            Some(limit) => {
                let met = if ratio <= limit { "met" } else { "NOT met" };
                format!("{ratio:.2}, aim {limit:.2}: {met}")
            }
        }
    }
}

/// Cells in lines; the first two columns to the left, numbers to the right.
#[derive(Debug)]
struct Table {
    columns: [String; 8],
    rows: Vec<[String; 8]>,
}

impl Table {
    fn text(&self) -> String {
        let mut text = String::new();
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let [program, what, numbers @ ..] = row;
            let _ = write!(text, "{program:<22} {what:<5}");
            for number in numbers {
                let _ = write!(text, " {number:>7}");
            }
            text.push('\n');
        }
        text
    }

    fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|---|---|", self.columns.join(" | "));
        text.push_str(&"--:|".repeat(self.columns.len() - 2));
        text.push('\n');
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | ").replace('*', "\\*"));
        }
        text
    }
}

fn row(measured: &Measured) -> Row {
    let Measured { label, what, samples, .. } = measured;
    let seconds = |of: fn(&Sample) -> Duration| {
        let mut seconds: Vec<_> = samples.iter().map(|s| of(s).as_secs_f64()).collect();
        seconds.sort_by(f64::total_cmp);
        seconds
    };
    let (wall, cpu) = (seconds(|s| s.wall), seconds(|s| s.cpu));
    let peak = samples.iter().map(|s| s.peak).max().unwrap_or_default();
    Row {
        label,
        what: *what,
        wall: median(&wall),
        least: wall[0],
        most: wall[wall.len() - 1],
        cpu: median(&cpu),
        peak: peak as f64 / f64::from(1 << 20),
        others: seconds(|s| s.others).iter().sum::<f64>() / wall.iter().sum::<f64>(),
    }
}

/// Of sorted numbers, at least one.
fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

/// The baselines, then all that seal and all that open, the fastest first.
fn order(one: &Row, other: &Row) -> Ordering {
    let rank = |row: &Row| match row.what {
        What::Copy | What::Read => 0,
        What::Seal => 1,
        What::Open => 2,
    };
    rank(one).cmp(&rank(other)).then(one.wall.total_cmp(&other.wall))
}

pub(crate) fn name(what: What) -> &'static str {
    match what {
        What::Copy => "copy",
        What::Read => "read",
        What::Seal => "seal",
        What::Open => "open",
    }
}

/// Cores that others may use before the figures mean little. Writing to the disk is among them.
const BUSY: f64 = 0.3;

const MARKDOWN_TITLE: &str = "# Whole processes, data in the page cache";

const NOTES: &str = "\
wall and CPU: medians; least and most: wall; MiB: largest of all runs.
* no authentication: it gives altered data back without a word.
None waits for the disk but those that say sync.";

const AIMS: &str = "Aims, wall seconds over wall seconds:";

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(label: &'static str, what: What, walls: &[u64]) -> Measured {
        let sample = |&ms| Sample {
            wall: Duration::from_millis(ms),
            cpu: Duration::from_millis(2 * ms),
            peak: ms << 20,
            others: Duration::from_millis(ms / 2),
        };
        Measured { label, what, part: Part::File, samples: walls.iter().map(sample).collect() }
    }

    fn section() -> Section {
        let results =
            [measured("cp", What::Copy, &[500, 400, 900]), measured("waxseal", What::Seal, &[450])];
        Section {
            title: "File to new file",
            baseline: "cp",
            short: "cp",
            rows: results.iter().map(row).collect(),
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
    }

    #[test]
    fn a_row_sums_up_its_runs() {
        let row = row(&measured("cp", What::Copy, &[500, 400, 900]));
        assert_eq!((row.wall, row.least, row.most), (0.5, 0.4, 0.9));
        assert_eq!((row.cpu, row.peak, row.others), (1.0, 900.0, 0.5));
    }

    #[test]
    fn a_table_lines_up_in_80_columns() {
        let text = section().table().text();
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[1].starts_with("cp                     copy    0.500   0.400   0.900   1.000")
        );
        assert!(lines[2].ends_with("   0.90"));
        assert!(lines.iter().all(|line| line.len() == lines[0].len() && line.len() <= 80));
    }

    #[test]
    fn markdown_has_a_cell_for_each_column() {
        let markdown = section().table().markdown();
        assert!(markdown.lines().all(|line| line.matches('|').count() == 9), "{markdown}");
    }

    #[test]
    fn an_aim_is_met_at_its_limit() {
        let aims = section().aims("waxseal", "cp", Some(0.9));
        assert!(aims[0].verdict().starts_with("0.90, aim 0.90: met"));
        let aims = section().aims("waxseal", "cp", Some(0.89));
        assert!(aims[0].verdict().ends_with("NOT met"));
        assert!(section().aims("waxseal", "rsync", None).is_empty());
    }

    #[test]
    fn baselines_come_first_and_then_the_fastest() {
        let mut rows: Vec<_> = [
            measured("a", What::Open, &[1]),
            measured("b", What::Seal, &[9]),
            measured("c", What::Seal, &[5]),
            measured("d", What::Copy, &[7]),
        ]
        .iter()
        .map(row)
        .collect();
        rows.sort_by(order);
        assert_eq!(rows.iter().map(|row| row.label).collect::<Vec<_>>(), ["d", "c", "b", "a"]);
    }
}
