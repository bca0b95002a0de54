//! Fills a store of any engine with many keys, through its copy interface.

use doorward::key::{Random, SystemRandom};
use doorward::store::Revision;
use doorward::store::copy::{Cell, Rows};
use doorward::types::{AccessKeyId, IdSeed, Incarnation, OrganizationId, Timestamp};

/// The number of rows in a batch.
const BATCH: usize = 5_000;

/// Creates an organization with this number of test keys. Their texts are unknown.
pub(crate) async fn fill(store: &dyn Rows, keys: usize) -> anyhow::Result<()> {
    store.begin_copy("the bench").await?;
    let text = |text: String| Cell::Text(text);
    let mut random = [0; 10];
    SystemRandom.fill(&mut random)?;
    let organization = text(OrganizationId::new(IdSeed::new(Timestamp::from_millis(1), random)).to_string());
    let [organizations, access_keys, secrets, ..] = store.tables() else { anyhow::bail!("other tables") };
    let first = vec![organization.clone(), text("Large".into()), Cell::Number(1)];
    store.add_rows(organizations, vec![first], String::new()).await?;
    // In the order of creation, since ids begin with the time.
    let id = |number: usize| text(AccessKeyId::from_u128(number as u128).to_string());
    let test = || text("test".into());
    for batch in (0..keys).step_by(BATCH) {
        let key = |number| {
            let (name, by, one) = (text("a key".into()), text("bench".into()), Cell::Number(1));
            vec![organization.clone(), test(), id(number), name, one.clone(), by, id(number), one]
        };
        store.add_rows(access_keys, (batch..keys.min(batch + BATCH)).map(key).collect(), String::new()).await?;
    }
    store.table_filled(access_keys).await?;
    for batch in (0..keys).step_by(BATCH) {
        let mut rows = Vec::with_capacity(BATCH);
        for number in batch..keys.min(batch + BATCH) {
            let mut digest = vec![0; 32];
            SystemRandom.fill(&mut digest)?;
            let locator = text(scattered(number as u64));
            let (state, one) = (text("current".into()), Cell::Number(1));
            rows.push(vec![
                organization.clone(),
                test(),
                id(number),
                state,
                locator,
                Cell::Bytes(digest),
                one.clone(),
                one,
            ]);
        }
        store.add_rows(secrets, rows, String::new()).await?;
    }
    store.table_filled(secrets).await?;
    Ok(store.finish_copy(Revision(1), None, Incarnation::FIRST).await?)
}

/// Returns ten letters and digits in no visible order, and never the same twice: an odd factor permutes the numbers below 2⁵⁹.
fn scattered(number: u64) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) & ((1 << 59) - 1);
    let mut digits = [0_u8; 10];
    for digit in &mut digits {
        *digit = ALPHABET.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    String::from_utf8_lossy(&digits).into_owned()
}
