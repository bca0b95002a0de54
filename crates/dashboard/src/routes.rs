//! The table of all pages and actions.

use doorward_types::OrganizationId;
use http::Method;

use crate::page_error::PageError;

/// A page or an action of the dashboard.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method. A page with GET has HEAD too.
    pub method: Method,
    /// The path below the dashboard's own path. A segment such as `{organization}` stands for any text.
    pub pattern: &'static str,
    pub(crate) target: Target,
}

/// The part of the dashboard that answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    Action(Action),
    Asset,
    /// A change of the installation: its operators, and the export of its log.
    Installation(InstallationAction),
    Page(Page),
    Preferences,
    /// Sign-in by a passkey.
    #[cfg(feature = "passkeys")]
    Passkey(Step),
    /// Sign-in through an identity provider.
    #[cfg(feature = "oidc")]
    Provider(Step),
    SignIn(Step),
    SignOut,
}

/// A step of a sign-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Begin,
    Finish,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Page {
    Audit,
    Connectors,
    InstallationAudit,
    Key,
    Keys,
    Operators,
    Organizations,
    Origins,
    Session,
    System,
}

/// A change of an organization, or a question about it, by a form of its page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    AllowOrigin,
    CheckOrigin,
    Close,
    CreateKey,
    DeleteKey,
    DeleteKeys,
    DisallowOrigin,
    Export,
    LabelKey,
    Leaked,
    Regenerate,
    ReleaseKey,
    Rename,
    Resume,
    Stage,
    Suspend,
    Unstage,
}

/// A change of the installation by a form of its pages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InstallationAction {
    AddOperator,
    /// Adds a passkey to the operator who is signed in.
    #[cfg(feature = "passkeys")]
    AddPasskey,
    #[cfg(feature = "passkeys")]
    BeginPasskey,
    Export,
    LinkOperator,
    RemoveOperator,
    #[cfg(feature = "passkeys")]
    RemovePasskey,
    SignOutOperator,
}

/// Every page and every action.
pub const ROUTES: &[Route] = &[
    get("/assets/{name}", Target::Asset),
    get("/sign-in/{token}", Target::SignIn(Step::Begin)),
    post("/sign-in/{token}", Target::SignIn(Step::Finish)),
    #[cfg(feature = "oidc")]
    get("/sign-in-with-provider", Target::Provider(Step::Begin)),
    #[cfg(feature = "oidc")]
    get("/sign-in-with-provider/callback", Target::Provider(Step::Finish)),
    #[cfg(feature = "passkeys")]
    post("/sign-in-with-passkey/begin", Target::Passkey(Step::Begin)),
    #[cfg(feature = "passkeys")]
    post("/sign-in-with-passkey", Target::Passkey(Step::Finish)),
    post("/sign-out", Target::SignOut),
    post("/preferences", Target::Preferences),
    get("/", Target::Page(Page::Organizations)),
    get("/audit", Target::Page(Page::InstallationAudit)),
    post("/audit/export", Target::Installation(InstallationAction::Export)),
    get("/session", Target::Page(Page::Session)),
    // A person stays signed in.
    post("/session", Target::Page(Page::Session)),
    get("/system", Target::Page(Page::System)),
    get("/operators", Target::Page(Page::Operators)),
    post("/operators", Target::Installation(InstallationAction::AddOperator)),
    post("/operators/{operator}/link", Target::Installation(InstallationAction::LinkOperator)),
    post("/operators/{operator}/sign-out", Target::Installation(InstallationAction::SignOutOperator)),
    post("/operators/{operator}/remove", Target::Installation(InstallationAction::RemoveOperator)),
    #[cfg(feature = "passkeys")]
    post("/passkeys", Target::Installation(InstallationAction::AddPasskey)),
    #[cfg(feature = "passkeys")]
    post("/passkeys/begin", Target::Installation(InstallationAction::BeginPasskey)),
    #[cfg(feature = "passkeys")]
    post("/passkeys/remove", Target::Installation(InstallationAction::RemovePasskey)),
    get("/{organization}", Target::Page(Page::Keys)),
    get("/{organization}/audit", Target::Page(Page::Audit)),
    get("/{organization}/callback-origins", Target::Page(Page::Origins)),
    get("/{organization}/connectors", Target::Page(Page::Connectors)),
    get("/{organization}/keys/{key}", Target::Page(Page::Key)),
    post("/{organization}/keys/{key}/release", Target::Action(Action::ReleaseKey)),
    post("/{organization}/keys/{key}/label", Target::Action(Action::LabelKey)),
    post("/{organization}/production-key/stage", Target::Action(Action::Stage)),
    post("/{organization}/production-key/unstage", Target::Action(Action::Unstage)),
    post("/{organization}/production-key/regenerate", Target::Action(Action::Regenerate)),
    post("/{organization}/production-key/leaked", Target::Action(Action::Leaked)),
    post("/{organization}/test-keys", Target::Action(Action::CreateKey)),
    post("/{organization}/test-keys/delete", Target::Action(Action::DeleteKeys)),
    post("/{organization}/test-keys/{key}/delete", Target::Action(Action::DeleteKey)),
    post("/{organization}/allowed-origins", Target::Action(Action::AllowOrigin)),
    post("/{organization}/allowed-origins/check", Target::Action(Action::CheckOrigin)),
    post("/{organization}/allowed-origins/{entry}/remove", Target::Action(Action::DisallowOrigin)),
    post("/{organization}/audit/export", Target::Action(Action::Export)),
    post("/{organization}/rename", Target::Action(Action::Rename)),
    post("/{organization}/suspend", Target::Action(Action::Suspend)),
    post("/{organization}/resume", Target::Action(Action::Resume)),
    post("/{organization}/close", Target::Action(Action::Close)),
];

