//! The result of a form, for a page to show.

use doorward_auth::{Receipt, StagedKey};
use doorward_key::ShownOnce;
use doorward_types::{AccessKeyId, AllowedOriginId};

use crate::form::Form;
use crate::page_error::PageError;

/// The result of a form, for the page to show.
#[derive(Debug, Default)]
pub(crate) struct FormOutcome {
    /// The change, or the reason why nothing changed.
    pub(crate) notice: Option<Notice>,
    /// A value, shown only in this answer.
    pub(crate) shown: Option<RevealedKey>,
    /// A dialog to fill in again.
    pub(crate) again: Option<Dialog>,
    /// The error in the dialog's answer.
    pub(crate) error: Option<String>,
    /// An invalid origin, and the reason.
    pub(crate) refused_origin: Option<(String, String)>,
    /// The result of a test of a callback URL.
    pub(crate) tried: Option<OriginTest>,
}

/// A sentence at the top of the page, or beside what it is about.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    /// True if nothing was changed.
    pub(crate) warns: bool,
    /// True if it stands beside the allowed origins, whose form leads there.
    pub(crate) is_of_origins: bool,
}

/// A value in the only answer that shows it.
#[derive(Debug)]
pub(crate) struct RevealedKey {
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) value: ShownOnce,
    pub(crate) receipt: Receipt,
}

/// A tested URL.
#[derive(Debug)]
pub(crate) struct OriginTest {
    pub(crate) url: String,
    pub(crate) allowed: bool,
    pub(crate) text: String,
}

impl FormOutcome {
    /// Asks again in this dialog, since the input has an error.
    pub(crate) fn again(dialog: Dialog, error: String) -> Self {
        Self { again: Some(dialog), error: Some(error), ..Self::default() }
    }

    pub(crate) fn notice(text: String) -> Self {
        Self { notice: Some(Notice { text, warns: false, is_of_origins: false }), ..Self::default() }
    }

    pub(crate) fn warning(text: String) -> Self {
        Self { notice: Some(Notice { text, warns: true, is_of_origins: false }), ..Self::default() }
    }

    /// Puts the notice beside the allowed origins.
    pub(crate) fn beside_origins(mut self) -> Self {
        self.notice.iter_mut().for_each(|notice| notice.is_of_origins = true);
        self
    }

    /// Creates the message that a key died, with the time that it took.
    pub(crate) fn dead(text: &str, receipt: Receipt) -> Self {
        Self::notice(format!("{text} Dead everywhere after {} ms: {}", receipt.waited().as_millis(), receipt.nodes()))
    }

    pub(crate) fn shown(shown: RevealedKey) -> Self {
        Self { shown: Some(shown), ..Self::default() }
    }
}

/// A dialog before a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialog {
    Stage,
    Unstage,
    Regenerate,
    Leaked,
    Create,
    Delete(AccessKeyId),
    Remove(AllowedOriginId),
    Rename,
    Suspend,
    Resume,
    Close,
}

impl Dialog {
    pub(crate) const fn regenerate(staged: StagedKey) -> Self {
        match staged {
            StagedKey::Discard => Self::Leaked,
            StagedKey::Promote => Self::Regenerate,
        }
    }

    /// Returns whether the dialog changes the account itself, which no visitor may.
    pub(super) const fn is_of_the_account(&self) -> bool {
        matches!(self, Self::Close | Self::Rename | Self::Resume | Self::Suspend)
    }

    /// Returns the dialog that the query requests.
    pub(super) fn asked(query: &Form) -> Result<Option<Self>, PageError> {
        Ok(Some(match query.get("dialog") {
            Some("stage") => Self::Stage,
            Some("unstage") => Self::Unstage,
            Some("regenerate") => Self::Regenerate,
            Some("leaked") => Self::Leaked,
            Some("create") => Self::Create,
            Some("rename") => Self::Rename,
            Some("suspend") => Self::Suspend,
            Some("resume") => Self::Resume,
            Some("close") => Self::Close,
            Some("delete") => Self::Delete(query.parsed("key")?.ok_or(PageError::NotFound)?),
            Some("remove") => Self::Remove(query.parsed("origin")?.ok_or(PageError::NotFound)?),
            _ => return Ok(None),
        }))
    }
}
