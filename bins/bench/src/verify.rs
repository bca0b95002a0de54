//! Measures verification in-process, against A = one SHA-256 of 55 bytes and one lookup of the digest in a `HashMap`.

use std::alloc::System;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use doorward::audit::{Action, Attribution, EventDraft};
use doorward::auth::{Core, Issuer, Verifier};
use doorward::key::{FreshKey, KeyPrefix, PresentedKey, SystemRandom};
use doorward::memory::MemoryStore;
use doorward::store::{AccessKey, Change, ChangeContext, KeyStore, OperationId, RequestHash, Secret};
use doorward::types::{AccessKeyId, Clock, Environment, SecretState, SystemClock};
use sha2::{Digest, Sha256};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::harness::{self, BATCH, Side};

#[global_allocator]
pub(super) static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const KEY_LENGTH: usize = 55;
pub(super) type Text = [u8; KEY_LENGTH];

/// The digest's first eight bytes are the hash, since digests are already random.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}

/// Maps each digest to the sixteen bytes of a key's id.
type Floor = HashMap<[u8; 32], u128, BuildHasherDefault<Identity>>;

pub(super) struct Subject {
    verifier: Verifier,
    floor: Floor,
    texts: Vec<Text>,
}

impl Subject {
    /// Creates the subject from a node and the texts of all its keys.
    pub(super) fn new(verifier: Verifier, texts: Vec<Text>) -> Self {
        let number_of = |(number, text): (usize, &Text)| (Sha256::digest(text).into(), number as u128);
        Self { verifier, floor: texts.iter().enumerate().map(number_of).collect(), texts }
    }
}

pub(crate) async fn run(rounds: usize) -> anyhow::Result<()> {
    for count in [1_000, 1_000_000] {
        harness::say(&format!("making {count} keys"));
        let subject = subject(count).await?;
        measure(&subject, rounds)?;
        if count == 1_000 {
            refusals(&subject, rounds)?;
            allocations(&subject);
            timing(&subject)?;
            two_threads(&subject, rounds);
        }
        subject.verifier.stop().await;
    }
    Ok(())
}

/// Returns a node with this many keys, and A's map of the same keys.
async fn subject(count: usize) -> anyhow::Result<Subject> {
    let store = Arc::new(MemoryStore::new());
    let core = Core::new(Arc::clone(&store) as Arc<_>);
    let request = harness::operator()?.request();
    let acme = Issuer::new(&core).provision("Acme".parse()?, &request).await?;
    let mut texts = Vec::with_capacity(count);
    let created_at = core.clock().now();
    for _ in 0..count {
        let fresh = FreshKey::generate(core.prefix(), Environment::Test, &SystemRandom)?;
        texts.push(Text::try_from(fresh.value().expose().as_bytes())?);
        let key = AccessKey::new(
            acme.organization.id,
            Environment::Test,
            AccessKeyId::new(core.id_seed()?),
            "a key".parse()?,
            created_at,
            request.attribution().actor.clone(),
        );
        let secret = Secret::new(SecretState::Current, fresh.locator(), fresh.digest(), 1, created_at);
        let event = EventDraft::new(
            &Attribution::local(request.attribution().actor.clone()),
            created_at,
            Action::AccessKeyCreated,
            key.id.to_string(),
            (acme.organization.id, Environment::Test),
        );
        let operation = OperationId::from_bytes(key.id.as_u128().to_be_bytes());
        let context = ChangeContext::new(operation, event.into(), RequestHash::of([]), KeyPrefix::default());
        store.change(Change::Create { key, secret }, context).await?;
    }
    Ok(Subject::new(Verifier::start(&core).await?, texts))
}

/// Draws the next index of a sequence that is the same in every run.
pub(super) fn draw(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % below as u64).unwrap_or(0)
}

fn a(floor: &Floor, text: &[u8]) -> usize {
    let digest: [u8; 32] = Sha256::digest(text).into();
    floor.get(&digest).map_or(usize::MAX, |found| *found as usize)
}

