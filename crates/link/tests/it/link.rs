//! The rules of a link: in time, once, with PKCE, at the expected third party, and for the user for whom it was begun. The
//! server's tests run a whole link with a real browser and another OAuth server.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_link::{
    CONFIRMATION_LIFETIME, CallbackResponse, ConnectorError, LinkError, NewLink, SESSION_LIFETIME, TokenEndpointAuth,
};
use doorward_records::{Credential, CredentialKey, LinkStatus, RegisteredUser, Table};
use doorward_types::{Clock, Timestamp};
use http::StatusCode;
use sha2::Digest;

use crate::support::*;

#[tokio::test]
async fn a_code_is_exchanged_with_the_verifier_of_its_challenge() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let begun = world.begin().await;
    let opened = world.open(&begun, &mut browser).await;
    let sent = query_of(&opened);
    let said = |name: &str| sent.get(name).map(String::as_str);
    let CallbackResponse::Redirect(url) = opened else { panic!() };
    assert!(url.starts_with("https://github.example/authorize?tenant=1&response_type=code&"), "{url}");
    assert_eq!(
        (said("client_id"), said("scope"), said("access_type")),
        (Some("me:+"), Some("read write"), Some("offline"))
    );
    assert_eq!((said("code_challenge_method"), said("state").unwrap().len()), (Some("S256"), 43));
    let redirect_uri = format!("https://doorward.example/oauth/callback/{}", world.reference("github"));
    assert_eq!(said("redirect_uri"), Some(&*redirect_uri));
    confirmation_of(&begun, &world.answer(&browser, &good_answer(&sent)).await);
    let Asked { headers, form, .. } = world.third_party.asked("/token").pop().unwrap();
    // "me%3A%2B:s%3Dcret%2F", encoded as RFC 6749, section 2.3.1, requires.
    assert_eq!(headers["authorization"], "Basic bWUlM0ElMkI6cyUzRGNyZXQlMkY=");
    assert_eq!((form["grant_type"].as_str(), form["code"].as_str()), ("authorization_code", "c+1"));
    assert_eq!(form["redirect_uri"], redirect_uri);
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(form["code_verifier"].as_bytes()));
    assert_eq!(said("code_challenge"), Some(&*challenge));
    assert!((43..=128).contains(&form["code_verifier"].len()));
}

#[tokio::test]
async fn tokens_become_a_credential_only_after_the_backends_confirmation() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let begun = world.begin().await;
    assert_eq!(world.session(&begun).await.status, LinkStatus::Begun);
    let sent = query_of(&world.open(&begun, &mut browser).await);
    let finish = world.answer(&browser, &good_answer(&sent)).await;
    let confirmation = confirmation_of(&begun, &finish);
    let pending = world.session(&begun).await;
    assert_eq!((pending.status, pending.registered_user), (LinkStatus::Pending, world.user));
    assert_eq!(pending.expires_at, world.clock.now() + CONFIRMATION_LIFETIME);
    assert_eq!(world.credentials().await, []);
    // The store contains neither the tokens nor the confirmation in the clear.
    let stored = format!("{pending:?}");
    let tokens = pending.tokens.unwrap();
    assert!(!tokens.as_bytes().windows(2).any(|window| window == b"at") || tokens.as_bytes().len() > 40);
    assert!(!stored.contains(&confirmation) && !stored.contains(&sent["state"]));
    let key = CredentialKey { registered_user: world.user, connector: "github".parse().unwrap() };
    assert!(matches!(world.linker.upstream(&world.scope, &key).await, Err(LinkError::NoSuchConnector)));

    let complete = world.complete(&begun, world.user, &confirmation).await.unwrap();
    assert_eq!(complete.status, LinkStatus::Complete);
    assert_eq!(world.session(&begun).await, complete);
    let credentials = world.credentials().await;
    assert_eq!(credentials.iter().map(|found| found.registered_user).collect::<Vec<_>>(), [world.user]);
    let again = world.complete(&begun, world.user, &confirmation).await;
    assert!(matches!(again, Err(LinkError::NotPending(LinkStatus::Complete))), "{again:?}");
    assert!(is_worn_out(&world.answer(&browser, &good_answer(&sent)).await));
    assert_eq!(world.third_party.asked("/token").len(), 1);
    assert_eq!(world.keep_up().await, [] as [&str; 0], "a token in use was revoked");
}

