//! The table of routes: every path, the credential that it needs, and its actions.

use http::Method;

use crate::backend::BackendAction as AccessKey;
use crate::management::OperatorAction as Operator;
use crate::open::OpenAction as Open;
use crate::part::Part;

/// The credential that a path needs, with the actions behind it.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// None.
    Open(&'static [Route<Open>]),
    /// An access key: the request acts in the key's environment.
    AccessKey(&'static [Route<AccessKey>]),
    /// An access key, for any method: a gateway asks whether a request may pass.
    Gateway,
    /// An operator's token: the request manages every organization.
    Operator(&'static [Route<Operator>]),
}

/// A method of a path, and its action.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route<A> {
    /// The method. HEAD is GET without its body, if that leaves everything as it was.
    pub method: Method,
    /// The action.
    pub action: A,
    has_head: bool,
}

impl<A> Route<A> {
    /// Returns whether a request of this route leaves everything as it was.
    pub(crate) const fn is_safe(&self) -> bool {
        self.has_head
    }
}

/// A path with its actions.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Path {
    /// The path in matchit's notation.
    pub pattern: &'static str,
    /// The part of the API that has it.
    pub part: Part,
    /// The credential that it needs, with its actions.
    pub access: Access,
}

/// An action of any kind of access.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// An action without a credential.
    Open(Open),
    /// An action of an access key's holder.
    AccessKey(AccessKey),
    /// The question of a gateway.
    Gateway,
    /// An action of an operator.
    Operator(Operator),
}

impl Path {
    /// Returns whether a visitor has an action here.
    #[must_use]
    pub fn is_for_visitors(&self) -> bool {
        match self.access {
            Access::Operator(routes) => routes.iter().any(|route| route.action.is_for_visitors()),
            Access::Open(_) | Access::AccessKey(_) | Access::Gateway => false,
        }
    }

    /// Returns the methods of this path with their actions. A gateway's question is listed as a GET.
    #[must_use]
    pub fn actions(&self) -> Vec<(Method, Action)> {
        fn all<A: Copy>(routes: &[Route<A>], action: impl Fn(A) -> Action) -> Vec<(Method, Action)> {
            routes.iter().map(|route| (route.method.clone(), action(route.action))).collect()
        }
        match self.access {
            Access::Open(routes) => all(routes, Action::Open),
            Access::AccessKey(routes) => all(routes, Action::AccessKey),
            Access::Gateway => vec![(Method::GET, Action::Gateway)],
            Access::Operator(routes) => all(routes, Action::Operator),
        }
    }
}

const fn get<A: Copy>(action: A) -> Route<A> {
    Route { method: Method::GET, action, has_head: true }
}

/// A GET that changes something: the start of a link and its callback take a session on, and an export is an event.
const fn get_without_head<A: Copy>(action: A) -> Route<A> {
    Route { method: Method::GET, action, has_head: false }
}

const fn post<A: Copy>(action: A) -> Route<A> {
    Route { method: Method::POST, action, has_head: false }
}

const fn patch<A: Copy>(action: A) -> Route<A> {
    Route { method: Method::PATCH, action, has_head: false }
}

const fn put<A: Copy>(action: A) -> Route<A> {
    Route { method: Method::PUT, action, has_head: false }
}

const fn delete<A: Copy>(action: A) -> Route<A> {
    Route { method: Method::DELETE, action, has_head: false }
}

