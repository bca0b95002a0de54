//! The outcome of a form, for a page to say.

use doorward_auth::{Receipt, StagedKey};
use doorward_key::ShownOnce;
use doorward_types::{AccessKeyId, AllowedOriginId};

use crate::fault::Fault;
use crate::form::Form;

/// The outcome of a form, for the page to say.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// The change that was made, or why none was.
    pub(crate) notice: Option<Notice>,
    /// A value, this one time.
    pub(crate) shown: Option<Shown>,
    /// A dialog to answer again.
    pub(crate) again: Option<Dialog>,
    /// The fault of its answer.
    pub(crate) error: Option<String>,
    /// An origin that cannot be allowed, and why.
    pub(crate) refused_origin: Option<(String, String)>,
    /// Whether a callback may go to a URL.
    pub(crate) tried: Option<Tried>,
}

/// A sentence above everything else.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    /// Nothing was done.
    pub(crate) warns: bool,
}

/// A value in the one answer that shows it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) value: ShownOnce,
    pub(crate) receipt: Receipt,
}

/// A URL that was tried.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) url: String,
    pub(crate) allowed: bool,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn notice(text: String) -> Self {
        Self { notice: Some(Notice { text, warns: false }), ..Self::default() }
    }

    pub(crate) fn warning(text: String) -> Self {
        Self { notice: Some(Notice { text, warns: true }), ..Self::default() }
    }

    /// Something is dead, and since when.
    pub(crate) fn dead(text: &str, receipt: Receipt) -> Self {
        Self::notice(format!("{text} Dead everywhere after {} ms: {}", receipt.waited().as_millis(), receipt.nodes()))
    }

    pub(crate) fn shown(shown: Shown) -> Self {
        Self { shown: Some(shown), ..Self::default() }
    }
}

/// A question before something is changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialog {
    Stage,
    Unstage,
    Regenerate,
    Leaked,
    Create,
    Delete(AccessKeyId),
    Remove(AllowedOriginId),
}

impl Dialog {
    pub(crate) const fn regenerate(staged: StagedKey) -> Self {
        match staged {
            StagedKey::Discard => Self::Leaked,
            StagedKey::Promote => Self::Regenerate,
        }
    }

    /// Returns the dialog that a link of the page asks for.
    pub(super) fn asked(query: &Form) -> Result<Option<Self>, Fault> {
        Ok(Some(match query.get("dialog") {
            Some("stage") => Self::Stage,
            Some("unstage") => Self::Unstage,
            Some("regenerate") => Self::Regenerate,
            Some("leaked") => Self::Leaked,
            Some("create") => Self::Create,
            Some("delete") => Self::Delete(query.parsed("key")?.ok_or(Fault::NotFound)?),
            Some("remove") => Self::Remove(query.parsed("origin")?.ok_or(Fault::NotFound)?),
            _ => return Ok(None),
        }))
    }
}
