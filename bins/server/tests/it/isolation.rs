//! A resource of another environment or organization answers exactly like a resource that does not exist.

use doorward::api::routes::{Access, PATHS};

use crate::support::Server;

/// Every route with an id, in every method, for every kind of absence.
#[test]
fn a_missing_record_and_a_foreign_one_answer_alike() {
    let server = Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref());
    let ada = server.operator("ada");
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let keys = format!("/v1/organizations/{organization}/access-keys");
    let test_key = server.call(&ada, "POST", &keys, Some(r#"{"name":"ci"}"#)).text("/value");
    let other =
        server.call(&ada, "POST", "/v1/organizations", Some(r#"{"name":"Other"}"#)).text("/production_key/value");

    // A user and a credential in each of the three scopes.
    let worlds = [&server.production_key, &test_key, &other];
    let users: Vec<String> = worlds
        .iter()
        .map(|key| {
            let made = server.call(key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u1"}"#));
            let user = made.text("/id");
            let credential = format!("/v1/registered-users/{user}/credentials/github");
            assert_eq!(server.call(key, "PUT", &credential, Some(r#"{"secret":"x"}"#)).status, 204);
            user
        })
        .collect();

    let mut compared = 0;
    for (own, key) in worlds.iter().enumerate() {
        let of_keys = PATHS.iter().filter(|path| matches!(path.access, Access::AccessKey(_)));
        for path in of_keys.filter(|path| path.pattern.contains("{user}")) {
            for (method, _) in path.actions() {
                let body = (method == "PUT").then_some(r#"{"secret":"x"}"#);
                let ask = |user: &str| {
                    let path = path.pattern.replace("{user}", user).replace("{connector}", "github");
                    server.call(key, method.as_str(), &path, body)
                };
                let nowhere = ask("ru_01h455vb4pex5vsknk084sn02q").without_request();
                assert_eq!(nowhere.status, 404, "{nowhere:?}");
                let elsewhere =
                    users.iter().enumerate().filter(|(world, _)| *world != own).map(|(_, user)| user.as_str());
                for user in elsewhere.chain(["ru_x", "x", "key_01h455vb4pex5vsknk084sn02q", "%00", "..%2f", "é"]) {
                    let answer = ask(user).without_request();
                    assert_eq!(
                        (answer.status, &answer.headers, &answer.body),
                        (nowhere.status, &nowhere.headers, &nowhere.body),
                        "{method} {} for {user}",
                        path.pattern
                    );
                    compared += 1;
                }
            }
        }
        let named = server.call(key, "GET", "/v1/registered-users/ru_x", None).text("/detail");
        let environment = if own == 1 { "test" } else { "production" };
        assert!(named.contains(environment), "{named}");
    }
    assert!(compared >= 100, "{compared}");

    // None of these requests changed anything, and no list shows users of another scope.
    for (key, user) in worlds.iter().zip(&users) {
        let listed = server.call(key, "GET", "/v1/registered-users", None);
        assert_eq!(listed.json().pointer("/data").unwrap().as_array().unwrap().len(), 1);
        assert_eq!(&listed.text("/data/0/id"), user);
        let credential = format!("/v1/registered-users/{user}/credentials/github");
        assert_eq!(server.call(key, "GET", &credential, None).status, 200);
    }
}
