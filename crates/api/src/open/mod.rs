//! Endpoints that need no credential.

mod assertion_keys;
mod describe;
mod finish_link;
mod health;
mod onward;
mod open_call;
mod readiness;
mod report_leaks;
mod report_leaks_by_github;
mod start_link;

pub use self::describe::OPENAPI;
pub(crate) use self::open_call::OpenCall;

crate::actions::actions! {
    /// The actions without a credential.
    OpenAction, OpenCall<'_>:
    AssertionKeys => assertion_keys::handle,
    Describe => describe::handle,
    FinishLink => finish_link::handle,
    ReportLeaks => report_leaks::handle,
    ReportLeaksByGithub => report_leaks_by_github::handle,
    StartLink => start_link::handle;
    Health => health::handle,
    Readiness => readiness::handle,
}
