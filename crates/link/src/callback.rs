//! The return of a browser from the third party.

use std::borrow::Cow;
use std::time::Duration;

use doorward_auth::{LinkGrant, OriginRefusal};
use doorward_key::OpaqueToken;
use doorward_records::{LinkSession, LinkStatus};
use doorward_store::{Conflict, StoreError};
use http::{HeaderMap, StatusCode};
use url::form_urlencoded::parse;
use zeroize::Zeroizing;

use crate::code_grant::code_or;
use crate::linker::{CONFIRMATION_LIFETIME, Plan};
use crate::{CodeGrant, ConnectorSettings, ExchangeError, Finish, LinkError, Linker, Tokens, browser, redirect};

/// The pause between two looks of a browser that came twice, until its first request has ended; and the number of looks, which
/// last longer than the third party may take.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
const LOOKS: u32 = 60;

/// The most letters that are kept of what a third party says of a failure.
const MAX_WORDS: usize = 200;

/// The third party's answer.
struct Answer<'a> {
    code: Option<&'a str>,
    error: Option<&'a str>,
    description: Option<&'a str>,
    issuer: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// Reads the answer, and the state that it is about; none if a parameter stands twice (RFC 6749, section 3.1), or there is no
    /// state.
    fn read(pairs: &'a [(Cow<'_, str>, Cow<'_, str>)]) -> Option<(OpaqueToken, Self)> {
        let at_most_once = |name: &str| {
            let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value);
            let first = values.next();
            values.next().is_none().then_some(first)
        };
        let [state, code, error, description, issuer] =
            ["state", "code", "error", "error_description", "iss"].map(at_most_once);
        let answer = Self { code: code?, error: error?, description: description?, issuer: issuer? };
        Some((OpaqueToken::presented(state??)?, answer))
    }
}

/// The reason of a failed link.
struct Failure {
    /// The word for the browser.
    error: String,
    /// The third party's own words.
    provider_error: Option<String>,
}

impl From<&str> for Failure {
    fn from(error: &str) -> Self {
        Self { error: error.to_owned(), provider_error: None }
    }
}

