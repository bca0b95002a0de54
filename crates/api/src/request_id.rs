//! Ids of requests.

use std::cell::RefCell;

use doorward_auth::Core;
use doorward_key::RandomError;
use doorward_types::{IdSeed, RequestId};

/// The random part of an id.
const LENGTH: usize = 10;

/// The number of ids drawn at once: a call of the operating system costs as much as a verification.
const IDS_PER_DRAW: usize = 64;

/// Random bytes that no id has had yet.
struct Drawn {
    bytes: [u8; LENGTH * IDS_PER_DRAW],
    used: usize,
}

thread_local! {
    static RANDOM_BYTES: RefCell<Drawn> = const { RefCell::new(Drawn { bytes: [0; LENGTH * IDS_PER_DRAW], used: LENGTH * IDS_PER_DRAW }) };
}

/// A fresh id. It is unique and no secret, so that its random bits may wait in memory for their turn.
///
/// # Errors
///
/// Fails if the generator fails.
pub(crate) fn fresh(core: &Core) -> Result<RequestId, RandomError> {
    let random = RANDOM_BYTES.with_borrow_mut(|drawn| {
        if drawn.used == drawn.bytes.len() {
            core.random().fill(&mut drawn.bytes)?;
            drawn.used = 0;
        }
        let next = drawn.bytes.get(drawn.used..).and_then(|rest| rest.first_chunk::<LENGTH>().copied());
        drawn.used += LENGTH;
        next.ok_or(RandomError)
    })?;
    Ok(RequestId::new(IdSeed::new(core.clock().now(), random)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use doorward_store_memory::MemoryStore;

    use super::*;

    #[test]
    fn no_id_comes_twice() {
        let core = Core::new(Arc::new(MemoryStore::new()));
        let draw = || (0..10 * IDS_PER_DRAW).map(|_| fresh(&core).unwrap().to_string()).collect::<Vec<_>>();
        let all: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40 * IDS_PER_DRAW);
    }
}
