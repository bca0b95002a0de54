//! Measures the search for leaked keys, against ripgrep.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use doorward::key::{FreshKey, KeyPrefix, SystemRandom};
use doorward::types::{Clock, Environment, SystemClock};
use doorward_scan::rules::{key_expression, token_expression};
use doorward_scan::{Finder, Scanner};

use crate::harness;
use crate::programs;

/// The length of the text: it fits in memory, so that no disk is measured.
const LENGTH: usize = 1 << 30;

/// The keys in it.
const KEYS: usize = 1_000;

/// The names of the files that the text is made of.
const SOURCES: [&str; 6] = ["c", "h", "json", "md", "rs", "toml"];

pub(crate) fn run(rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("text");
    harness::say("writing a text of 1 GiB, made of the source code of this program's dependencies");
    write(&path)?;
    let prefix = KeyPrefix::default();
    let finder = Finder::new(&prefix);
    let every = finder.expression();
    let scanner = Scanner::new(finder);
    let plain = format!("{}|{}", key_expression(&prefix), token_expression());
    let has_ripgrep = programs::is_there("rg");
    let (mut ours, mut of_plain, mut of_every) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = SystemClock.reading();
        let report = scanner.path(&path);
        ours.push(SystemClock.reading().raw.since(started.raw).as_secs_f64());
        ensure!(report.findings.len() == KEYS && report.unread.is_empty(), "{} of {KEYS}", report.findings.len());
        if has_ripgrep {
            of_every.push(ripgrep(&path, &every)?);
            of_plain.push(ripgrep(&path, &plain)?);
        }
    }
    let rate = LENGTH as f64 / 1e9 / harness::median(&ours);
    for (against, theirs) in [
        ("ripgrep, searching for the same beginnings of values in every encoding", of_every),
        ("ripgrep, searching for values that are not encoded", of_plain),
    ] {
        harness::print(
            "scan",
            "text_of_1_gib",
            rate,
            "GB/s",
            has_ripgrep.then(|| (against, harness::ratio(&ours, &theirs))),
        );
    }
    if !has_ripgrep {
        harness::say("there is no ripgrep (rg) on the path, so the ratios are missing");
    }
    Ok(())
}

/// Returns the seconds that ripgrep takes on one thread. It finds all keys at least.
fn ripgrep(path: &Path, expression: &str) -> anyhow::Result<f64> {
    let options = ["--no-config", "--threads", "1", "--text", "--multiline", "--count-matches"];
    let started = SystemClock.reading();
    let ran = Command::new("rg").args(options).arg(expression).arg(path).output()?;
    let took = SystemClock.reading().raw.since(started.raw).as_secs_f64();
    let found: usize = String::from_utf8(ran.stdout)?.trim().parse().context("ripgrep finds nothing")?;
    ensure!(found >= KEYS, "ripgrep finds {found}");
    Ok(took)
}

/// Writes a text with keys at even distances.
fn write(path: &Path) -> anyhow::Result<()> {
    let mut text = Vec::new();
    let home = std::env::var_os("CARGO_HOME").map(Into::into).or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    gather(&home.context("there is no home")?.join("registry/src"), &mut text)?;
    ensure!(!text.is_empty(), "cargo has downloaded no sources");
    let mut file = BufWriter::new(File::create(path)?);
    let (stretch, mut place) = (LENGTH / KEYS, 0);
    for _ in 0..KEYS {
        let key = FreshKey::generate(&KeyPrefix::default(), Environment::Test, &SystemRandom)?.into_value();
        let line = format!("\nKEY={}\n", key.expose());
        let mut left = stretch - line.len();
        while left > 0 {
            let piece = text.get(place..).unwrap_or_default();
            let piece = piece.get(..left.min(piece.len())).unwrap_or_default();
            file.write_all(piece)?;
            left -= piece.len();
            place = (place + piece.len()) % text.len();
        }
        file.write_all(line.as_bytes())?;
    }
    Ok(file.flush()?)
}

/// Gathers source code until there is enough for the text.
fn gather(folder: &Path, text: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if text.len() >= LENGTH {
            return Ok(());
        }
        if entry.file_type()?.is_dir() {
            gather(&path, text)?;
        } else if path.extension().and_then(|end| end.to_str()).is_some_and(|end| SOURCES.contains(&end)) {
            text.extend(std::fs::read(path)?);
        }
    }
    Ok(())
}
