//! Compares Doorward with similar libraries in the same run, each in its own process: `cargo xtask bench peers`.
//!
//! Each side does a whole verification with its own keys: it parses the text, finds the record and compares the hash.

mod program;

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use doorward::auth::{OperatorPrincipal, Core, Issuer, Verifier};
use doorward::memory::MemoryStore;
use doorward::types::{Clock, SystemClock};
use prefixed_api_key::{PakControllerOsSha256, PrefixedApiKey, PrefixedApiKeyController};

use self::program::Program;

const ROUNDS: usize = 9;
const PER_ROUND: usize = 100_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn Error>> {
    for count in [1_000, 1_000_000] {
        let ours = Ours::with(count).await?;
        let theirs = PrefixedApiKeys::with(count)?;
        compare(&format!("prefixed-api-key, {count} keys"), &ours, |places| Ok(theirs.verify(places)))?;
    }
    let ours = Ours::with(1_000).await?;
    for mut program in [Program::better_auth()?, Program::djangorestframework_api_key()?] {
        compare(&format!("{}, 1000 keys", program.name), &ours, |_| program.verify())?;
    }
    Ok(())
}

/// Prints the median time of a peer's verification in nanoseconds, and its ratio to ours.
fn compare(
    metric: &str,
    ours: &Ours,
    mut theirs: impl FnMut(&[usize]) -> Result<f64, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (mut ratios, mut peer) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut state = 88_172_645_463_325_252 + round as u64;
        let mut draw = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % ours.keys.len() as u64) as usize
        };
        let places: Vec<usize> = (0..PER_ROUND).map(|_| draw()).collect();
        let ours = ours.verify(&places);
        let theirs = theirs(&places)?;
        ratios.push(theirs / ours);
        peer.push(theirs);
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        r#"{{"bench":"peers","metric":"{metric}","value":{:.1},"unit":"ns","against":"doorward verify (their time / ours)","ratio":{:.2}}}"#,
        median(peer),
        median(ratios)
    );
    Ok(())
}

struct Ours {
    verifier: Verifier,
    keys: Vec<String>,
}

impl Ours {
    async fn with(count: usize) -> Result<Self, Box<dyn Error>> {
        let core = Core::new(Arc::new(MemoryStore::new()));
        let issuer = Issuer::new(&core);
        #[expect(clippy::disallowed_methods, reason = "a benchmark has its store to itself")]
        let request = OperatorPrincipal::local_administrator("bench".parse()?).request();
        let acme = issuer.provision("Acme".parse()?, &request).await?;
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            let made = issuer.create(acme.organization.id, "a key".parse()?, &request).await?;
            keys.push(made.value.expose().to_owned());
        }
        Ok(Self { verifier: Verifier::start(&core).await?, keys })
    }

    fn verify(&self, places: &[usize]) -> f64 {
        time(places, |place| self.verifier.verify(self.keys[place].as_bytes()).is_ok())
    }
}

/// The crate `prefixed-api-key`, with a map from short token to hash, as its guide asks of the caller.
struct PrefixedApiKeys {
    controller: PakControllerOsSha256,
    hashes: HashMap<String, String>,
    keys: Vec<String>,
}

impl PrefixedApiKeys {
    fn with(count: usize) -> Result<Self, Box<dyn Error>> {
        let controller = PrefixedApiKeyController::configure().prefix("dw".to_owned()).seam_defaults().finalize()?;
        let (mut keys, mut hashes) = (Vec::with_capacity(count), HashMap::with_capacity(count));
        for _ in 0..count {
            let (key, hash) = controller.try_generate_key_and_hash()?;
            hashes.insert(key.short_token().to_owned(), hash);
            keys.push(key.to_string());
        }
        Ok(Self { controller, hashes, keys })
    }

    fn verify(&self, places: &[usize]) -> f64 {
        time(places, |place| {
            let Ok(key) = PrefixedApiKey::from_string(&self.keys[place]) else { return false };
            self.hashes.get(key.short_token()).is_some_and(|hash| self.controller.check_hash(&key, hash))
        })
    }
}

fn time(places: &[usize], verify: impl Fn(usize) -> bool) -> f64 {
    let started = SystemClock.reading();
    for place in places {
        assert!(black_box(verify(*place)));
    }
    let took: Duration = SystemClock.reading().raw.since(started.raw);
    took.as_secs_f64() * 1e9 / places.len() as f64
}
