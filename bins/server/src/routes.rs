//! The table of routes: every one is here, and which credential opens it.

use http::Method;

/// What opens a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// Nothing.
    Open,
    /// An access key: the request acts in the key's environment.
    AccessKey,
    /// An access key, whatever the method: a gateway asks whether a request may pass.
    Gateway,
    /// An operator's token: the request manages every organization.
    Operator,
    /// The page *Settings → API Keys*, which knows its operators by their sessions, and its own paths.
    Dashboard,
}

/// What a request wants done.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is named as its route below")]
pub enum Action {
    Health,
    Readiness,
    Describe,
    OAuthCallback,
    StartLink,
    Dashboard,
    WhoAmI,
    ForwardAuth,
    AssertionKeys,
    RegisterUser,
    ListUsers,
    ReadUser,
    DeleteUser,
    PutCredential,
    ReadCredential,
    DeleteCredential,
    BeginLink,
    ReadLink,
    CompleteLink,
    ListOwnEvents,
    ListToolCalls,
    ListUsersToolCalls,
    Mcp,
    CreateOrganization,
    ListOrganizations,
    ReadOrganization,
    ListKeys,
    CreateKey,
    DeleteKey,
    StageKey,
    UnstageKey,
    RegenerateKey,
    ListConnectors,
    PutConnector,
    RemoveConnector,
    ListOrigins,
    AddOrigin,
    RemoveOrigin,
    CheckOrigin,
    ListEvents,
    ExportEvents,
    Checkpoint,
}

impl Action {
    /// Returns whether a GET of it leaves everything as it was: the start of a link and its callback take a session on, and an export is an
    /// event.
    const fn only_reads(self) -> bool {
        !matches!(self, Self::StartLink | Self::OAuthCallback | Self::ExportEvents)
    }
}

/// A path with its door and its methods.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// In matchit's notation.
    pub pattern: &'static str,
    /// What opens it.
    pub door: Door,
    /// What it can do.
    pub methods: &'static [(Method, Action)],
}

/// What browsers do with pages.
const PAGE: &[(Method, Action)] = &[(Method::GET, Action::Dashboard), (Method::POST, Action::Dashboard)];

