//! The golden matrix of answers by actor, action and resource. Its changes are reviewed as the diff of a table.
//!
//! `UPDATE_GOLDEN=1 cargo test --workspace --all-features --test it access_matrix` writes the table.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write;

use doorward::api::routes::{Access, Action, PATHS, Path};
use doorward::api::{BackendAction as Backend, OpenAction as Open, OperatorAction as Operator};
use serde_json::json;

use crate::support::{Answer, Server};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/access-matrix.txt");

/// The sender of a request.
#[derive(Clone, Copy, Debug)]
enum Actor {
    Nobody,
    ProductionKey,
    StagedKey,
    TestKey,
    OtherOrganizationsKey,
    DeletedTestKey,
    RegeneratedKey,
    SuspendedOrganizationsKey,
    QuarantinedKey,
    Operator,
    RemovedOperator,
}

const ACTORS: [Actor; 11] = [
    Actor::Nobody,
    Actor::ProductionKey,
    Actor::StagedKey,
    Actor::TestKey,
    Actor::OtherOrganizationsKey,
    Actor::DeletedTestKey,
    Actor::RegeneratedKey,
    Actor::SuspendedOrganizationsKey,
    Actor::QuarantinedKey,
    Actor::Operator,
    Actor::RemovedOperator,
];

/// The owner of the requested resource.
#[derive(Clone, Copy, Debug)]
enum Resource {
    Production,
    Test,
    OtherOrganization,
    Nowhere,
}

const RESOURCES: [Resource; 4] = [Resource::Production, Resource::Test, Resource::OtherOrganization, Resource::Nowhere];

const NO_USER: &str = "ru_01h455vb4pex5vsknk084sn02q";
const NO_SESSION: &str = "ls_01h455vb4pex5vsknk084sn02q";
const NO_ORGANIZATION: &str = "org_01h455vb4pex5vsknk084sn02q";
const CONNECTOR: &str = r#"{"authorization_endpoint":"https://github.example/authorize","token_endpoint":"https://github.example/token","client_id":"c"}"#;
const NO_ORIGIN: &str = "ori_01h455vb4pex5vsknk084sn02q";
const NO_KEY: &str = "key_01h455vb4pex5vsknk084sn02q";

/// Two organizations, and every kind of credential.
struct World {
    server: Server,
    operator: String,
    removed_operator: String,
    organization: String,
    production_key: String,
    staged_key: String,
    test_key: String,
    deleted_test_key: String,
    regenerated_key: String,
    other_key: String,
    suspended_key: String,
    quarantined_key: String,
    counter: std::cell::Cell<u32>,
}