/// The attack: mallory, a user of the app, begins a link and sends it to the victim, who is signed in at the third party.
#[tokio::test]
async fn an_account_is_linked_only_to_the_user_who_began() {
    let world = World::new().await;
    let mallory = world.another_user().await;
    let begun = world.begin_for(mallory, "github").await;
    let mut victims = Browser::default();
    let sent = query_of(&world.open(&begun, &mut victims).await);
    let finish = world.answer(&victims, &good_answer(&sent)).await;
    // Mallory sees none of this: the confirmation is in the victim's browser, which is signed in as the victim.
    let confirmation = confirmation_of(&begun, &finish);
    let refused = world.complete(&begun, world.user, &confirmation).await;
    assert!(matches!(refused, Err(LinkError::OtherUser)), "{refused:?}");
    let failed = world.session(&begun).await;
    assert_eq!((failed.status, failed.error.as_deref(), failed.tokens), (LinkStatus::Failed, Some("other_user"), None));
    // From now on the confirmation is useless, even if mallory gets it.
    let refused = world.complete(&begun, mallory, &confirmation).await;
    assert!(matches!(refused, Err(LinkError::NotPending(LinkStatus::Failed))), "{refused:?}");
    assert_eq!(world.credentials().await, []);
    assert_eq!(world.keep_up().await, ["rt", "at"]);
    assert_eq!(world.answer(&victims, &good_answer(&sent)).await, error(&begun, "other_user"));

    // Without the confirmation, mallory can do nothing.
    let begun = world.begin_for(mallory, "github").await;
    let sent = query_of(&world.open(&begun, &mut victims).await);
    confirmation_of(&begun, &world.answer(&victims, &good_answer(&sent)).await);
    for guess in ["", "x", &sent["state"], &"0".repeat(43)] {
        let refused = world.complete(&begun, mallory, guess).await;
        assert!(matches!(refused, Err(LinkError::OtherConfirmation)), "{refused:?}");
    }
    let refused = world.linker.complete(&world.scope, begun.id, None, &confirmation, &by()).await;
    assert!(matches!(refused, Err(LinkError::OtherConfirmation)), "{refused:?}");
    assert_eq!(world.session(&begun).await.status, LinkStatus::Pending);
    assert_eq!(world.credentials().await, []);
}

#[tokio::test]
async fn a_session_does_not_exist_in_another_environment() {
    let world = World::new().await;
    let (begun, confirmation) = world.confirmed().await;
    let read = world.linker.session(&world.production, begun.id).await;
    assert!(matches!(read, Err(LinkError::NoSuchSession)), "{read:?}");
    let refused = world.linker.complete(&world.production, begun.id, Some(world.user), &confirmation, &by()).await;
    assert!(matches!(refused, Err(LinkError::NoSuchSession)), "{refused:?}");
    world.complete(&begun, world.user, &confirmation).await.unwrap();
}

#[tokio::test]
async fn only_the_browser_that_began_a_link_can_end_it() {
    let world = World::new().await;
    let (mut mine, mut others) = (Browser::default(), Browser::default());
    let (begun, sent) = world.begin_in(&mut mine).await;
    assert!(is_of_another_browser(&world.open(&begun, &mut others).await));
    assert!(others.0.is_empty());
    // The other browser has begun its own link.
    world.begin_in(&mut others).await;
    for wrong in [&others, &Browser::default()] {
        for query in [good_answer(&sent), format!("error=access_denied&state={}", sent["state"])] {
            assert!(is_of_another_browser(&world.answer(wrong, &query).await));
        }
    }
    assert_eq!(world.third_party.asked("/token").len(), 0);
    // None of these attempts used the session up, and the same browser may begin twice.
    assert_eq!(query_of(&world.open(&begun, &mut mine).await), sent);
    confirmation_of(&begun, &world.answer(&mine, &good_answer(&sent)).await);
    assert!(is_worn_out(&world.open(&begun, &mut mine).await));
    // The same holds for a session that no browser has begun.
    let begun = world.begin().await;
    assert_eq!(world.session(&begun).await.browser, None);
}

