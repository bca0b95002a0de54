//! Requests that pass a gateway, and requests that do not.

use super::program::{Program, behind_every_gateway};
use super::service::doorward_that_says;
use super::{Behind, Gateway, Service, lines_of, lose_the_store, test_key, told, who_it_is};

behind_every_gateway! {
    lets_only_valid_keys_through,
    forwards_only_doorwards_assertion,
}

fn lets_only_valid_keys_through(program: Program) {
    let Behind { server, gateway, .. } = Behind::start(program);
    let authorization = format!("Bearer {}", server.production_key);
    let forged = ["Organization", "Environment", "Key-Id", "Key-Name"].map(|name| format!("X-Doorward-{name}"));
    let mut headers: Vec<(&str, &str)> = forged.iter().map(|name| (name.as_str(), "forged")).collect();

    let refused = gateway.ask(&headers);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.headers["www-authenticate"], "Bearer");

    // Duplicate headers are refused, since gateways differ in the header that they use.
    let twice = [("Authorization", authorization.as_str()), ("Authorization", "Bearer x")];
    assert!(matches!(gateway.ask(&twice).status, 400 | 401));
    headers.push(("Authorization", &authorization));
    let seen = gateway.ask(&headers);
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(told(&seen), who_it_is(&server));
    let knows_the_key = lines_of(&seen, "head").iter().any(|(name, _)| name == "authorization");
    assert!(!knows_the_key, "the service got the key");

    // A dead key is dead behind a gateway too.
    let test = test_key(&server, "ci");
    let authorization = format!("Bearer {}", test.text("/value"));
    assert_eq!(gateway.ask(&[("Authorization", &authorization)]).status, 200);
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let operator = server.operator("ada");
    let path = format!("/v1/organizations/{organization}/access-keys/{}", test.text("/id"));
    assert_eq!(server.call(&operator, "DELETE", &path, None).status, 200);
    assert_eq!(gateway.ask(&[("Authorization", &authorization)]).status, 401);

    // A page in a browser, and a node that is not current, get their own status, not 500.
    let authorization = format!("Bearer {}", server.production_key);
    let page = [("Authorization", authorization.as_str()), ("Origin", "https://app.example.com")];
    assert_eq!(gateway.ask(&page).status, 403);
    lose_the_store(&server);
    let late = gateway.ask(&[("Authorization", &authorization)]);
    assert_eq!((late.status, late.headers["retry-after"].as_str()), (503, "1"));
    assert_eq!(late.text("/code"), "not_current");
}

/// Assertions are off by default. A service that expects one must not get a client's forgery.
fn forwards_only_doorwards_assertion(program: Program) {
    let forged = [("X-Doorward-Assertion", "forged"), ("Authorization", "Bearer x")];
    let service = Service::start();
    let silent = doorward_that_says(
        "HTTP/1.1 200 OK\r\nX-Doorward-Organization: org_a\r\nX-Doorward-Environment: test\r\nX-Doorward-Key-Id: key_a\r\n\
         X-Doorward-Key-Name: a\r\nContent-Length: 0\r\n\r\n",
    );
    let told_without = told(&Gateway::start(program, silent, service.address).ask(&forged));
    assert_eq!(told_without.get("x-doorward-assertion"), None);
    assert_eq!(told_without["x-doorward-key-id"], ["key_a"]);
    let asserting = doorward_that_says(
        "HTTP/1.1 200 OK\r\nX-Doorward-Organization: org_a\r\nX-Doorward-Environment: test\r\nX-Doorward-Key-Id: key_a\r\n\
         X-Doorward-Key-Name: a\r\nX-Doorward-Assertion: e30.e30.c2ln\r\nContent-Length: 0\r\n\r\n",
    );
    let told_with = told(&Gateway::start(program, asserting, service.address).ask(&forged));
    assert_eq!(told_with["x-doorward-assertion"], ["e30.e30.c2ln"]);
    assert_eq!(told_with.len(), 5);
}
