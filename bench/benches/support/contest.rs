//! Runs a race under criterion.

use std::time::Duration;

use criterion::BenchmarkGroup;
use criterion::Criterion;
use criterion::SamplingMode;
use criterion::Throughput;
use criterion::measurement::WallTime;
use waxseal_bench::Entrant;
use waxseal_bench::Race;
use waxseal_bench::Report;
use waxseal_bench::Work;

/// Times the floor alone, then every entrant in turns with the floor, and prints the ratios.
///
/// Criterion's rates are those of the entrants alone, for its history; the ratios are ours.
pub(crate) fn contest<S>(
    criterion: &mut Criterion,
    report: &Report,
    mut race: Race<S>,
    entrants: impl IntoIterator<Item = Entrant<S>>,
) -> Race<S> {
    let mut group = criterion.benchmark_group(race.title());
    // Ten short samples: the rounds within them are what the ratios are made of.
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    let long = matches!(race.floor().work(), Work::Bytes(n) if n > 64 << 20);
    let seconds = if long { 4 } else { 1 };
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(seconds));
    group.throughput(throughput(race.floor().work()));
    let name = race.floor().name().to_owned();
    group.bench_function(name, |b| b.iter_custom(|runs| race.time_floor(runs)));
    for mut entrant in entrants {
        time(&mut group, &mut race, &mut entrant);
    }
    group.finish();
    report.table(&race);
    race
}

fn time<S>(group: &mut BenchmarkGroup<'_, WallTime>, race: &mut Race<S>, entrant: &mut Entrant<S>) {
    group.throughput(throughput(entrant.work()));
    let name = entrant.name().to_owned();
    group.bench_function(name, |b| b.iter_custom(|runs| race.time(entrant, runs)));
}

fn throughput(work: Work) -> Throughput {
    match work {
        Work::Bytes(n) => Throughput::Bytes(n),
        Work::Items(n) => Throughput::Elements(n),
    }
}