#[tokio::test]
async fn only_one_of_two_simultaneous_browsers_begins() {
    let world = World::new().await;
    let begun = world.begin().await;
    let (mut one, mut other) = (Browser::default(), Browser::default());
    let (first, second) = tokio::join!(world.open(&begun, &mut one), world.open(&begun, &mut other));
    let began = [&first, &second].map(|finish| matches!(finish, CallbackResponse::Redirect(_)));
    assert_eq!(began.iter().filter(|began| **began).count(), 1);
    assert!([&first, &second].into_iter().any(is_of_another_browser));
}

#[tokio::test]
async fn links_in_two_tabs_of_one_browser_do_not_collide() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let (one, sent_one) = world.begin_in(&mut browser).await;
    let (two, sent_two) = world.begin_in(&mut browser).await;
    let finish_two = world.answer(&browser, &good_answer(&sent_two)).await;
    let finish_one = world.answer(&browser, &good_answer(&sent_one)).await;
    let (one, two) = (&one, &two);
    for (begun, finish) in [(one, &finish_one), (two, &finish_two)] {
        world.complete(begun, world.user, &confirmation_of(begun, finish)).await.unwrap();
    }
}

#[tokio::test]
async fn a_start_url_works_for_half_an_hour() {
    let world = World::new().await;
    let begun = world.begin().await;
    assert_eq!(begun.expires_at, world.clock.now() + SESSION_LIFETIME);
    let mut browser = Browser::default();
    let sent = query_of(&world.open(&begun, &mut browser).await);
    world.wait(SESSION_LIFETIME).await;
    assert!(is_worn_out(&world.open(&begun, &mut browser).await));
    assert!(is_worn_out(&world.answer(&browser, &good_answer(&sent)).await));
    assert_eq!(world.session(&begun).await.status, LinkStatus::Expired);
    for nonsense in ["", "x", &"x".repeat(43)] {
        let start = world.linker.start(nonsense, &browser.0).await;
        assert!(is_worn_out(&start.finish) && start.cookie.is_none());
    }
    assert_eq!(world.third_party.asked("/token").len(), 0);
}

#[tokio::test]
async fn a_confirmation_works_once_even_in_a_race() {
    let world = World::new().await;
    let (begun, confirmation) = world.confirmed().await;
    let all = (0..10).map(|_| {
        let (linker, scope, user) = (world.linker.clone(), world.scope, world.user);
        let confirmation = confirmation.clone();
        tokio::spawn(async move { linker.complete(&scope, begun.id, Some(user), &confirmation, &by()).await })
    });
    let mut completed = 0;
    for one in all.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(_) => completed += 1,
            Err(error) => assert!(matches!(error, LinkError::NotPending(LinkStatus::Complete)), "{error:?}"),
        }
    }
    assert_eq!((completed, world.credentials().await.len()), (1, 1));
}

#[tokio::test]
async fn unconfirmed_tokens_are_revoked_and_deleted_after_ten_minutes() {
    let world = World::new().await;
    let (begun, confirmation) = world.confirmed().await;
    world.wait(CONFIRMATION_LIFETIME - Duration::from_millis(1)).await;
    assert_eq!(world.keep_up().await, [] as [&str; 0]);
    world.wait(Duration::from_millis(1)).await;
    // The answer is the same before and after a node has expired the session.
    let late = world.complete(&begun, world.user, &confirmation).await;
    assert!(matches!(late, Err(LinkError::NotPending(LinkStatus::Expired))), "{late:?}");
    assert_eq!(world.keep_up().await, ["rt", "at"]);
    let expired = world.session(&begun).await;
    assert_eq!((expired.status, expired.tokens, expired.confirmation), (LinkStatus::Expired, None, None));
    assert!(world.complete(&begun, world.user, &confirmation).await.is_err());
    assert_eq!((world.keep_up().await, world.credentials().await), (vec![], vec![]));
    world.wait(Duration::from_hours(1)).await;
    world.keep_up().await;
    let forgotten = world.linker.session(&world.scope, begun.id).await;
    assert!(matches!(forgotten, Err(LinkError::NoSuchSession)), "{forgotten:?}");
}

