//! The table of routes: every path, the credential that it needs, and its actions.

use http::Method;

use crate::backend::BackendAction;
use crate::management::OperatorAction;
use crate::open::OpenAction;

/// A part of the API, which a service may mount without the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Part {
    /// Audit logs.
    Audit,
    /// Registered users and their credentials.
    Backend,
    /// The answers that gateways ask for, and the public keys of assertions.
    ForwardAuth,
    /// Linking accounts, and connectors.
    Link,
    /// Organizations, keys and allowed origins.
    Management,
    /// Tools for agents, and their calls.
    Mcp,
    /// Health, readiness, and the description of the API.
    Probes,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 7] =
        [Self::Audit, Self::Backend, Self::ForwardAuth, Self::Link, Self::Management, Self::Mcp, Self::Probes];
}

/// The credential that a path needs, with the actions behind it.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// None.
    Open(&'static [Route<OpenAction>]),
    /// An access key: the request acts in the key's environment.
    AccessKey(&'static [Route<BackendAction>]),
    /// An access key, whatever the method: a gateway asks whether a request may pass.
    Gateway,
    /// An operator's token: the request manages every organization.
    Operator(&'static [Route<OperatorAction>]),
}

/// A method of a path, and its action.
#[derive(Clone, Debug)]
pub struct Route<A> {
    /// The method. HEAD is GET without its body, if that leaves everything as it was.
    pub method: Method,
    /// The action.
    pub action: A,
    has_head: bool,
}

/// A path with its actions.
#[derive(Clone, Copy, Debug)]
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
    /// An action of anybody.
    Open(OpenAction),
    /// An action of an access key's holder.
    AccessKey(BackendAction),
    /// The question of a gateway.
    Gateway,
    /// An action of an operator.
    Operator(OperatorAction),
}

impl Path {
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

const fn put<A: Copy>(action: A) -> Route<A> {
    Route { method: Method::PUT, action, has_head: false }
}

const fn delete<A: Copy>(action: A) -> Route<A> {
    Route { method: Method::DELETE, action, has_head: false }
}

/// Returns the action of a method.
pub(crate) fn find<A: Copy>(routes: &[Route<A>], method: &Method) -> Option<A> {
    let fits = |route: &&Route<A>| route.method == *method || (*method == Method::HEAD && route.has_head);
    routes.iter().find(fits).map(|route| route.action)
}

/// Returns the `Allow` header of a path with these methods.
pub(crate) fn allow<A>(routes: &[Route<A>]) -> String {
    let names = routes.iter().flat_map(|route| [Some(route.method.as_str()), route.has_head.then_some("HEAD")]);
    names.flatten().collect::<Vec<_>>().join(", ")
}

/// Every path.
pub const PATHS: &[Path] = &[
    Path { pattern: "/healthz", part: Part::Probes, access: Access::Open(&[get(OpenAction::Health)]) },
    Path { pattern: "/readyz", part: Part::Probes, access: Access::Open(&[get(OpenAction::Readiness)]) },
    Path { pattern: "/openapi.json", part: Part::Probes, access: Access::Open(&[get(OpenAction::Describe)]) },
    Path {
        pattern: "/.well-known/jwks.json",
        part: Part::ForwardAuth,
        access: Access::Open(&[get(OpenAction::AssertionKeys)]),
    },
    Path {
        pattern: "/oauth/start/{token}",
        part: Part::Link,
        access: Access::Open(&[get_without_head(OpenAction::StartLink)]),
    },
    // Links from before each connector had a redirect URI of its own: the answer is a page that says so.
    Path {
        pattern: "/oauth/callback",
        part: Part::Link,
        access: Access::Open(&[get_without_head(OpenAction::FinishLink)]),
    },
    Path {
        pattern: "/oauth/callback/{reference}",
        part: Part::Link,
        access: Access::Open(&[get_without_head(OpenAction::FinishLink)]),
    },
    Path { pattern: "/v1/whoami", part: Part::Backend, access: Access::AccessKey(&[get(BackendAction::WhoAmI)]) },
    Path { pattern: "/v1/forward-auth/{profile}", part: Part::ForwardAuth, access: Access::Gateway },
    Path { pattern: "/v1/forward-auth/{profile}/", part: Part::ForwardAuth, access: Access::Gateway },
    Path { pattern: "/v1/forward-auth/{profile}/{*rest}", part: Part::ForwardAuth, access: Access::Gateway },
    Path {
        pattern: "/v1/registered-users",
        part: Part::Backend,
        access: Access::AccessKey(&[get(BackendAction::ListUsers), post(BackendAction::RegisterUser)]),
    },
    Path {
        pattern: "/v1/registered-users/{user}",
        part: Part::Backend,
        access: Access::AccessKey(&[get(BackendAction::ReadUser), delete(BackendAction::DeleteUser)]),
    },
    Path {
        pattern: "/v1/registered-users/{user}/credentials/{connector}",
        part: Part::Backend,
        access: Access::AccessKey(&[
            get(BackendAction::ReadCredential),
            put(BackendAction::PutCredential),
            delete(BackendAction::DeleteCredential),
        ]),
    },
    Path {
        pattern: "/v1/registered-users/{user}/tool-calls",
        part: Part::Mcp,
        access: Access::AccessKey(&[get(BackendAction::ListUsersToolCalls)]),
    },
    Path {
        pattern: "/v1/tool-calls",
        part: Part::Mcp,
        access: Access::AccessKey(&[get(BackendAction::ListToolCalls)]),
    },
    Path { pattern: "/mcp", part: Part::Mcp, access: Access::AccessKey(&[post(BackendAction::Mcp)]) },
    Path {
        pattern: "/v1/link-sessions",
        part: Part::Link,
        access: Access::AccessKey(&[post(BackendAction::BeginLink)]),
    },
    Path {
        pattern: "/v1/link-sessions/{session}",
        part: Part::Link,
        access: Access::AccessKey(&[get(BackendAction::ReadLink)]),
    },
    Path {
        pattern: "/v1/link-sessions/{session}/complete",
        part: Part::Link,
        access: Access::AccessKey(&[post(BackendAction::CompleteLink)]),
    },
    Path {
        pattern: "/v1/audit-events",
        part: Part::Audit,
        access: Access::AccessKey(&[get(BackendAction::ListOwnEvents)]),
    },
    Path {
        pattern: "/v1/organizations",
        part: Part::Management,
        access: Access::Operator(&[get(OperatorAction::ListOrganizations), post(OperatorAction::CreateOrganization)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}",
        part: Part::Management,
        access: Access::Operator(&[get(OperatorAction::ReadOrganization)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/access-keys",
        part: Part::Management,
        access: Access::Operator(&[get(OperatorAction::ListKeys), post(OperatorAction::CreateKey)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/access-keys/{key}",
        part: Part::Management,
        access: Access::Operator(&[delete(OperatorAction::DeleteKey)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/production-key/stage",
        part: Part::Management,
        access: Access::Operator(&[post(OperatorAction::StageKey), delete(OperatorAction::UnstageKey)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/production-key/regenerate",
        part: Part::Management,
        access: Access::Operator(&[post(OperatorAction::RegenerateKey)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/connectors",
        part: Part::Link,
        access: Access::Operator(&[get(OperatorAction::ListConnectors)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/connectors/{connector}",
        part: Part::Link,
        access: Access::Operator(&[put(OperatorAction::PutConnector), delete(OperatorAction::RemoveConnector)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/allowed-origins",
        part: Part::Management,
        access: Access::Operator(&[get(OperatorAction::ListOrigins), post(OperatorAction::AddOrigin)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/allowed-origins/check",
        part: Part::Management,
        access: Access::Operator(&[post(OperatorAction::CheckOrigin)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/allowed-origins/{origin}",
        part: Part::Management,
        access: Access::Operator(&[delete(OperatorAction::RemoveOrigin)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/audit-events",
        part: Part::Audit,
        access: Access::Operator(&[get(OperatorAction::ListEvents)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/audit-events/export",
        part: Part::Audit,
        access: Access::Operator(&[get_without_head(OperatorAction::ExportEvents)]),
    },
    Path {
        pattern: "/v1/organizations/{organization}/audit-events/checkpoint",
        part: Part::Audit,
        access: Access::Operator(&[get(OperatorAction::Checkpoint)]),
    },
    // The contract can be read either way.
    Path {
        pattern: "/v1/organizations/{organization}/checkpoint",
        part: Part::Audit,
        access: Access::Operator(&[get(OperatorAction::Checkpoint)]),
    },
];
