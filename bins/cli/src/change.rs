//! The change that a command makes. A new value goes out before the wait for the servers, and an interruption in the wait
//! says what was done.

use std::sync::Arc;

use tokio::sync::watch;

use crate::failure::CliError;

/// The change of one command, as far as it has come.
#[derive(Clone, Debug)]
pub(crate) struct RunningChange {
    stage: Arc<watch::Sender<Stage>>,
    /// The way to replace the command's value if it is lost.
    cure: &'static str,
}

#[derive(Clone, Debug, Default)]
enum Stage {
    /// Nothing was asked of the store.
    #[default]
    Idle,
    /// The store is asked to commit.
    Committing,
    /// The change of this record is committed.
    Committed { subject: String, value: NewValue },
}

/// The new value of a committed change.
#[derive(Clone, Debug)]
pub(crate) enum NewValue {
    /// The change made no value, or standard output has it.
    Safe,
    /// The document at the end of the command will have it.
    InDocument,
    /// Standard output could not be written, for this reason.
    Lost(String),
}

impl RunningChange {
    pub(crate) fn new(cure: &'static str) -> Self {
        Self { stage: Arc::new(watch::Sender::new(Stage::Idle)), cure }
    }

    /// Notes that the store is asked to commit.
    pub(crate) fn begin(&self) {
        self.stage.send_replace(Stage::Committing);
    }

    /// Notes that the change of this record is committed.
    pub(crate) fn committed(&self, subject: &str, value: NewValue) {
        self.stage.send_replace(Stage::Committed { subject: subject.to_owned(), value });
    }

    /// Fails if the new value of the change could not be written.
    pub(crate) fn check_value(&self) -> Result<(), CliError> {
        match &*self.stage.borrow() {
            Stage::Committed { subject, value: NewValue::Lost(error) } => Err(self.lost(subject, error)),
            _ => Ok(()),
        }
    }

    /// Returns the failure for a document that could not be written.
    pub(crate) fn document_lost(&self, error: CliError) -> CliError {
        match &*self.stage.borrow() {
            Stage::Committed { subject, value: NewValue::InDocument } => self.lost(subject, error.problem().detail()),
            _ => error,
        }
    }

    /// Waits until a person or the system interrupts the command after the store was asked for a change. Until then, an
    /// interruption ends the program at once, and nothing was changed.
    pub(crate) async fn interrupted(&self) -> CliError {
        let mut stage = self.stage.subscribe();
        if stage.wait_for(|stage| !matches!(stage, Stage::Idle)).await.is_err() {
            return std::future::pending().await;
        }
        doorward::until_signal().await;
        CliError::cancelled(match &*stage.borrow() {
            Stage::Idle | Stage::Committing => {
                "interrupted while the store was asked for the change: it may have been made. \
                                                Look with `doorward audit list`"
                    .to_owned()
            }
            Stage::Committed { subject, value: NewValue::Safe } => format!(
                "interrupted: the change of {subject} was made and stays. Every server takes it over within seconds"
            ),
            Stage::Committed { subject, value: NewValue::InDocument | NewValue::Lost(_) } => format!(
                "interrupted: the change of {subject} was made and stays, but its new value was not written and is lost: {}",
                self.cure
            ),
        })
    }

    /// Returns the failure of a change that was made, and whose new value could not be written for this reason.
    pub(crate) fn lost(&self, subject: &str, error: &str) -> CliError {
        let cure = self.cure;
        CliError::failed(format!("{error}. The change of {subject} was made, but its new value is lost: {cure}"))
    }
}