/// The mix-up attack (RFC 9700, section 4.4): an evil third party sends the victim's browser to an honest one, to get its code.
#[tokio::test]
async fn an_answer_at_the_redirect_uri_of_another_connector_is_refused() {
    let world = World::new().await;
    let evil = ThirdParty::start().await;
    world.put_as("evil", &evil.settings().with_issuer(None)).await;
    assert_ne!(world.reference("github"), world.reference("evil"));
    let production = world.linker.redirect_uri(&world.production, &"github".parse().unwrap());
    assert!(!production.ends_with(&world.reference("github")), "two environments have the same redirect URI");
    let mut browser = Browser::default();
    let begun = world.begin_for(world.user, "evil").await;
    let sent = query_of(&world.open(&begun, &mut browser).await);
    for query in [good_answer(&sent), format!("code=c&state={}", sent["state"])] {
        assert!(is_worn_out(&world.answer_at("github", &browser, &query).await));
        // The old redirect URI, which all connectors shared, is refused too.
        assert!(is_worn_out(&world.linker.finish(None, &query, &browser.0).await));
    }
    assert_eq!((evil.asked("/token").len(), world.third_party.asked("/token").len()), (0, 0));
    let own = format!("code=c&state={}", sent["state"]);
    confirmation_of(&begun, &world.answer_at("evil", &browser, &own).await);
}

#[tokio::test]
async fn an_answer_must_contain_its_connectors_issuer() {
    let world = World::new().await;
    let none = world.third_party.settings().with_issuer(None);
    let honest = "iss=https%3A%2F%2Fgithub.example";
    for (settings, issuer, is_good) in [
        (world.third_party.settings(), honest, true),
        (world.third_party.settings(), "", false),
        (world.third_party.settings(), "iss=", false),
        (world.third_party.settings(), "iss=https%3A%2F%2Fgithub.example%2F", false),
        (world.third_party.settings(), "iss=https%3A%2F%2Fevil.example", false),
        (none.clone(), "", true),
        (none, honest, false),
    ] {
        world.put(&settings).await;
        for what in ["code=c", "error=access_denied"] {
            let mut browser = Browser::default();
            let (begun, sent) = world.begin_in(&mut browser).await;
            let finish = world.answer(&browser, &format!("{what}&{issuer}&state={}", sent["state"])).await;
            match (is_good, what) {
                (true, "code=c") => drop(confirmation_of(&begun, &finish)),
                (true, _) => assert_eq!(finish, error(&begun, "access_denied")),
                (false, _) => assert_eq!(finish, error(&begun, "issuer_mismatch"), "{issuer}"),
            }
            assert_eq!(world.third_party.asked("/token").len(), usize::from(is_good && what == "code=c"));
        }
    }
    let mut browser = Browser::default();
    let (begun, sent) = world.begin_in(&mut browser).await;
    world.answer(&browser, &format!("code=c&iss=https%3A%2F%2Fevil.example&state={}", sent["state"])).await;
    let failed = world.session(&begun).await;
    assert_eq!(failed.provider_error.as_deref(), Some("its issuer is https://evil.example"));
}