impl Linker {
    /// Takes a browser back from the third party. `reference` is the end of the redirect URI's path, `query` stands after its
    /// question mark, and `headers` bring the cookie of [`Linker::start`].
    ///
    /// The backend's page is told `link_session_id` and `status`. With `success` comes the `confirmation` for
    /// [`Linker::complete`]; with `error`, an `error`: the third party's own code, or one of `invalid_response`,
    /// `issuer_mismatch`, `connector_gone`, `exchange_failed`, `registered_user_gone`, `other_user`.
    ///
    /// The work goes on if the caller does not wait for its end. A browser that comes again is told the outcome.
    pub async fn finish(&self, reference: Option<&str>, query: &str, headers: &HeaderMap) -> Finish {
        let (linker, reference, query) = (self.clone(), reference.map(str::to_owned), query.to_owned());
        let headers = headers.clone();
        let finish = async move { linker.finish_on_its_own(reference.as_deref(), &query, &headers).await };
        tokio::spawn(finish).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a link broke off");
            Finish::try_again()
        })
    }

    async fn finish_on_its_own(&self, reference: Option<&str>, query: &str, headers: &HeaderMap) -> Finish {
        let pairs: Vec<_> = parse(query.as_bytes()).collect();
        let Some((state, answer)) = Answer::read(&pairs) else { return Finish::worn_out() };
        // Before the session is claimed: it is claimed once.
        if !self.verifier.is_current() {
            return Finish::try_again();
        }
        match self.claim_and_finish(reference, &state, &answer, headers).await {
            Ok(finish) => finish,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a link could not be finished");
                Finish::try_again()
            }
        }
    }

    async fn claim_and_finish(
        &self,
        reference: Option<&str>,
        state: &OpaqueToken,
        answer: &Answer<'_>,
        headers: &HeaderMap,
    ) -> Result<Finish, LinkError> {
        for _ in 0..LOOKS {
            let Some(grant) = self.core().link_by_state(&*self.store, state).await? else {
                return Ok(Finish::worn_out());
            };
            let (scope, session) = (grant.scope(), grant.session());
            // None of these refusals uses the session up: its own browser may yet bring the right answer to the right place.
            if browser::proof(headers, session.id, session.browser).is_none() {
                return Ok(Finish::other_browser());
            }
            if reference != Some(&*redirect::reference(scope, &session.connector)) {
                tracing::warn!(session = %session.id, "an answer came to the redirect URI of another connector");
                return Ok(Finish::worn_out());
            }
            if session.expires_at <= self.core().clock().now() {
                return Ok(Finish::worn_out());
            }
            let Ok(plan) = self.plan(scope, session) else { return Ok(self.unreadable(&grant)) };
            // An answer that can go nowhere is not looked at.
            if let Err(refusal) = self.verifier.check_origin(scope.organization(), &plan.callback_url) {
                return Ok(refused(session, &refusal));
            }
            match session.status {
                LinkStatus::Started => {
                    let claimed = LinkSession { status: LinkStatus::Exchanging, ..session.clone() };
                    match self.store.advance_link(scope, LinkStatus::Started, claimed).await {
                        Ok(()) => return Ok(self.finish_one(&grant, &plan, answer).await),
                        // Another request was quicker.
                        Err(StoreError::Conflict(Conflict::Stale)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                LinkStatus::Exchanging => tokio::time::sleep(LOOK_INTERVAL).await,
                LinkStatus::Pending => return self.confirm_again(&grant, &plan).await,
                LinkStatus::Failed => {
                    let error = session.error.as_deref().unwrap_or("exchange_failed");
                    return Ok(self.onward(&grant, &plan, &Err(error)));
                }
                LinkStatus::Begun | LinkStatus::Complete | LinkStatus::Expired => return Ok(Finish::worn_out()),
            }
        }
        Ok(Finish::try_again())
    }

    /// Ends a session that was claimed: with tokens that are pending, or as failed.
    async fn finish_one(&self, grant: &LinkGrant, plan: &Plan, answer: &Answer<'_>) -> Finish {
        let failure = match self.exchange(grant, plan, answer).await {
            Ok((settings, tokens)) => match self.keep_pending(grant, &tokens).await {
                Ok(confirmation) => return self.onward(grant, plan, &Ok(confirmation)),
                Err(error) => {
                    self.revoke_unkept(grant, settings, tokens);
                    failed(grant.session(), &error)
                }
            },
            Err(failure) => failure,
        };
        let session = LinkSession {
            status: LinkStatus::Failed,
            error: Some(failure.error.clone()),
            provider_error: failure.provider_error,
            ..grant.session().clone()
        };
        let ended = self.store.advance_link(grant.scope(), LinkStatus::Exchanging, session).await;
        // A session that is gone or over has nothing to be told.
        if let Err(error) = ended.or_else(|error| match error {
            StoreError::Missing | StoreError::Conflict(Conflict::Stale) => Ok(()),
            other => Err(other),
        }) {
            failed(grant.session(), &error.into());
        }
        self.onward(grant, plan, &Err(&failure.error))
    }

    /// Gets the tokens, or says why there are none.
    async fn exchange(
        &self,
        grant: &LinkGrant,
        plan: &Plan,
        answer: &Answer<'_>,
    ) -> Result<(ConnectorSettings, Tokens), Failure> {
        let (scope, session) = (grant.scope(), grant.session());
        let settings = self.settings_of(scope, &session.connector, &plan.application).await;
        let settings = settings.map_err(|error| failed(session, &error))?.ok_or("connector_gone")?;
        // Also an error is believed only if it is the third party's that was asked (RFC 9207, section 2.4).
        if settings.issuer.as_deref() != answer.issuer {
            let provider_error = match answer.issuer {
                Some(issuer) => format!("it calls itself {issuer}"),
                None => "it does not say who it is".to_owned(),
            };
            let provider_error = words(&provider_error, "", &[]);
            return Err(Failure { provider_error, ..Failure::from("issuer_mismatch") });
        }
        if let Some(error) = answer.error {
            let provider_error = words(error, answer.description.unwrap_or_default(), &[]);
            return Err(Failure { provider_error, ..Failure::from(code_or(error, "invalid_response")) });
        }
        let code = answer.code.ok_or("invalid_response")?;
        let redirect_uri = self.redirect_uri(scope, &session.connector);
        let application = CodeGrant { settings: &settings, redirect_uri: &redirect_uri };
        match application.exchange(&self.client, code, &plan.pkce_verifier).await {
            Ok(tokens) => {
                let tokens = Tokens { application: Some(plan.application.clone()), ..tokens };
                Ok((settings, tokens))
            }
            Err(error) => {
                let secrets = [code, &plan.pkce_verifier, settings.client_secret.as_deref().map_or("", String::as_str)];
                let provider_error = match &error {
                    ExchangeError::Refused { error: code, description, .. } => words(code, description, &secrets),
                    _ => None,
                };
                let (connector, error): (_, &dyn std::error::Error) = (&session.connector, &error);
                tracing::warn!(session = %session.id, %connector, error, "a code was not exchanged");
                let provider_error = provider_error.or_else(|| words(&error.to_string(), "", &secrets));
                Err(Failure { provider_error, ..Failure::from("exchange_failed") })
            }
        }
    }

    /// Keeps the tokens until the backend confirms whose they are; returns the confirmation.
    async fn keep_pending(&self, grant: &LinkGrant, tokens: &Tokens) -> Result<OpaqueToken, LinkError> {
        let (scope, session) = (grant.scope(), grant.session());
        let confirmation = OpaqueToken::generate(&**self.core().random())?;
        let text = Zeroizing::new(serde_json::to_vec(tokens).unwrap_or_default());
        let expires_at = self.core().clock().now() + CONFIRMATION_LIFETIME;
        let keep = |sealed| {
            let pending = LinkSession {
                status: LinkStatus::Pending,
                confirmation: Some(confirmation.digest()),
                tokens: Some(sealed),
                expires_at,
                ..session.clone()
            };
            self.store.advance_link(scope, LinkStatus::Exchanging, pending)
        };
        self.write_sealed((scope, &session.tokens_record(), &text), keep).await?;
        Ok(confirmation)
    }

    /// Gives the browser that began a confirmation once more: its first one may have been lost on the way. Each is shown once,
    /// and the last one counts.
    async fn confirm_again(&self, grant: &LinkGrant, plan: &Plan) -> Result<Finish, LinkError> {
        let confirmation = OpaqueToken::generate(&**self.core().random())?;
        let pending = LinkSession { confirmation: Some(confirmation.digest()), ..grant.session().clone() };
        match self.store.advance_link(grant.scope(), LinkStatus::Pending, pending).await {
            Ok(()) => Ok(self.onward(grant, plan, &Ok(confirmation))),
            Err(StoreError::Conflict(Conflict::Stale)) => Ok(Finish::worn_out()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends the browser on to the backend's page, if the very text that it gets may be sent there.
    pub(crate) fn onward(&self, grant: &LinkGrant, plan: &Plan, outcome: &Result<OpaqueToken, &str>) -> Finish {
        let session = grant.session();
        let url = match outcome {
            Ok(confirmation) => redirect::success(&plan.callback_url, session.id, confirmation.expose()),
            Err(error) => redirect::failure(&plan.callback_url, session.id, error),
        };
        match self.verifier.check_origin(grant.scope().organization(), &url) {
            Ok(_) => Finish::Redirect(url),
            Err(refusal) => refused(session, &refusal),
        }
    }
}

fn failed(session: &LinkSession, error: &LinkError) -> Failure {
    if matches!(error, LinkError::Store(StoreError::Missing)) {
        return Failure::from("registered_user_gone");
    }
    tracing::error!(session = %session.id, error = error as &dyn std::error::Error, "a link could not be finished");
    Failure::from("exchange_failed")
}

/// Returns what a third party said, for the backend alone: short, and without what is secret.
fn words(error: &str, description: &str, secrets: &[&str]) -> Option<String> {
    let said = if description.is_empty() { error.to_owned() } else { format!("{error}: {description}") };
    let tells = secrets.iter().any(|secret| !secret.is_empty() && said.contains(secret));
    let said = if tells { code_or(error, "") } else { &said };
    let said: String = said.chars().filter(|letter| matches!(letter, ' '..='~')).take(MAX_WORDS).collect();
    (!said.is_empty()).then_some(said)
}

/// A plain page that says so, and redirects nowhere.
fn refused(session: &LinkSession, refusal: &OriginRefusal) -> Finish {
    tracing::warn!(session = %session.id, %refusal, "a callback was refused");
    match refusal {
        OriginRefusal::NotCurrent => Finish::try_again(),
        OriginRefusal::Refused(refusal) => {
            let text =
                format!("{refusal}.\n\nNothing was sent there. Ask the operator of this service to add the origin.");
            Finish::Page(StatusCode::FORBIDDEN, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_third_party_says_is_short_and_tells_no_secret() {
        assert_eq!(words("", "", &[""]), None);
        assert_eq!(words("invalid_client", "", &["s"]).as_deref(), Some("invalid_client"));
        assert_eq!(
            words("invalid_grant", "it is\r\nold — too old", &["x"]).unwrap(),
            "invalid_grant: it isold  too old"
        );
        assert_eq!(words("invalid_grant", "the code c0de is old", &["c0de"]).as_deref(), Some("invalid_grant"));
        assert_eq!(words("c0de", "", &["c0de"]).as_deref(), Some("c0de"));
        assert_eq!(words("<c0de>", "", &["c0de"]), None);
        assert_eq!(words("a", &"b".repeat(900), &[]).unwrap().len(), MAX_WORDS);
    }
}
