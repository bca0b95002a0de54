//! Measures sides in turns, and prints the results.

use std::hint::black_box;
use std::time::Duration;

use doorward::auth::OperatorPrincipal;
use doorward::types::{Clock, SystemClock};

/// The number of operations that are timed together: large enough that reading the clock costs little, small enough that the
/// inputs stay in the first cache, as a request's bytes do in a server.
pub(crate) const BATCH: usize = 256;

/// Batches per side and round.
const BATCHES: usize = 400;

/// One side of a figure. It gets the index of an input in the batch, and returns a value that depends on all of its work, so that
/// the next operation must wait for it.
pub(crate) type Side<'a> = &'a mut dyn FnMut(usize) -> usize;

/// Returns the nanoseconds per operation of each side, by round. `prepare` makes the inputs of one batch, and is not timed.
pub(crate) fn rounds(count: usize, prepare: &mut dyn FnMut(), sides: &mut [Side<'_>]) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::new(); sides.len()];
    for _ in 0..count {
        let mut totals = vec![Duration::ZERO; sides.len()];
        for _ in 0..BATCHES {
            prepare();
            for (side, total) in sides.iter_mut().zip(&mut totals) {
                let started = SystemClock.reading();
                let mut last = 0;
                for place in 0..BATCH {
                    // This adds zero, but forces the next operation to wait for the last.
                    last = side(place + black_box(last & 1) / 2);
                }
                black_box(last);
                *total += SystemClock.reading().raw.since(started.raw);
            }
        }
        for (times, total) in times.iter_mut().zip(totals) {
            times.push(total.as_secs_f64() * 1e9 / (BATCHES * BATCH) as f64);
        }
    }
    times
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the median of the rounds' ratios.
pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(&ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>())
}

/// Returns the difference of two samples' means, and Welch's t of it.
pub(crate) fn welch_t(ours: &[f64], theirs: &[f64]) -> (f64, f64) {
    let moments = |values: &[f64]| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((ours, our_error), (theirs, their_error)) = (moments(ours), moments(theirs));
    (ours - theirs, (ours - theirs) / (our_error + their_error).sqrt())
}

/// Prints a progress line.
#[expect(clippy::print_stderr, reason = "this program prints its results")]
pub(crate) fn say(line: &str) {
    eprintln!("bench: {line}");
}

/// Prints one figure on standard output.
#[expect(clippy::print_stdout, reason = "this program prints its results")]
pub(crate) fn print(bench: &str, metric: &str, value: f64, unit: &str, against: Option<(&str, f64)>) {
    let (against, ratio) = against.unzip();
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    let line = serde_json::json!({
        "bench": bench, "metric": metric, "value": rounded(value), "unit": unit, "against": against,
        "ratio": ratio.map(rounded),
    });
    println!("{line}");
}

/// The operator of a benchmark.
#[expect(clippy::disallowed_methods, reason = "a benchmark has its store to itself")]
pub(crate) fn operator() -> anyhow::Result<OperatorPrincipal> {
    Ok(OperatorPrincipal::local_administrator("bench".parse()?))
}