/// If a third party sends its issuer, the issuer is then required, even if no operator set it.
#[tokio::test]
async fn an_issuer_is_discovered_when_the_connector_is_saved() {
    let world = World::new().await;
    let url = world.third_party.url.clone();
    let settings = world
        .third_party
        .settings()
        .with_authorization_endpoint(format!("{url}/realms/a/authorize?tenant=1"))
        .with_issuer(None);
    let document = |issuer: &str, supports: bool, token_endpoint: &str| {
        format!(
            r#"{{"issuer":"{issuer}","authorization_endpoint":"{url}/realms/a/authorize","token_endpoint":"{token_endpoint}",
                "authorization_response_iss_parameter_supported":{supports}}}"#
        )
    };
    let own_token_endpoint = format!("{url}/token");
    let realm = format!("{url}/realms/a");
    let learned = async || {
        world.put(&settings).await;
        let (_, kept) = world.linker.connectors(&world.scope).await.unwrap().remove(0);
        kept.issuer
    };
    assert_eq!(learned().await, None, "there is no document");
    let place = "/realms/a/.well-known/openid-configuration";
    for (status, body) in [
        (StatusCode::NOT_FOUND, document(&realm, true, &own_token_endpoint)),
        (StatusCode::OK, document(&realm, false, &own_token_endpoint)),
        (StatusCode::OK, document("https://github.example", true, &own_token_endpoint)),
        (StatusCode::OK, document(&realm, true, "https://github.example/token")),
        (StatusCode::OK, "{}".to_owned()),
    ] {
        world.third_party.answers(place, status, &body);
        assert_eq!(learned().await, None, "{status} {body}");
    }
    for place in [place, "/.well-known/oauth-authorization-server/realms/a"] {
        world.third_party.answers(place, StatusCode::OK, &document(&realm, true, &own_token_endpoint));
        assert_eq!(learned().await, Some(realm.clone()));
        // From then on, an answer without the issuer is refused.
        let mut browser = Browser::default();
        let (begun, sent) = world.begin_in(&mut browser).await;
        let finish = world.answer(&browser, &format!("code=c&state={}", sent["state"])).await;
        assert_eq!(finish, error(&begun, "issuer_mismatch"));
        world.third_party.answers(place, StatusCode::NOT_FOUND, "");
    }
    // The operator's own setting stays.
    world.third_party.answers(place, StatusCode::OK, &document(&realm, true, &own_token_endpoint));
    world.put(&settings.clone().with_issuer("https://id.example".to_owned())).await;
    let (_, kept) = world.linker.connectors(&world.scope).await.unwrap().remove(0);
    assert_eq!(kept.issuer.as_deref(), Some("https://id.example"));
}

#[tokio::test]
async fn an_invalid_answer_links_nothing() {
    let world = World::new().await;
    for (rest, word, words) in [
        ("error=access_denied", "access_denied", Some("access_denied")),
        ("error=access_denied&error_description=No%0AThanks", "access_denied", Some("access_denied: NoThanks")),
        ("error=access_denied&code=c", "access_denied", Some("access_denied")),
        ("error=e2e-4", "e2e-4", Some("e2e-4")),
        ("error=%3Cscript%3E", "invalid_response", Some("<script>")),
        ("", "invalid_response", None),
    ] {
        let mut browser = Browser::default();
        let (begun, sent) = world.begin_in(&mut browser).await;
        let query = format!("{rest}&iss=https%3A%2F%2Fgithub.example&state={}", sent["state"]);
        assert_eq!(world.answer(&browser, &query).await, error(&begun, word), "{rest}");
        let failed = world.session(&begun).await;
        assert_eq!((failed.status, failed.error.as_deref()), (LinkStatus::Failed, Some(word)));
        assert_eq!(failed.provider_error.as_deref(), words, "{rest}");
        // A repeated request gets the same outcome.
        assert_eq!(world.answer(&browser, &good_answer(&sent)).await, error(&begun, word));
    }
    // A repeated parameter is refused, and does not use the session up.
    let mut browser = Browser::default();
    let (begun, sent) = world.begin_in(&mut browser).await;
    let state = &sent["state"];
    for twice in [format!("code=a&code=b&state={state}"), format!("code=a&state={state}&state={state}")] {
        assert!(is_worn_out(&world.answer(&browser, &twice).await));
    }
    let name = "github".parse().unwrap();
    assert!(world.linker.remove_connector(&world.scope, &name, &by()).await.unwrap());
    assert_eq!(world.answer(&browser, &good_answer(&sent)).await, error(&begun, "connector_gone"));
    assert!(world.third_party.asked("/token").is_empty());
    assert_eq!(world.credentials().await, []);
}

