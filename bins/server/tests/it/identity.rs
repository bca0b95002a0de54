//! Sign-in through a real identity provider (`oidc-provider`), in a real browser.

#![cfg(feature = "oidc")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::support::browser::Browser;
use crate::support::{Provider, Server, free_address, waits_for, write_secret};

const SECRET_FILE: &str = "client.secret";

/// A server and its identity provider.
struct World {
    server: Server,
    provider: Provider,
    page: String,
    folder: tempfile::TempDir,
}

impl World {
    fn new(claim: &str) -> Self {
        Self::with(claim, "")
    }

    fn with(claim: &str, more: &str) -> Self {
        // Each must know the other's address before it starts.
        let port = free_address().port();
        let page = format!("http://127.0.0.1:{port}/dashboard");
        let provider = Provider::start(&format!("{page}/sign-in-with-provider/callback"));
        let folder = tempfile::tempdir().unwrap();
        let (secret, config) = (folder.path().join(SECRET_FILE), folder.path().join("doorward.toml"));
        write_secret(&secret, Provider::SECRET);
        let table = format!(
            "[identity_provider]\nname = 'Example ID'\nissuer = '{}'\nclient_id = 'doorward'\nclaim = '{claim}'\nclient_secret_file = '{}'\n{more}",
            provider.issuer,
            secret.display()
        );
        std::fs::write(&config, table).unwrap();
        let options = ["--config", config.to_str().unwrap()];
        let server = Server::start_on(env!("CARGO_BIN_EXE_doorward-server").as_ref(), port, &options);
        Self { server, provider, page, folder }
    }

    /// Returns a browser in which this person has signed in at the provider and come back.
    fn sign_in(&self, name: &str) -> Browser {
        let browser = Browser::start();
        browser.go(&self.page);
        browser.says("h1", "You are signed out");
        browser.says("a.primary", "Sign in with Example ID");
        browser.click("a.primary");
        assert!(browser.url().starts_with(&self.provider.issuer), "{}", browser.url());
        Provider::sign_in(&browser, name);
        browser
    }
}

#[test]
fn an_operator_signs_in_through_the_provider() {
    let world = World::new("email");
    let nobody = world.sign_in("grace");
    nobody.says("h1", "You are not signed in");
    nobody.says(
        "main",
        "The identity provider knows you as grace@example.com, but no operator of this name may sign in through it",
    );
    let refused = world.server.scrape();
    assert!(refused.contains("doorward_sign_in_refusals_total{by=\"provider\"} 1"), "{refused}");
    // She cannot become a local operator either, even if the provider returns its name.
    world.server.operator("grace@example.com");
    world.sign_in("grace").says("main", "no operator of this name may sign in through it");
    world.server.remove_operator("grace@example.com");

    world.server.operator_by_provider("grace@example.com");
    let grace = world.sign_in("grace");
    grace.says("h1", "API Keys");
    grace.says(".who", "grace@example.com");
    let went_by = grace.url();
    grace.click("#create");
    grace.type_into("#name", "ci");
    grace.click("dialog button");
    grace.says("#value", "dw_test_");

    // An unverified email address identifies no operator.
    world.server.operator_by_provider("mallory@example.com");
    let mallory = world.sign_in("mallory");
    mallory.says("h1", "You are not signed in");
    mallory.says("main", "the e-mail address is not verified");

    // The next owner of her address is another person: the address matches the operator, but the subject does not.
    let newcomer = world.sign_in("hire-with-the-address-of-grace");
    newcomer.says(
        "main",
        "The identity provider knows you as grace@example.com, but no operator of this name may sign in through it",
    );
    // She stays the same operator with another address.
    let grace = world.sign_in("grace");
    grace.says(".who", "grace@example.com");

    // Neither the code nor the secret is in any output.
    let output = world.server.output.lock().unwrap();
    assert!(!output.contains(Provider::SECRET) && !output.contains("code="), "{output}");
    assert!(!went_by.contains("code="), "{went_by}");
}