fn verify(verifier: &Verifier, text: &[u8]) -> usize {
    match verifier.verify(text) {
        Ok(verified) => usize::from(verified.environment() == Environment::Test),
        Err(_) => usize::MAX,
    }
}

pub(super) fn measure(subject: &Subject, rounds: usize) -> anyhow::Result<()> {
    let count = subject.texts.len();
    let inputs = RefCell::new(vec![[0; KEY_LENGTH]; BATCH]);
    let mut state = 0x00D0_0124;
    let mut prepare = || {
        for input in inputs.borrow_mut().iter_mut() {
            if let Some(text) = subject.texts.get(draw(&mut state, count)) {
                *input = *text;
            }
        }
    };
    let at = |place: usize| inputs.borrow().get(place).copied().unwrap_or([0; KEY_LENGTH]);
    let prefix = KeyPrefix::default();
    let sides: &mut [Side<'_>] = &mut [
        &mut |place| a(&subject.floor, &at(place)),
        &mut |place| verify(&subject.verifier, &at(place)),
        &mut |place| usize::from(Sha256::digest(at(place)).first().copied().unwrap_or(0)),
        &mut |place| PresentedKey::parse(&prefix, &at(place)).map_or(0, |key| usize::from(key.locator().as_bytes()[0])),
        &mut |_| usize::try_from(SystemClock.tick().as_nanos()).unwrap_or(0),
    ];
    let times = harness::rounds(rounds, &mut prepare, sides);
    let [floor, ours, hash, parse, clock] = &times[..] else { anyhow::bail!("five sides were measured") };
    if count == 1_000 {
        for (part, times) in [("hash_alone", hash), ("parse_alone", parse), ("clock_alone", clock)] {
            harness::print("verify", part, harness::median(times), "ns", Some(("A", harness::ratio(times, floor))));
        }
    }
    harness::print("verify", &format!("a_{count}_keys"), harness::median(floor), "ns", None);
    let ratio = harness::ratio(ours, floor);
    harness::print("verify", &format!("verify_{count}_keys"), harness::median(ours), "ns", Some(("A", ratio)));
    Ok(())
}

fn refusals(subject: &Subject, rounds: usize) -> anyhow::Result<()> {
    let unknown: Vec<Text> = (0..BATCH)
        .map(|_| {
            let fresh = FreshKey::generate(&KeyPrefix::default(), Environment::Test, &SystemRandom)?;
            Ok(Text::try_from(fresh.value().expose().as_bytes())?)
        })
        .collect::<anyhow::Result<_>>()?;
    let mistyped: Vec<Text> = unknown
        .iter()
        .map(|text| {
            let mut text = *text;
            text.swap(20, 30);
            text
        })
        .collect();
    let known: Vec<Text> = subject.texts.iter().copied().cycle().take(BATCH).collect();
    let at = |texts: &[Text], place: usize| texts.get(place).copied().unwrap_or([0; KEY_LENGTH]);
    let sides: &mut [Side<'_>] = &mut [
        &mut |place| a(&subject.floor, &at(&known, place)),
        &mut |place| verify(&subject.verifier, &at(&mistyped, place)),
        &mut |place| verify(&subject.verifier, &at(&unknown, place)),
    ];
    let times = harness::rounds(rounds, &mut || (), sides);
    let [floor, mistyped, unknown] = &times[..] else { anyhow::bail!("three sides were measured") };
    for (metric, ours) in [("bad_checksum_1000_keys", mistyped), ("unknown_locator_1000_keys", unknown)] {
        harness::print("verify", metric, harness::median(ours), "ns", Some(("A", harness::ratio(ours, floor))));
    }
    Ok(())
}

/// Returns the key's text with a changed body and the right checksum: CRC-32 in base 62.
fn mended(mut text: Text, change: impl FnOnce(&mut [u8])) -> Text {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (body, checksum) = text.split_at_mut(KEY_LENGTH - 6);
    change(body);
    let mut rest = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(body) as usize;
    for digit in checksum.iter_mut().rev() {
        *digit = DIGITS.get(rest % 62).copied().unwrap_or_default();
        rest /= 62;
    }
    text
}