#[tokio::test]
async fn a_changed_application_gets_neither_browser_nor_code_nor_tokens() {
    let world = World::new().await;
    let other = ThirdParty::start().await;
    let mut browser = Browser::default();
    let (begun, sent) = world.begin_in(&mut browser).await;
    let late = world.begin().await;
    let (confirmed, confirmation) = world.confirmed().await;
    world.third_party.asked("/token");
    world.put(&other.settings()).await;
    assert_eq!(world.answer(&browser, &good_answer(&sent)).await, error(&begun, "connector_gone"));
    assert_eq!(world.open(&late, &mut browser).await, error(&late, "connector_gone"));
    assert_eq!(world.session(&late).await.status, LinkStatus::Failed);
    let refused = world.complete(&confirmed, world.user, &confirmation).await;
    assert!(matches!(refused, Err(LinkError::NotPending(LinkStatus::Failed))), "{refused:?}");
    assert_eq!((other.asked("/token").len(), world.third_party.asked("/token").len()), (0, 0));
    assert_eq!((world.keep_up().await, other.revoked()), (vec![], vec![]));
    // Another secret or scope does not change the application.
    world.put(&world.third_party.settings()).await;
    let (begun, confirmation) = world.confirmed().await;
    let changed = world.third_party.settings().with_client_secret(None).with_scope(None);
    world.put(&changed).await;
    world.complete(&begun, world.user, &confirmation).await.unwrap();
}

#[tokio::test]
async fn a_browser_that_leaves_in_the_middle_loses_nothing() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let (begun, sent) = world.begin_in(&mut browser).await;
    world.third_party.hold();
    let left = {
        let (linker, query, headers) = (world.linker.clone(), good_answer(&sent), browser.0.clone());
        let reference = world.reference("github");
        tokio::spawn(async move { linker.finish(Some(&reference), &query, &headers).await })
    };
    world.third_party.until_asked().await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    assert_eq!(world.session(&begun).await.status, LinkStatus::Exchanging);
    // The browser returns, and waits for the outcome.
    let query = good_answer(&sent);
    let again = world.answer(&browser, &query);
    let (finish, ()) = comes(async { tokio::join!(again, async { world.third_party.go_on() }) }).await;
    let confirmation = confirmation_of(&begun, &finish);
    assert_eq!(world.third_party.asked("/token").len(), 1);
    // It returns once more: the last confirmation is valid.
    let last = confirmation_of(&begun, &world.answer(&browser, &query).await);
    assert_ne!(last, confirmation);
    let refused = world.complete(&begun, world.user, &confirmation).await;
    assert!(matches!(refused, Err(LinkError::OtherConfirmation)), "{refused:?}");
    world.complete(&begun, world.user, &last).await.unwrap();
    assert_eq!(world.third_party.asked("/token").len(), 0);
}

#[tokio::test]
async fn ten_requests_with_one_state_exchange_one_code_and_get_the_same_outcome() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let (begun, sent) = world.begin_in(&mut browser).await;
    let all = (0..10).map(|_| {
        let (linker, query, headers) = (world.linker.clone(), good_answer(&sent), browser.0.clone());
        let reference = world.reference("github");
        tokio::spawn(async move { linker.finish(Some(&reference), &query, &headers).await })
    });
    for one in all.collect::<Vec<_>>() {
        confirmation_of(&begun, &comes(one).await.unwrap());
    }
    assert_eq!(world.third_party.asked("/token").len(), 1);
}