impl World {
    fn new() -> Self {
        let server = Server::start_whole(env!("CARGO_BIN_EXE_doorward-server").as_ref());
        let (operator, removed_operator) = (server.operator("ada"), server.operator("removed"));
        server.remove_operator("removed");
        let manage = |method: &str, path: &str, body: Option<&str>| server.call(&operator, method, path, body);
        let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
        let of = |path: &str| format!("/v1/organizations/{organization}/{path}");
        let production_key = manage("POST", &of("production-key/regenerate"), None).text("/value");
        let staged_key = manage("POST", &of("production-key/stage"), None).text("/value");
        let test_key = manage("POST", &of("access-keys"), Some(r#"{"name":"ci"}"#)).text("/value");
        let deleted = manage("POST", &of("access-keys"), Some(r#"{"name":"gone"}"#));
        manage("DELETE", &of(&format!("access-keys/{}", deleted.text("/id"))), None);
        let other = manage("POST", "/v1/organizations", Some(r#"{"name":"Other"}"#));
        for organization in [&organization, &other.text("/id")] {
            let of = |path: &str| format!("/v1/organizations/{organization}/{path}");
            manage("POST", &of("allowed-origins"), Some(r#"{"origin":"app.example.com"}"#));
            for environment in ["production", "test"] {
                let connector = of(&format!("connectors/github?environment={environment}"));
                assert_eq!(manage("PUT", &connector, Some(CONNECTOR)).status, 204);
            }
        }
        let suspended = manage("POST", "/v1/organizations", Some(r#"{"name":"Suspended"}"#));
        let suspend = format!("/v1/organizations/{}/suspend", suspended.text("/id"));
        assert_eq!(manage("POST", &suspend, None).status, 200);
        let found = manage("POST", &of("access-keys"), Some(r#"{"name":"found"}"#)).text("/value");
        server.quarantine(&found);
        Self {
            quarantined_key: found,
            suspended_key: suspended.text("/production_key/value"),
            regenerated_key: server.production_key.clone(),
            deleted_test_key: deleted.text("/value"),
            other_key: other.text("/production_key/value"),
            removed_operator,
            organization,
            production_key,
            staged_key,
            test_key,
            operator,
            server,
            counter: 0.into(),
        }
    }

    fn credential(&self, actor: Actor) -> Option<&str> {
        match actor {
            Actor::Nobody => None,
            Actor::ProductionKey => Some(&self.production_key),
            Actor::StagedKey => Some(&self.staged_key),
            Actor::TestKey => Some(&self.test_key),
            Actor::OtherOrganizationsKey => Some(&self.other_key),
            Actor::DeletedTestKey => Some(&self.deleted_test_key),
            Actor::RegeneratedKey => Some(&self.regenerated_key),
            Actor::SuspendedOrganizationsKey => Some(&self.suspended_key),
            Actor::QuarantinedKey => Some(&self.quarantined_key),
            Actor::Operator => Some(&self.operator),
            Actor::RemovedOperator => Some(&self.removed_operator),
        }
    }

    fn unique(&self) -> u32 {
        self.counter.set(self.counter.get() + 1);
        self.counter.get()
    }

    /// Creates a user with a credential, in the requested place.
    fn user(&self, resource: Resource) -> String {
        let owner = match resource {
            Resource::Production => &self.production_key,
            Resource::Test => &self.test_key,
            Resource::OtherOrganization => &self.other_key,
            Resource::Nowhere => return NO_USER.to_owned(),
        };
        let body = format!(r#"{{"origin_user_id":"u{}"}}"#, self.unique());
        let user = self.server.call(owner, "POST", "/v1/registered-users", Some(&body)).text("/id");
        let credential = format!("/v1/registered-users/{user}/credentials/github");
        assert_eq!(self.server.call(owner, "PUT", &credential, Some(r#"{"secret":"x"}"#)).status, 204);
        user
    }

    /// Creates a link session that no browser has begun, with its user.
    fn session(&self, resource: Resource) -> (String, String) {
        let owner = match resource {
            Resource::Production => &self.production_key,
            Resource::Test => &self.test_key,
            Resource::OtherOrganization => &self.other_key,
            Resource::Nowhere => return (NO_SESSION.to_owned(), NO_USER.to_owned()),
        };
        let user = self.user(resource);
        let body = format!(
            r#"{{"registered_user_id":"{user}","connector":"github","callback_url":"https://app.example.com/"}}"#
        );
        (self.server.call(owner, "POST", "/v1/link-sessions", Some(&body)).text("/id"), user)
    }

    /// Returns an organization: the first, or a new one if the action would spoil later actions.
    fn organization(&self, resource: Resource, fresh: bool) -> String {
        match resource {
            Resource::Nowhere => NO_ORGANIZATION.to_owned(),
            _ if fresh => {
                let body = format!(r#"{{"name":"Fresh {}"}}"#, self.unique());
                self.server.call(&self.operator, "POST", "/v1/organizations", Some(&body)).text("/id")
            }
            _ => self.organization.clone(),
        }
    }

    /// Sends one request of this kind. The match is complete, so a new action does not compile without its row.
    fn ask(&self, actor: Actor, action: Action, resource: Resource) -> Option<Answer> {
        let all = PATHS.iter().flat_map(|path| path.actions().into_iter().map(|of| (path.pattern, of)));
        let (pattern, (method, _)) = all.into_iter().find(|(_, (_, of))| *of == action).unwrap();
        let mut body = None;
        let mut path = pattern.to_owned();
        match action {
            // These actions have no resource, so they have one row each.
            Action::Open(Open::Health)
            | Action::Open(Open::Readiness)
            | Action::Open(Open::Describe)
            | Action::Open(Open::AssertionKeys)
            | Action::Open(Open::StartLink)
            | Action::Open(Open::FinishLink)
            | Action::AccessKey(Backend::WhoAmI)
            | Action::AccessKey(Backend::ListUsers)
            | Action::AccessKey(Backend::ListOwnEvents)
            | Action::AccessKey(Backend::ListToolCalls)
            | Action::Operator(Operator::ListOrganizations) => {
                if !matches!(resource, Resource::Production) {
                    return None;
                }
                path = path.replace("{token}", &"x".repeat(43)).replace("{reference}", "x");
            }
            // GitHub signs its reports, and nobody else's is taken.
            Action::Open(Open::ReportLeaksByGithub) => {
                if !matches!(resource, Resource::Production) {
                    return None;
                }
                body = Some("[]".to_owned());
            }
            // An address reports once a second, so that few actors do.
            Action::Open(Open::ReportLeaks) => {
                let is_first = matches!((actor, resource), (Actor::Nobody, Resource::Production));
                return is_first.then(|| self.server.report_leaked(&["dw_prod_unknown"], "https://example.com/"));
            }
            Action::Gateway => {
                let profile = match resource {
                    Resource::Production => "production",
                    Resource::Test => "test",
                    Resource::OtherOrganization => "any",
                    Resource::Nowhere => "nowhere",
                };
                path = path.replace("{profile}", profile).replace("{*rest}", "a/b");
            }
            Action::AccessKey(Backend::RegisterUser) | Action::Operator(Operator::CreateOrganization) => {
                if !matches!(resource, Resource::Production) {
                    return None;
                }
                body = Some(match action {
                    Action::AccessKey(Backend::RegisterUser) => format!(r#"{{"origin_user_id":"u{}"}}"#, self.unique()),
                    _ => r#"{"name":"New"}"#.to_owned(),
                });
            }
            Action::AccessKey(Backend::Mcp) => {
                let tool =
                    json!({"name": "get_registered_user", "arguments": {"registered_user_id": self.user(resource)}});
                body = Some(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": tool}).to_string());
            }
            Action::AccessKey(Backend::ReadUser)
            | Action::AccessKey(Backend::DeleteUser)
            | Action::AccessKey(Backend::ReadCredential)
            | Action::AccessKey(Backend::DeleteCredential)
            | Action::AccessKey(Backend::ListUsersToolCalls) => {
                path = path.replace("{user}", &self.user(resource)).replace("{connector}", "github");
            }
            Action::AccessKey(Backend::BeginLink) => {
                body = Some(format!(
                    r#"{{"registered_user_id":"{}","connector":"github","callback_url":"https://app.example.com/"}}"#,
                    self.user(resource)
                ));
            }
            Action::AccessKey(Backend::ReadLink) | Action::AccessKey(Backend::CompleteLink) => {
                let (session, user) = self.session(resource);
                path = path.replace("{session}", &session);
                body = matches!(action, Action::AccessKey(Backend::CompleteLink))
                    .then(|| format!(r#"{{"registered_user_id":"{user}","confirmation":"x"}}"#));
            }
            Action::AccessKey(Backend::PutCredential) => {
                path = path.replace("{user}", &self.user(resource)).replace("{connector}", "github");
                body = Some(r#"{"secret":"x"}"#.to_owned());
            }
            Action::Operator(Operator::ReadOrganization)
            | Action::Operator(Operator::ListKeys)
            | Action::Operator(Operator::ListOrigins)
            | Action::Operator(Operator::PreviewRegeneration) => {
                path = path.replace("{organization}", &self.organization(resource, false));
            }
            Action::Operator(Operator::ListEvents)
            | Action::Operator(Operator::ExportEvents)
            | Action::Operator(Operator::Checkpoint) => {
                path = path.replace("{organization}", &self.organization(resource, false)) + "?environment=test";
            }
            Action::Operator(Operator::ListConnectors)
            | Action::Operator(Operator::PutConnector)
            | Action::Operator(Operator::RemoveConnector) => {
                path = path.replace("{organization}", &self.organization(resource, false));
                path = path.replace("{connector}", "github") + "?environment=test";
                body = matches!(action, Action::Operator(Operator::PutConnector)).then(|| CONNECTOR.to_owned());
            }
            Action::Operator(Operator::AddOrigin) => {
                path = path.replace("{organization}", &self.organization(resource, true));
                body = Some(r#"{"origin":"app.example.com"}"#.to_owned());
            }
            Action::Operator(Operator::CheckOrigin) => {
                path = path.replace("{organization}", &self.organization(resource, false));
                body = Some(r#"{"url":"https://app.example.com/"}"#.to_owned());
            }
            Action::Operator(Operator::RemoveOrigin) => {
                let organization = self.organization(resource, true);
                let origins = format!("/v1/organizations/{organization}/allowed-origins");
                let added = self.server.call(&self.operator, "POST", &origins, Some(r#"{"origin":"app.example.com"}"#));
                let entry = if added.status == 201 { added.text("/id") } else { NO_ORIGIN.to_owned() };
                path = path.replace("{organization}", &organization).replace("{origin}", &entry);
            }
            Action::Operator(Operator::CreateKey) => {
                path = path.replace("{organization}", &self.organization(resource, true));
                body = Some(r#"{"name":"ci"}"#.to_owned());
            }
            Action::Operator(Operator::StageKey) | Action::Operator(Operator::RegenerateKey) => {
                path = path.replace("{organization}", &self.organization(resource, true));
            }
            Action::Operator(Operator::CloseOrganization) | Action::Operator(Operator::SuspendOrganization) => {
                path = path.replace("{organization}", &self.organization(resource, true));
            }
            Action::Operator(Operator::ResumeOrganization) => {
                let organization = self.organization(resource, true);
                let suspend = format!("/v1/organizations/{organization}/suspend");
                self.server.call(&self.operator, "POST", &suspend, None);
                path = path.replace("{organization}", &organization);
            }
            Action::Operator(Operator::UpdateOrganization) => {
                path = path.replace("{organization}", &self.organization(resource, true));
                body = Some(format!(r#"{{"name":"Renamed {}"}}"#, self.unique()));
            }
            Action::Operator(Operator::UnstageKey) => {
                let organization = self.organization(resource, true);
                path = path.replace("{organization}", &organization);
                self.server.call(&self.operator, "POST", &path, None);
            }
            Action::Operator(Operator::ReleaseKey) => {
                let organization = self.organization(resource, false);
                // A key without a report is a conflict.
                let keys = format!("/v1/organizations/{organization}/access-keys");
                let (key, secret) = match resource {
                    Resource::Production => {
                        let found = self.server.call(&self.operator, "GET", &keys, None);
                        (found.text("/data/0/id"), found.text("/data/0/secrets/0/locator"))
                    }
                    Resource::Test => {
                        let made = self.server.call(&self.operator, "POST", &keys, Some(r#"{"name":"leak"}"#));
                        if matches!(actor, Actor::Operator) {
                            self.server.quarantine(&made.text("/value"));
                        }
                        (made.text("/id"), made.text("/locator"))
                    }
                    Resource::OtherOrganization | Resource::Nowhere => (NO_KEY.to_owned(), "0123456789".to_owned()),
                };
                body = Some(json!({"locator": secret}).to_string());
                path = path.replace("{organization}", &organization).replace("{key}", &key);
            }
            Action::Operator(Operator::DeleteKey | Operator::UpdateKey) => {
                if action == Action::Operator(Operator::UpdateKey) {
                    body = Some(format!(r#"{{"name":"Renamed {}"}}"#, self.unique()));
                }
                let organization = self.organization(resource, true);
                let keys = format!("/v1/organizations/{organization}/access-keys");
                let key = match resource {
                    Resource::Production => self.server.call(&self.operator, "GET", &keys, None).text("/data/0/id"),
                    Resource::Test => {
                        self.server.call(&self.operator, "POST", &keys, Some(r#"{"name":"x"}"#)).text("/id")
                    }
                    Resource::OtherOrganization => {
                        let others = self.organization(resource, true);
                        let keys = format!("/v1/organizations/{others}/access-keys");
                        self.server.call(&self.operator, "POST", &keys, Some(r#"{"name":"x"}"#)).text("/id")
                    }
                    Resource::Nowhere => NO_KEY.to_owned(),
                };
                path = path.replace("{organization}", &organization).replace("{key}", &key);
            }
        }
        let bearer = self.credential(actor).map(|credential| format!("Bearer {credential}"));
        let mut headers = vec![("Accept", "application/json, text/event-stream")];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        Some(self.server.send(method.as_str(), &path, &headers, body.as_deref()))
    }
}

fn credential_of(path: &Path) -> &'static str {
    match path.access {
        Access::Open(_) => "Open",
        Access::AccessKey(_) => "AccessKey",
        Access::Gateway => "Gateway",
        Access::Operator(_) => "Operator",
    }
}

/// The paths of the page.
const PAGE: [&str; 3] = ["/dashboard", "/dashboard/", "/dashboard/{*rest}"];

/// Writes the rows of the page. Sessions open it, and no credential of the API does. `dashboard.rs` tests the rest.
fn ask_for_the_page(world: &World, table: &mut String) {
    for pattern in PAGE {
        for method in ["GET", "POST"] {
            writeln!(table, "{method} {pattern} (Dashboard)\n  resource: Production").unwrap();
            for actor in ACTORS {
                let bearer = world.credential(actor).map(|credential| format!("Bearer {credential}"));
                let headers: Vec<_> = bearer.as_deref().map(|bearer| ("Authorization", bearer)).into_iter().collect();
                let status = world.server.send("GET", "/dashboard", &headers, None).status;
                assert_eq!(status, 401, "{actor:?}");
                writeln!(table, "    {:<22} {status}", format!("{actor:?}")).unwrap();
            }
        }
    }
}

#[test]
fn the_matrix_matches_the_reviewed_table() {
    let world = World::new();
    let mut table = String::new();
    let mut covered = BTreeSet::new();
    for path in PATHS {
        if path.pattern == "/v1/whoami" {
            ask_for_the_page(&world, &mut table);
        }
        for (method, action) in path.actions() {
            writeln!(table, "{method} {} ({})", path.pattern, credential_of(path)).unwrap();
            for resource in RESOURCES {
                let mut cells = Vec::new();
                for actor in ACTORS {
                    let Some(answer) = world.ask(actor, action, resource) else { continue };
                    let allowed = answer.status < 300;
                    let speaks_to_people = matches!(action, Action::Open(Open::StartLink | Open::FinishLink));
                    let cell = if allowed || speaks_to_people {
                        answer.status.to_string()
                    } else {
                        format!("{} {}", answer.status, answer.code())
                    };
                    cells.push(format!("    {:<22} {cell}", format!("{actor:?}")));
                    covered.insert(format!("{action:?}"));

                    // Rules that hold for every row.
                    let is_operator = matches!(actor, Actor::Operator);
                    let held = match actor {
                        Actor::QuarantinedKey => Some("key_quarantined"),
                        Actor::SuspendedOrganizationsKey => Some("organization_suspended"),
                        _ => None,
                    };
                    let is_live_key = matches!(
                        actor,
                        Actor::ProductionKey | Actor::StagedKey | Actor::TestKey | Actor::OtherOrganizationsKey
                    );
                    match path.access {
                        Access::Open(_) if action == Action::Open(Open::ReportLeaksByGithub) => assert!(!allowed),
                        // A callback without a state belongs to no session, and neither does an invented start URL.
                        Access::Open(_) => assert!(allowed || speaks_to_people),
                        Access::AccessKey(_) | Access::Gateway if held.is_some() => {
                            assert_eq!((answer.status, Some(answer.code().as_str())), (403, held), "{action:?}")
                        }
                        Access::AccessKey(_) | Access::Gateway if !is_live_key => {
                            assert_eq!(answer.status, 401, "{actor:?} {action:?}")
                        }
                        Access::Operator(_) if !is_operator => assert_eq!(answer.status, 401, "{actor:?} {action:?}"),
                        Access::Gateway => assert!(matches!(answer.status, 200 | 403 | 404), "{actor:?} {answer:?}"),
                        _ => assert!(matches!(answer.status, 200..=204 | 404 | 409), "{actor:?} {action:?} {answer:?}"),
                    }
                }
                if !cells.is_empty() {
                    writeln!(table, "  resource: {resource:?}\n{}", cells.join("\n")).unwrap();
                }
            }
        }
    }
    let every: BTreeSet<String> =
        PATHS.iter().flat_map(Path::actions).map(|(_, action)| format!("{action:?}")).collect();
    assert_eq!(covered, every, "an operation without a row");

    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(std::path::Path::new(GOLDEN).parent().unwrap()).unwrap();
        std::fs::write(GOLDEN, &table).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    for (line, (now, reviewed)) in table.lines().zip(golden.lines()).enumerate() {
        assert_eq!(now, reviewed, "line {} of the matrix", line + 1);
    }
    assert_eq!(table.lines().count(), golden.lines().count());
}