/// Every path.
pub const PATHS: &[Path] = &[
    Path { pattern: "/healthz", door: Door::Open, methods: &[(Method::GET, Action::Health)] },
    Path { pattern: "/readyz", door: Door::Open, methods: &[(Method::GET, Action::Readiness)] },
    Path { pattern: "/openapi.json", door: Door::Open, methods: &[(Method::GET, Action::Describe)] },
    Path { pattern: "/.well-known/jwks.json", door: Door::Open, methods: &[(Method::GET, Action::AssertionKeys)] },
    Path { pattern: "/oauth/start/{token}", door: Door::Open, methods: &[(Method::GET, Action::StartLink)] },
    // Of links from before each connector had a redirect URI of its own: the answer is a page that says so.
    Path { pattern: "/oauth/callback", door: Door::Open, methods: &[(Method::GET, Action::OAuthCallback)] },
    Path { pattern: "/oauth/callback/{reference}", door: Door::Open, methods: &[(Method::GET, Action::OAuthCallback)] },
    Path { pattern: "/dashboard", door: Door::Dashboard, methods: PAGE },
    Path { pattern: "/dashboard/", door: Door::Dashboard, methods: PAGE },
    Path { pattern: "/dashboard/{*rest}", door: Door::Dashboard, methods: PAGE },
    Path { pattern: "/v1/whoami", door: Door::AccessKey, methods: &[(Method::GET, Action::WhoAmI)] },
    Path { pattern: "/v1/forward-auth/{profile}", door: Door::Gateway, methods: &[(Method::GET, Action::ForwardAuth)] },
    Path {
        pattern: "/v1/forward-auth/{profile}/",
        door: Door::Gateway,
        methods: &[(Method::GET, Action::ForwardAuth)],
    },
    Path {
        pattern: "/v1/forward-auth/{profile}/{*rest}",
        door: Door::Gateway,
        methods: &[(Method::GET, Action::ForwardAuth)],
    },
    Path {
        pattern: "/v1/registered-users",
        door: Door::AccessKey,
        methods: &[(Method::GET, Action::ListUsers), (Method::POST, Action::RegisterUser)],
    },
    Path {
        pattern: "/v1/registered-users/{user}",
        door: Door::AccessKey,
        methods: &[(Method::GET, Action::ReadUser), (Method::DELETE, Action::DeleteUser)],
    },
    Path {
        pattern: "/v1/registered-users/{user}/credentials/{connector}",
        door: Door::AccessKey,
        methods: &[
            (Method::GET, Action::ReadCredential),
            (Method::PUT, Action::PutCredential),
            (Method::DELETE, Action::DeleteCredential),
        ],
    },
    Path {
        pattern: "/v1/registered-users/{user}/tool-calls",
        door: Door::AccessKey,
        methods: &[(Method::GET, Action::ListUsersToolCalls)],
    },
    Path { pattern: "/v1/tool-calls", door: Door::AccessKey, methods: &[(Method::GET, Action::ListToolCalls)] },
    Path { pattern: "/mcp", door: Door::AccessKey, methods: &[(Method::POST, Action::Mcp)] },
    Path { pattern: "/v1/link-sessions", door: Door::AccessKey, methods: &[(Method::POST, Action::BeginLink)] },
    Path { pattern: "/v1/link-sessions/{session}", door: Door::AccessKey, methods: &[(Method::GET, Action::ReadLink)] },
    Path {
        pattern: "/v1/link-sessions/{session}/complete",
        door: Door::AccessKey,
        methods: &[(Method::POST, Action::CompleteLink)],
    },
    Path { pattern: "/v1/audit-events", door: Door::AccessKey, methods: &[(Method::GET, Action::ListOwnEvents)] },
    Path {
        pattern: "/v1/organizations",
        door: Door::Operator,
        methods: &[(Method::GET, Action::ListOrganizations), (Method::POST, Action::CreateOrganization)],
    },
    Path {
        pattern: "/v1/organizations/{organization}",
        door: Door::Operator,
        methods: &[(Method::GET, Action::ReadOrganization)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/access-keys",
        door: Door::Operator,
        methods: &[(Method::GET, Action::ListKeys), (Method::POST, Action::CreateKey)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/access-keys/{key}",
        door: Door::Operator,
        methods: &[(Method::DELETE, Action::DeleteKey)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/production-key/stage",
        door: Door::Operator,
        methods: &[(Method::POST, Action::StageKey), (Method::DELETE, Action::UnstageKey)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/production-key/regenerate",
        door: Door::Operator,
        methods: &[(Method::POST, Action::RegenerateKey)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/connectors",
        door: Door::Operator,
        methods: &[(Method::GET, Action::ListConnectors)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/connectors/{connector}",
        door: Door::Operator,
        methods: &[(Method::PUT, Action::PutConnector), (Method::DELETE, Action::RemoveConnector)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/allowed-origins",
        door: Door::Operator,
        methods: &[(Method::GET, Action::ListOrigins), (Method::POST, Action::AddOrigin)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/allowed-origins/check",
        door: Door::Operator,
        methods: &[(Method::POST, Action::CheckOrigin)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/allowed-origins/{origin}",
        door: Door::Operator,
        methods: &[(Method::DELETE, Action::RemoveOrigin)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/audit-events",
        door: Door::Operator,
        methods: &[(Method::GET, Action::ListEvents)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/audit-events/export",
        door: Door::Operator,
        methods: &[(Method::GET, Action::ExportEvents)],
    },
    Path {
        pattern: "/v1/organizations/{organization}/audit-events/checkpoint",
        door: Door::Operator,
        methods: &[(Method::GET, Action::Checkpoint)],
    },
    // The contract can be read either way.
    Path {
        pattern: "/v1/organizations/{organization}/checkpoint",
        door: Door::Operator,
        methods: &[(Method::GET, Action::Checkpoint)],
    },
];

impl Path {
    /// What this path does with a method. HEAD is GET without its body, where that only reads.
    #[must_use]
    pub fn action(&self, method: &Method) -> Option<Action> {
        let find = |method| self.methods.iter().find(|(allowed, _)| allowed == method).map(|(_, action)| *action);
        match *method {
            Method::HEAD => find(&Method::GET).filter(|action| action.only_reads()),
            _ => find(method),
        }
    }

    /// The `Allow` header of a 405.
    #[must_use]
    pub fn allow(&self) -> String {
        let names = self.methods.iter().flat_map(|(method, action)| match *method {
            Method::GET if action.only_reads() => vec!["GET", "HEAD"],
            _ => vec![method.as_str()],
        });
        names.collect::<Vec<_>>().join(", ")
    }
}