#[tokio::test]
async fn a_token_endpoint_that_fails_links_nothing_and_is_not_followed() {
    let huge = format!(r#"{{"access_token":"{}"}}"#, "a".repeat(20_000));
    let endless = "a".repeat(2 * 1024 * 1024);
    for (status, body, words) in [
        (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant","error_description":"old"}"#, "invalid_grant: old"),
        (StatusCode::OK, r#"{"error":"bad_verification_code"}"#, "bad_verification_code"),
        (StatusCode::OK, r#"{"error":"bad","error_description":"not c+1"}"#, "bad"),
        (StatusCode::UNAUTHORIZED, r#"{"error":"bad","error_description":"not s=cret/"}"#, "bad"),
        (StatusCode::FOUND, "", "the token endpoint answers 302 Found"),
        (StatusCode::OK, "{}", "the token endpoint's answer is unusable: it has no access token"),
        (StatusCode::OK, "access_token=t", "the token endpoint's answer is unusable: it is not a JSON object"),
        (
            StatusCode::OK,
            r#"{"access_token":"t","token_type":"mac"}"#,
            "the token endpoint's answer is unusable: its `token_type` is not `bearer`",
        ),
        (
            StatusCode::OK,
            r#"{"access_token":"t\r\nX: y","token_type":"bearer"}"#,
            "the token endpoint's answer is unusable: a token in it is empty, too long, or not allowed in a header",
        ),
        (StatusCode::OK, &huge, "the token endpoint's answer is unusable: it has more than 16384 bytes"),
        (StatusCode::OK, &endless, "it cannot be reached"),
        (StatusCode::INTERNAL_SERVER_ERROR, TOKENS, "the token endpoint answers 500 Internal Server Error"),
    ] {
        let world = World::new().await;
        world.third_party.answers("/token", status, body);
        let mut browser = Browser::default();
        let (begun, sent) = world.begin_in(&mut browser).await;
        let finish = world.answer(&browser, &good_answer(&sent)).await;
        assert_eq!(finish, error(&begun, "exchange_failed"), "{status} {body:.80}");
        let failed = world.session(&begun).await;
        assert_eq!((failed.status, failed.error.as_deref()), (LinkStatus::Failed, Some("exchange_failed")));
        assert_eq!(failed.provider_error.unwrap().trim_end(), words, "{status} {body:.80}");
        assert_eq!((world.credentials().await.len(), world.third_party.asked("/token").len()), (0, 1));
    }
}

#[tokio::test]
async fn a_missing_or_silent_token_endpoint_links_nothing() {
    let world = World::new().await;
    let nowhere = world.third_party.settings().with_token_endpoint("http://127.0.0.1:1/token");
    world.third_party.hold();
    for settings in [nowhere, world.third_party.settings()] {
        world.put(&settings).await;
        let mut browser = Browser::default();
        let (begun, sent) = world.begin_in(&mut browser).await;
        // With paused time, the clock jumps to the next deadline whenever nothing is left to do.
        tokio::time::pause();
        let finish = world.answer(&browser, &good_answer(&sent)).await;
        tokio::time::resume();
        assert_eq!(finish, error(&begun, "exchange_failed"));
    }
}

#[tokio::test]
async fn a_client_secret_can_be_in_the_body_or_absent() {
    let world = World::new().await;
    let settings = world.third_party.settings();
    let post = settings.clone().with_token_endpoint_auth_method(TokenEndpointAuth::ClientSecretPost);
    let public = settings.with_client_secret(None);
    for (settings, secret) in [(post, Some("s=cret/")), (public, None)] {
        world.put(&settings).await;
        world.link().await;
        let Asked { headers, form, .. } = world.third_party.asked("/token").pop().unwrap();
        assert!(!headers.contains_key("authorization"));
        assert_eq!((form["client_id"].as_str(), form.get("client_secret").map(String::as_str)), ("me:+", secret));
    }
}

#[tokio::test]
async fn a_deleted_user_gets_no_credential_and_the_tokens_are_revoked() {
    let world = World::new().await;
    let users: &dyn Table<RegisteredUser> = &**world.linker.store();
    let mut browser = Browser::default();
    let (_, sent) = world.begin_in(&mut browser).await;
    let (pending, confirmation) = world.confirmed().await;
    assert!(users.delete(&world.scope, &world.user, world.told()).await.unwrap());
    assert!(is_worn_out(&world.answer(&browser, &good_answer(&sent)).await));
    let gone = world.complete(&pending, world.user, &confirmation).await;
    assert!(matches!(gone, Err(LinkError::NoSuchSession)), "{gone:?}");
    assert_eq!(world.keep_up().await, ["rt", "at"]);

    // The user is deleted during the exchange.
    let user = world.another_user().await;
    let begun = world.begin_for(user, "github").await;
    let sent = query_of(&world.open(&begun, &mut browser).await);
    world.third_party.asked("/token");
    world.third_party.hold();
    let query = good_answer(&sent);
    let meanwhile = async {
        world.third_party.until_asked().await;
        assert!(users.delete(&world.scope, &user, world.told()).await.unwrap());
        world.third_party.go_on();
    };
    let (finish, ()) = comes(async { tokio::join!(world.answer(&browser, &query), meanwhile) }).await;
    assert_eq!(finish, error(&begun, "registered_user_gone"));
    world.third_party.asked("/token");
    world.third_party.revokes_both().await;
}

/// A writer of the store without the sealing key cannot move a link to another user.
#[tokio::test]
async fn a_session_moved_to_another_user_is_invalid() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let (begun, sent) = world.begin_in(&mut browser).await;
    let session = world.session(&begun).await;
    let mallory = world.another_user().await;
    let users: &dyn Table<RegisteredUser> = &**world.linker.store();
    assert!(users.delete(&world.scope, &world.user, world.told()).await.unwrap());
    let moved = doorward_records::LinkSession { registered_user: mallory, ..session };
    world.linker.store().open_link(&world.scope, moved, Timestamp::from_millis(0)).await.unwrap();
    assert!(is_worn_out(&world.answer(&browser, &good_answer(&sent)).await));
    assert!(is_worn_out(&world.open(&begun, &mut browser).await));
    assert!(world.third_party.asked("/token").is_empty());
}

#[tokio::test]
async fn a_callback_url_must_have_room_for_every_outcome() {
    let world = World::new().await;
    let begin = async |length: usize| {
        let url = "https://app.example.com/done?x=";
        let callback_url = format!("{url}{}", "x".repeat(length - url.len()));
        let new = NewLink::new(world.user, "github".parse().unwrap(), callback_url);
        world.linker.begin(&world.scope, new).await
    };
    let too_long = (1_000..).step_by(1);
    let mut longest = 0;
    for length in too_long {
        match begin(length).await {
            Ok(_) => longest = length,
            Err(error) => {
                assert!(matches!(error, LinkError::Origin(_)), "{error:?}");
                break;
            }
        }
    }
    let begun = begin(longest).await.unwrap();
    let mut browser = Browser::default();
    let sent = query_of(&world.open(&begun, &mut browser).await);
    let query = format!("error={}&iss=https%3A%2F%2Fgithub.example&state={}", "e".repeat(64), sent["state"]);
    assert!(matches!(world.answer(&browser, &query).await, CallbackResponse::Redirect(url) if url.len() > longest));
}

#[tokio::test]
async fn settings_with_repeated_or_missing_values_are_refused() {
    let world = World::new().await;
    let good = world.third_party.settings();
    for parameter in ["state", "State", "redirect_uri", "request", "REQUEST_URI", "response_mode"] {
        let settings = good.clone().with_authorization_parameters([(parameter.to_owned(), "x".to_owned())]);
        assert_eq!(settings.check(), Err(ConnectorError::Parameter(parameter.to_owned())));
        let authorization_endpoint = format!("https://github.example/authorize?a=b&{parameter}=x");
        let settings = good.clone().with_authorization_endpoint(authorization_endpoint);
        assert_eq!(settings.check(), Err(ConnectorError::EndpointParameter(parameter.to_owned())));
    }
    let revocation_endpoint = Some("http://github.example/revoke".to_owned());
    let settings = good.clone().with_revocation_endpoint(revocation_endpoint);
    assert!(matches!(settings.check(), Err(ConnectorError::RevocationEndpoint(_))));
    let settings = good.with_issuer("github".to_owned());
    assert!(matches!(settings.check(), Err(ConnectorError::Issuer(_))));
}

/// The sealed values of all steps: a connector's settings, a plan, tokens, a credential, and tokens to revoke.
#[tokio::test]
async fn a_link_survives_a_rotation_of_the_sealing_key_at_each_step() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let begun = world.begin().await;
    assert_eq!(world.rotate().await, 2);
    let sent = query_of(&world.open(&begun, &mut browser).await);
    assert_eq!(world.rotate().await, 2);
    let confirmation = confirmation_of(&begun, &world.answer(&browser, &good_answer(&sent)).await);
    assert_eq!(world.rotate().await, 3);
    world.complete(&begun, world.user, &confirmation).await.unwrap();
    assert_eq!(world.rotate().await, 3);
    let key = CredentialKey { registered_user: world.user, connector: "github".parse().unwrap() };
    let credentials: &dyn Table<Credential> = &**world.linker.store();
    assert!(credentials.delete(&world.scope, &key, world.told()).await.unwrap());
    assert_eq!(world.rotate().await, 3);
    assert_ne!(world.keep_up().await, [] as [&str; 0]);
}