/// Returns the route of a method.
pub(crate) fn find<'a, A: 'a>(mut routes: impl Iterator<Item = &'a Route<A>>, method: &Method) -> Option<&'a Route<A>> {
    let fits = |route: &&Route<A>| route.method == *method || (*method == Method::HEAD && route.has_head);
    routes.find(fits)
}

/// Returns the `Allow` header of a path with these methods.
pub(crate) fn allow<'a, A: 'a>(routes: impl Iterator<Item = &'a Route<A>>) -> String {
    let names = routes.flat_map(|route| [Some(route.method.as_str()), route.has_head.then_some("HEAD")]);
    names.flatten().collect::<Vec<_>>().join(", ")
}

/// Lists paths: the part of the API, the access, the pattern, and the actions by method.
macro_rules! paths {
    ($($part:ident, $access:ident: $pattern:literal $(=> $($method:ident($action:ident)),+)?;)+) => {
        &[$(Path {
            pattern: $pattern,
            part: Part::$part,
            access: Access::$access $((&[$($method($access::$action)),+]))?,
        }),+]
    };
}

/// Every path.
pub const PATHS: &[Path] = paths! {
    Probes, Open: "/healthz" => get(Health);
    Probes, Open: "/readyz" => get(Readiness);
    Probes, Open: "/openapi.json" => get(Describe);
    ForwardAuth, Open: "/.well-known/jwks.json" => get(AssertionKeys);
    Leaks, Open: "/v1/leak-reports" => post(ReportLeaks);
    Leaks, Open: "/v1/leak-reports/github" => post(ReportLeaksByGithub);
    Link, Open: "/oauth/start/{token}" => get_without_head(StartLink);
    // Links from before each connector had a redirect URI of its own: the answer is a page that says so.
    Link, Open: "/oauth/callback" => get_without_head(FinishLink);
    Link, Open: "/oauth/callback/{reference}" => get_without_head(FinishLink);
    Backend, AccessKey: "/v1/whoami" => get(WhoAmI);
    ForwardAuth, Gateway: "/v1/forward-auth/{profile}";
    ForwardAuth, Gateway: "/v1/forward-auth/{profile}/";
    ForwardAuth, Gateway: "/v1/forward-auth/{profile}/{*rest}";
    Backend, AccessKey: "/v1/registered-users" => get(ListUsers), post(RegisterUser);
    Backend, AccessKey: "/v1/registered-users/{user}" => get(ReadUser), delete(DeleteUser);
    Backend, AccessKey: "/v1/registered-users/{user}/credentials/{connector}"
        => get(ReadCredential), put(PutCredential), delete(DeleteCredential);
    Mcp, AccessKey: "/v1/registered-users/{user}/tool-calls" => get(ListUsersToolCalls);
    Mcp, AccessKey: "/v1/tool-calls" => get(ListToolCalls);
    Mcp, AccessKey: "/mcp" => post(Mcp);
    Link, AccessKey: "/v1/link-sessions" => post(BeginLink);
    Link, AccessKey: "/v1/link-sessions/{session}" => get(ReadLink);
    Link, AccessKey: "/v1/link-sessions/{session}/complete" => post(CompleteLink);
    Audit, AccessKey: "/v1/audit-events" => get(ListOwnEvents);
    Management, Operator: "/v1/organizations" => get(ListOrganizations), post(CreateOrganization);
    Management, Operator: "/v1/organizations/{organization}"
        => get(ReadOrganization), patch(UpdateOrganization), delete(CloseOrganization);
    Management, Operator: "/v1/organizations/{organization}/suspend" => post(SuspendOrganization);
    Management, Operator: "/v1/organizations/{organization}/resume" => post(ResumeOrganization);
    Management, Operator: "/v1/organizations/{organization}/access-keys" => get(ListKeys), post(CreateKey);
    Management, Operator: "/v1/organizations/{organization}/access-keys/{key}"
        => patch(UpdateKey), delete(DeleteKey);
    Management, Operator: "/v1/organizations/{organization}/access-keys/{key}/release" => post(ReleaseKey);
    Management, Operator: "/v1/organizations/{organization}/production-key/stage" => post(StageKey), delete(UnstageKey);
    Management, Operator: "/v1/organizations/{organization}/production-key/regenerate" => post(RegenerateKey);
    Management, Operator: "/v1/organizations/{organization}/production-key/regenerate/preview"
        => get(PreviewRegeneration);
    Link, Operator: "/v1/organizations/{organization}/connectors" => get(ListConnectors);
    Link, Operator: "/v1/organizations/{organization}/connectors/{connector}"
        => put(PutConnector), delete(RemoveConnector);
    Management, Operator: "/v1/organizations/{organization}/allowed-origins" => get(ListOrigins), post(AddOrigin);
    Management, Operator: "/v1/organizations/{organization}/allowed-origins/check" => post(CheckOrigin);
    Management, Operator: "/v1/organizations/{organization}/allowed-origins/{origin}" => delete(RemoveOrigin);
    Audit, Operator: "/v1/organizations/{organization}/audit-events" => get(ListEvents);
    Audit, Operator: "/v1/organizations/{organization}/audit-events/export" => get_without_head(ExportEvents);
    Audit, Operator: "/v1/organizations/{organization}/audit-events/checkpoint" => get(Checkpoint);
    // The contract can be read either way.
    Audit, Operator: "/v1/organizations/{organization}/checkpoint" => get(Checkpoint);
};
