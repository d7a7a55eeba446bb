//! A floor and those who are measured against it.

use std::fmt;
use std::time::Duration;
use std::time::Instant;

/// What one run gets done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Bytes of plaintext.
    Bytes(u64),
    /// Objects sealed or opened, or ranges read.
    Items(u64),
}

impl Work {
    pub(crate) fn count(self) -> u64 {
        match self {
            Self::Bytes(n) | Self::Items(n) => n,
        }
    }
}

/// One who is timed. `S` is what the entrants of a race share: buffers, usually.
pub struct Entrant<S> {
    name: String,
    work: Work,
    time: Box<dyn FnMut(&mut S) -> Duration>,
}

impl<S> Entrant<S> {
    /// An entrant whose `run` does `work`. It should take at least 50 us, so that the clock costs
    /// nothing.
    pub fn new(name: &str, work: Work, mut run: impl FnMut(&mut S) + 'static) -> Self {
        Self::prepared(name, work, |_| (), move |shared, ()| run(shared))
    }

    /// An entrant for which something has to be made before every run, such as a buffer restored.
    /// That is not timed.
    pub fn prepared<T>(
        name: &str,
        work: Work,
        mut prepare: impl FnMut(&mut S) -> T + 'static,
        mut run: impl FnMut(&mut S, T) + 'static,
    ) -> Self {
        let time = move |shared: &mut S| {
            let made = prepare(shared);
            let begin = Instant::now();
            run(shared, made);
            begin.elapsed()
        };
        Self { name: name.to_owned(), work, time: Box::new(time) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What one run gets done.
    pub fn work(&self) -> Work {
        self.work
    }
}

impl<S> fmt::Debug for Entrant<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrant").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A floor, entrants timed in turns with it, and what came of that.
pub struct Race<S> {
    title: String,
    shared: Option<S>,
    make_shared: Box<dyn Fn() -> S>,
    floor: Entrant<S>,
    rows: Vec<Row>,
}

impl<S> Race<S> {
    /// A race on what `make_shared` makes once somebody runs: a filter may leave nobody.
    pub fn new(title: &str, make_shared: impl Fn() -> S + 'static, floor: Entrant<S>) -> Self {
        let make_shared = Box::new(make_shared);
        Self { title: title.to_owned(), shared: None, make_shared, floor, rows: vec![] }
    }

    /// The title, which is that of the criterion group.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The floor.
    pub fn floor(&self) -> &Entrant<S> {
        &self.floor
    }

    /// Runs the floor alone, for criterion's own record of it.
    pub fn time_floor(&mut self, runs: u64) -> Duration {
        let shared = self.shared.get_or_insert_with(&self.make_shared);
        (0..runs).map(|_| (self.floor.time)(shared)).sum()
    }

    /// Runs `entrant` in turns with the floor, notes both, and returns the time of the entrant.
    pub fn time(&mut self, entrant: &mut Entrant<S>, runs: u64) -> Duration {
        let at = self.rows.iter().position(|row| row.name == entrant.name).unwrap_or_else(|| {
            let (name, work) = (entrant.name.clone(), entrant.work);
            self.rows.push(Row { name, work, rounds: vec![] });
            self.rows.len() - 1
        });
        let shared = self.shared.get_or_insert_with(&self.make_shared);
        let mut sum = Duration::ZERO;
        for _ in 0..runs {
            let time = (entrant.time)(shared);
            let floor = (self.floor.time)(shared);
            self.rows[at].rounds.push((time.as_secs_f64(), floor.as_secs_f64()));
            sum += time;
        }
        sum
    }

    /// The rate of an entrant as a part of the floor's: the median over all rounds.
    pub fn ratio(&self, name: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.name == name)?;
        Some(row.ratios(self.floor.work).median)
    }

    /// Seconds that an entrant took for one byte or item: the median over all rounds.
    pub fn seconds(&self, name: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.name == name)?;
        Some(quartiles(row.rounds.iter().map(|&(t, _)| t)).median / row.work.count() as f64)
    }

    /// The rate of an entrant in GiB/s: the median over all rounds.
    pub fn gib_per_second(&self, name: &str) -> Option<f64> {
        Some(1.0 / self.seconds(name)? / f64::from(1 << 30))
    }

    /// The entrants that ran, the floor first, as lines of a table.
    pub(crate) fn table(&self) -> Vec<[String; 4]> {
        let floors = self.rows.iter().flat_map(|row| row.rounds.iter().map(|&(_, floor)| floor));
        let floor = quartiles(floors).median;
        let work = self.floor.work;
        let mut table = vec![[
            format!("{} (floor)", self.floor.name),
            rate(work, floor),
            "1.00".to_owned(),
            String::new(),
        ]];
        for row in &self.rows {
            let time = quartiles(row.rounds.iter().map(|&(t, _)| t)).median;
            let ratio = row.ratios(work);
            table.push([
                row.name.clone(),
                rate(row.work, time),
                format!("{:.2}", ratio.median),
                format!("{:.2}-{:.2} of {}", ratio.low, ratio.high, row.rounds.len()),
            ]);
        }
        table
    }

    /// Whether any entrant ran: a filter may leave none.
    pub(crate) fn was_run(&self) -> bool {
        !self.rows.is_empty()
    }
}

impl<S> fmt::Debug for Race<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Race").field("title", &self.title).finish_non_exhaustive()
    }
}

struct Row {
    name: String,
    work: Work,
    /// Seconds of the entrant and of the floor beside it.
    rounds: Vec<(f64, f64)>,
}

impl Row {
    fn ratios(&self, floor: Work) -> Quartiles {
        let work = self.work.count() as f64 / floor.count() as f64;
        quartiles(self.rounds.iter().map(|(time, floor)| work * floor / time))
    }
}

struct Quartiles {
    low: f64,
    median: f64,
    high: f64,
}

fn quartiles(values: impl Iterator<Item = f64>) -> Quartiles {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |quarters: usize| values.get(values.len().saturating_sub(1) * quarters / 4);
    let at = |quarters| at(quarters).copied().unwrap_or(f64::NAN);
    Quartiles { low: at(1), median: at(2), high: at(3) }
}

fn rate(work: Work, seconds: f64) -> String {
    match work {
        Work::Bytes(n) => format!("{:.2} GiB/s", n as f64 / seconds / f64::from(1 << 30)),
        Work::Items(n) => {
            let each = seconds / n as f64;
            format!("{:.2} us, {:.0} /s", each * 1e6, 1.0 / each)
        }
    }
}
