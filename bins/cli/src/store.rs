//! What concerns the store as a whole.

use doorward::auth::LossDesk;
use doorward::http::shapes::{List, LostChangeShape};
use doorward::store::{LostChange, StoreUrl};

use crate::arguments::Store;
use crate::confirm;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn run(url: &StoreUrl, command: Store, output: &Output) -> Result<(), Failure> {
    let desk = Desk::open_existing(url).await?;
    let losses = LossDesk::new(&desk.core);
    match command {
        Store::Lost => {
            let lost = losses.list().await?;
            let rows = lost.iter().map(|LostChange { change, accepted }| {
                vec![change.revision.to_string(), change.operation.to_string(), accepted.to_string()]
            });
            let data = lost.iter().map(LostChangeShape::from).collect();
            output.list(&List { data, next_cursor: None }, &["REVISION", "OPERATION", "ACCEPTED"], rows)
        }
        Store::AcceptLost { consent } => {
            let what = "Every node serves what the store holds now: a key that died in a lost change, and was not \
                        regenerated since, is accepted again.";
            confirm::by_name(consent, what, "accept")?;
            let count = losses.accept(&desk.ask).await?;
            output.done(&serde_json::json!({ "accepted": count }), &format!("Accepted: {count} lost."))
        }
    }
}