/// Tests whether the time of a refusal reveals its cause: Welch's t, as in dudect (Reparaz, Balasch, Verbauwhede 2017). Below 4.5
/// there is no evidence. Each class has many texts; both classes of a pair claim one environment.
fn timing(subject: &Subject) -> anyhow::Result<()> {
    const SAMPLES: usize = 1_000_000;
    let production = |body: &mut [u8]| body.iter_mut().skip(3).zip(b"prod").for_each(|(to, from)| *to = *from);
    let class =
        |change: &dyn Fn(&mut [u8])| -> Vec<Text> { subject.texts.iter().map(|text| mended(*text, change)).collect() };
    let wrong_secret = class(&|body| body.swap(20, 30));
    let unknown_locator = class(&|body| body.swap(9, 12));
    let other_environment = class(&production);
    let unknown_there = class(&|body| {
        production(body);
        body.swap(9, 12);
    });
    let pairs = [
        ("wrong_secret", &wrong_secret, &unknown_locator),
        ("other_environment", &other_environment, &unknown_there),
        ("nothing", &wrong_secret, &wrong_secret),
    ];
    let mut state = 0x00D0_0124;
    for (name, ours, theirs) in pairs {
        let mut times = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
        for _ in 0..2 * SAMPLES {
            let side = draw(&mut state, 2);
            let texts = if side == 0 { ours } else { theirs };
            let text = texts.get(draw(&mut state, texts.len())).context("no text")?;
            let started = SystemClock.reading().raw;
            std::hint::black_box(verify(&subject.verifier, text));
            let time = SystemClock.reading().raw.since(started).as_nanos() as f64;
            times.get_mut(side).context("two sides")?.push(time);
        }
        // The slowest hundredth is noise of the machine, and would hide a difference.
        let mut all = times.concat();
        all.sort_by(f64::total_cmp);
        let ceiling = all.get(all.len() * 99 / 100).copied().context("no sample")?;
        times.iter_mut().for_each(|times| times.retain(|time| *time < ceiling));
        let [ours, theirs] = &times;
        let (difference, t) = harness::welch_t(ours, theirs);
        harness::print("verify", &format!("time_tells_{name}"), difference, "ns", Some(("t of an unknown locator", t)));
    }
    Ok(())
}

fn allocations(subject: &Subject) {
    let region = Region::new(ALLOCATOR);
    let verified: usize = subject.texts.iter().map(|text| verify(&subject.verifier, text)).sum();
    let change = region.change();
    let count = change.allocations + change.reallocations;
    harness::print("verify", "allocations_per_verification", count as f64 / verified as f64, "allocations", None);
}

/// Compares the speed-up of two threads over one thread, for verification and for plain hashing.
fn two_threads(subject: &Subject, rounds: usize) {
    let hash = |text: &Text| usize::from(Sha256::digest(text).first().copied().unwrap_or(0));
    let check = |text: &Text| verify(&subject.verifier, text);
    let (mut hashing, mut verifying) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        hashing.push(scaling(&subject.texts, &hash));
        verifying.push(scaling(&subject.texts, &check));
    }
    let ratio = harness::ratio(&verifying, &hashing);
    harness::print("verify", "two_threads_scaling", harness::median(&verifying), "x", Some(("hashing alone", ratio)));
}

fn scaling(texts: &[Text], work: &(dyn Fn(&Text) -> usize + Sync)) -> f64 {
    let sink = AtomicUsize::new(0);
    let turn = || {
        let total: usize = (0..400).flat_map(|_| texts).map(work).fold(0, usize::wrapping_add);
        sink.fetch_add(total, Ordering::Relaxed);
    };
    let timed = |threads: usize| {
        let started = SystemClock.reading();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(turn);
            }
        });
        SystemClock.reading().raw.since(started.raw).as_secs_f64()
    };
    let (one, two) = (timed(1), timed(2));
    2.0 * one / two
}
