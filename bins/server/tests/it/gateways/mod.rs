//! Doorward behind real gateways, with the configurations of the documentation, and its answers to them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod answers;
mod forging;
mod passing;
mod program;
mod service;
mod surviving;

use std::collections::BTreeMap;

use program::{Gateway, Program};
use serde_json::json;
use service::Service;

use crate::support::{self, Answer, Server};

fn server() -> Server {
    Server::start_with(env!("CARGO_BIN_EXE_doorward-server").as_ref(), &[])
}

fn test_key(server: &Server, name: &str) -> Answer {
    let operator = server.operator(&format!("operator of {name}"));
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let keys = format!("/v1/organizations/{organization}/access-keys");
    server.call(&operator, "POST", &keys, Some(&json!({ "name": name }).to_string()))
}

/// Makes all polls fail, so that the node's lease runs out.
fn lose_the_store(server: &Server) {
    rusqlite::Connection::open(server.store()).unwrap().execute("DROP TABLE sessions", []).unwrap();
    support::waits_for("the server stays ready", || server.send("GET", "/readyz", &[], None).status != 200);
}

/// A gateway, with Doorward beside it and a service behind it.
struct Behind {
    server: Server,
    service: Service,
    gateway: Gateway,
}

impl Behind {
    fn start(program: Program) -> Self {
        let (server, service) = (server(), Service::start());
        let gateway = Gateway::start(program, server.address, service.address);
        Self { server, service, gateway }
    }

    /// Sends a request with these lines and the production key.
    fn send(&self, lines: &str) -> Answer {
        self.gateway.send(&self.server.production_key, lines)
    }

    /// Returns whether the service got exactly Doorward's facts about the production key.
    fn is_told_the_truth(&self, answer: &Answer) -> bool {
        answer.status == 200 && told(answer) == who_it_is(&self.server)
    }
}

/// Returns Doorward's facts about the production key, by header name.
fn who_it_is(server: &Server) -> BTreeMap<String, Vec<String>> {
    let me = server.call(&server.production_key, "GET", "/v1/whoami", None);
    let facts = [
        ("organization", me.text("/organization/id")),
        ("environment", me.text("/environment")),
        ("key-id", me.text("/key/id")),
        ("key-name", me.text("/key/name")),
    ];
    facts.map(|(name, value)| (format!("x-doorward-{name}"), vec![value])).into()
}

/// Returns the headers that a service could read as Doorward's.
fn told(answer: &Answer) -> BTreeMap<String, Vec<String>> {
    let mut told = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in lines_of(answer, "head") {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        if letters.starts_with("xdoorward") {
            told.entry(name).or_default().push(value);
        }
    }
    told
}

/// Returns the header lines that a service got, in the head or after the body.
fn lines_of(answer: &Answer, part: &str) -> Vec<(String, String)> {
    let lines = answer.json()[part].as_array().unwrap_or_else(|| panic!("no {part}: {answer:?}")).clone();
    let lines = lines.iter().filter_map(|line| line.as_str()?.split_once(':'));
    lines.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect()
}