#[test]
fn a_new_client_secret_is_used_after_sighup() {
    let world = World::new("email");
    world.server.operator_by_provider("grace@example.com");
    let secret = world.folder.path().join(SECRET_FILE);
    let reload = |text: &str, times: usize| {
        write_secret(&secret, text);
        world.server.hang_up();
        let told = || world.server.output.lock().unwrap().matches("read certificates, secrets").count() == times;
        waits_for("the secrets are read", told);
    };
    reload("expired", 1);
    world.sign_in("grace").says("main", "The identity provider rejected the authorization code");
    reload(Provider::SECRET, 2);
    world.sign_in("grace").says(".who", "grace@example.com");
}

#[test]
fn a_person_without_a_required_claim_is_refused() {
    let world = World::with("email", "required_claims = { groups = 'operators' }");
    for name in ["grace", "operator-ada"] {
        world.server.operator_by_provider(&format!("{name}@example.com"));
    }
    world.sign_in("grace").says("main", "lacks a required claim: `groups`");
    world.sign_in("operator-ada").says(".who", "operator-ada@example.com");
}

#[test]
fn a_sign_in_begun_in_another_browser_is_refused() {
    let world = World::new("sub");
    world.server.operator_by_provider("grace");
    let callback = |query: &str, cookie: &str| {
        let path = format!("/dashboard/sign-in-with-provider/callback?{query}");
        world.server.send("GET", &path, &[("Cookie", cookie)], None)
    };
    let begun = world.server.send("GET", "/dashboard/sign-in-with-provider", &[], None);
    assert_eq!(begun.status, 303, "{begun:?}");
    let url = begun.headers["location"].clone();
    for needed in ["response_type=code", "code_challenge_method=S256", "nonce=", "scope=openid+email+profile"] {
        assert!(url.contains(needed), "{url}");
    }
    let (cookie, attributes) = begun.headers["set-cookie"].split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600");
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap();
    assert!(!cookie.contains(Provider::SECRET));
    for (query, cookie) in [
        (format!("code=x&state={state}"), ""),
        (format!("code=x&state={state}"), &format!("__Host-doorward-provider-{}=a.b.c", &state[..10])),
        ("code=x&state=other".to_owned(), cookie),
        ("code=x".to_owned(), cookie),
        (format!("state={state}"), cookie),
        (String::new(), cookie),
    ] {
        let refused = callback(&query, cookie);
        assert!(
            refused.status == 400 && refused.body.contains("was not begun in this browser"),
            "{query}: {refused:?}"
        );
        assert!(!refused.headers.contains_key("set-cookie"));
    }
    let other_issuer = callback(&format!("code=x&state={state}&iss=https://evil.example"), cookie);
    assert!(
        other_issuer.status == 502 && other_issuer.body.contains("the answer comes from another issuer"),
        "{other_issuer:?}"
    );
    let declined = callback(&format!("error=access_denied%3Cscript%3E&state={state}"), cookie);
    assert!(declined.status == 403 && declined.body.contains("refused: access_denied"), "{declined:?}");
    let forged = callback(&format!("code=x&state={state}"), cookie);
    assert!(forged.status == 502 && !forged.headers.contains_key("set-cookie"), "{forged:?}");
    let again = callback(&format!("code=x&state={state}"), cookie);
    assert!(again.status == 400 && again.body.contains("was used already"), "{again:?}");
    // Sign-in by another claim.
    let grace = world.sign_in("grace");
    grace.says(".who", "grace");
    // Failing sign-ins are limited; a known person does not count.
    let fail = || {
        let begun = world.server.send("GET", "/dashboard/sign-in-with-provider", &[], None);
        let state = begun.headers["location"].split("state=").nth(1).unwrap().split('&').next().unwrap();
        callback(&format!("code=x&state={state}"), begun.headers["set-cookie"].split(';').next().unwrap()).status
    };
    let failed: Vec<u16> = (0..30).map(|_| fail()).collect();
    assert!(failed.contains(&503) && failed.iter().all(|status| matches!(status, 502 | 503)), "{failed:?}");
    grace.reload();
    grace.says(".who", "grace");
    // Without the provider, no sign-in succeeds.
    drop(world.provider);
    assert!(matches!(fail(), 502 | 503));
}