const fn get(pattern: &'static str, target: Target) -> Route {
    Route { method: Method::GET, pattern, target }
}

const fn post(pattern: &'static str, target: Target) -> Route {
    Route { method: Method::POST, pattern, target }
}

impl Route {
    /// Returns whether the route exists on the page of a visitor. Each new page and action is decided here.
    #[must_use]
    pub const fn is_for_visitors(&self) -> bool {
        match self.target {
            Target::Asset | Target::Preferences => true,
            // The list of organizations only leads to the visitor's own.
            Target::Page(
                Page::Audit | Page::Connectors | Page::Key | Page::Keys | Page::Organizations | Page::Origins,
            ) => true,
            Target::Action(
                Action::AllowOrigin
                | Action::CheckOrigin
                | Action::CreateKey
                | Action::DeleteKey
                | Action::DeleteKeys
                | Action::DisallowOrigin
                | Action::Export
                | Action::LabelKey
                | Action::Leaked
                | Action::Regenerate
                | Action::Stage
                | Action::Unstage,
            ) => true,
            // A visitor's session is the host's.
            Target::Page(Page::InstallationAudit | Page::Operators | Page::Session | Page::System)
            | Target::Installation(_) => false,
            // The life of an account is the service's own affair, and so is the decision about a key that was reported as leaked.
            Target::Action(Action::Close | Action::ReleaseKey | Action::Rename | Action::Resume | Action::Suspend) => {
                false
            }
            #[cfg(feature = "oidc")]
            Target::Provider(_) => false,
            #[cfg(feature = "passkeys")]
            Target::Passkey(_) => false,
            Target::SignIn(_) | Target::SignOut => false,
        }
    }

    /// Returns the path of the page that answers the forms of this route, below the dashboard's own path. The segments are those
    /// of the form's path.
    pub(crate) fn page(&self, segments: &[&str]) -> Option<String> {
        match (self.target, segments) {
            (Target::Action(Action::AllowOrigin | Action::CheckOrigin | Action::DisallowOrigin), [of, ..]) => {
                Some(format!("/{of}/callback-origins"))
            }
            (Target::Action(Action::LabelKey), [of, _, key, ..]) => Some(format!("/{of}/keys/{key}")),
            (Target::Action(Action::Export), _) | (Target::Installation(InstallationAction::Export), _) => None,
            (Target::Action(_), [of, ..]) => Some(format!("/{of}")),
            (Target::Installation(_), _) => Some("/operators".to_owned()),
            _ => None,
        }
    }

    fn has(&self, method: &Method) -> bool {
        let has_head = matches!(self.target, Target::Asset | Target::Page(_) | Target::SignIn(_));
        self.method == *method || (*method == Method::HEAD && self.method == Method::GET && has_head)
    }

    fn fits(&self, segments: &[&str]) -> bool {
        let own: Vec<&str> = segments_of(self.pattern);
        let fits = |(own, given): (&&str, &&str)| own.starts_with('{') || own == given;
        own.len() == segments.len() && own.iter().zip(segments).all(fits)
    }
}

/// Returns the parts of a path between its slashes.
pub(crate) fn segments_of(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

/// Returns the first of these routes that a request means.
pub(crate) fn find<'a>(
    routes: impl IntoIterator<Item = &'a Route>,
    method: &Method,
    segments: &[&str],
) -> Option<&'a Route> {
    routes.into_iter().find(|route| route.has(method) && route.fits(segments))
}

/// Returns the organization in a path.
pub(crate) fn organization(segments: &[&str]) -> Result<OrganizationId, PageError> {
    id(segments.first())
}

/// Parses an id. A text that is not an id names nothing, so the answer is "not found".
pub(crate) fn id<T: std::str::FromStr>(text: Option<&&str>) -> Result<T, PageError> {
    text.and_then(|text| text.parse().ok()).ok_or(PageError::NotFound)
}
