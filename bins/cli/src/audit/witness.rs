//! Witnesses of checkpoints (C2SP `tlog-witness`): they cosign a checkpoint once they have checked that the log has only grown.

use std::time::Duration;

use doorward::audit::{ExtensionProof, Leaves, WitnessVerifier};
use doorward_client::{Client, Endpoint};
use http::{HeaderMap, StatusCode};

use crate::failure::CliError;

/// The time that a witness may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A witness: its address, and the key of its cosignatures.
pub(super) struct Witness {
    url: Endpoint,
    verifier: WitnessVerifier,
}

impl Witness {
    /// Returns the witnesses of a command: each URL belongs to the key at the same place.
    pub(super) fn all(urls: Vec<Endpoint>, keys: Vec<WitnessVerifier>) -> Result<Vec<Self>, CliError> {
        if urls.len() != keys.len() {
            return Err(CliError::usage("give a --witness-key for each --witness, in the same order".to_owned()));
        }
        Ok(urls.into_iter().zip(keys).map(|(url, verifier)| Self { url, verifier }).collect())
    }

    /// Returns the checkpoint with the cosignature of this witness.
    async fn cosign(&self, client: &Client, leaves: &Leaves, note: &str) -> Result<String, CliError> {
        let failed = |why: String| {
            CliError::failed(format!("the witness {} has not cosigned the checkpoint: {why}", self.verifier.name()))
        };
        let url = self.url.below("add-checkpoint").ok_or_else(|| failed("its URL cannot be used".to_owned()))?;
        let send = async |old: u64| {
            let hashes = match old {
                0 => vec![],
                old => leaves.consistency_proof(old).ok_or_else(|| {
                    failed(format!("it knows {old} events of the log, and nothing proves how the log has grown since"))
                })?,
            };
            let request = ExtensionProof::new(old, hashes, note.to_owned()).to_text();
            client.post(&url, HeaderMap::new(), request, PATIENCE).await.map_err(|error| failed(error.to_string()))
        };
        // The witness knows the size that it has cosigned last, and tells it.
        let mut answer = send(0).await?;
        if answer.status() == StatusCode::CONFLICT {
            let known = str::from_utf8(answer.body()).ok().and_then(|text| text.trim().parse().ok());
            answer = send(known.ok_or_else(|| failed("its answer 409 names no size".to_owned()))?).await?;
        }
        match answer.status() {
            StatusCode::OK => {
                let text = str::from_utf8(answer.body()).map_err(|_| failed("its answer is no text".to_owned()))?;
                self.verifier.added(note, text).map_err(|error| failed(error.to_string()))
            }
            StatusCode::NOT_FOUND => Err(failed("it does not know the log: give it the log's verifier key".to_owned())),
            status => Err(failed(format!("it answers {status}"))),
        }
    }
}

/// Returns the checkpoint with the cosignatures of all witnesses.
pub(super) async fn cosigned(witnesses: &[Witness], leaves: &Leaves, mut note: String) -> Result<String, CliError> {
    let client = Client::new().map_err(|error| CliError::failed(error.to_string()))?;
    for witness in witnesses {
        note = witness.cosign(&client, leaves, &note).await?;
    }
    Ok(note)
}
