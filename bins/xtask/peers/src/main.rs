//! Peers that are Rust crates, verifying in the same process and the same run: `cargo xtask bench peers`.
//!
//! Each side does the whole of a verification with its own keys: the text is parsed, the record found, the hash compared.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use doorward::auth::{Ask, Core, Issuer, Verifier};
use doorward::store::MemoryStore;
use doorward::types::{Clock, SystemClock};
use prefixed_api_key::{PrefixedApiKey, PrefixedApiKeyController};

const ROUNDS: usize = 9;
const PER_ROUND: usize = 100_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn Error>> {
    for count in [1_000, 1_000_000] {
        let core = Core::new(Arc::new(MemoryStore::new()));
        let issuer = Issuer::new(&core);
        let ask = Ask::local("bench".parse()?);
        let acme = issuer.provision("Acme".parse()?, &ask).await?;
        let mut ours = Vec::with_capacity(count);
        for _ in 0..count {
            let made = issuer.create(acme.organization.id, "a key".parse()?, &ask).await?;
            ours.push(made.value.expose().to_owned());
        }
        let verifier = Verifier::start(&core).await?;

        let controller = PrefixedApiKeyController::configure().prefix("dw".to_owned()).seam_defaults().finalize()?;
        let (mut theirs, mut hashes) = (Vec::with_capacity(count), HashMap::with_capacity(count));
        for _ in 0..count {
            let (key, hash) = controller.try_generate_key_and_hash()?;
            hashes.insert(key.short_token().to_owned(), hash);
            theirs.push(key.to_string());
        }

        let mut ratios = Vec::new();
        let mut peer = Vec::new();
        for round in 0..ROUNDS {
            let mut state = 88_172_645_463_325_252 + round as u64;
            let mut draw = move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state % count as u64) as usize
            };
            let places: Vec<usize> = (0..PER_ROUND).map(|_| draw()).collect();
            let ours = time(&places, |place| verifier.verify(ours[place].as_bytes()).is_ok());
            let theirs = time(&places, |place| {
                let Ok(key) = PrefixedApiKey::from_string(&theirs[place]) else { return false };
                hashes.get(key.short_token()).is_some_and(|hash| controller.check_hash(&key, hash))
            });
            ratios.push(theirs / ours);
            peer.push(theirs);
        }
        ratios.sort_by(f64::total_cmp);
        peer.sort_by(f64::total_cmp);
        println!(
            r#"{{"bench":"peers","metric":"prefixed_api_key_{count}_keys","value":{:.1},"unit":"ns","against":"doorward verify (their time / ours)","ratio":{:.2}}}"#,
            peer[ROUNDS / 2],
            ratios[ROUNDS / 2]
        );
    }
    Ok(())
}

fn time(places: &[usize], verify: impl Fn(usize) -> bool) -> f64 {
    let started = SystemClock.reading();
    for place in places {
        assert!(black_box(verify(*place)));
    }
    let took: Duration = SystemClock.reading().raw.since(started.raw);
    took.as_secs_f64() * 1e9 / places.len() as f64
}
