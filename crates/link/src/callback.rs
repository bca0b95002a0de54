//! The return of a browser from the third party.

use std::borrow::Cow;
use std::time::Duration;

use doorward_auth::CallbackError;
use doorward_key::OpaqueToken;
use doorward_records::{LinkGrant, LinkSession, LinkStatus};
use doorward_store::{Conflict, StoreError};
use http::{HeaderMap, StatusCode};
use url::form_urlencoded::parse;
use zeroize::Zeroizing;

use crate::code_grant::code_or;
use crate::linker::{CONFIRMATION_LIFETIME, LinkState};
use crate::{
    CallbackResponse, CodeGrant, ConnectorSettings, ExchangeError, LinkError, Linker, Tokens, browser, redirect,
};

/// The pause between two reads by a repeated request, which waits until the browser's first request has ended. All reads together
/// last longer than the token exchange may take.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
const MAX_LOOKS: u32 = 60;

/// The maximum number of characters kept from a third party's error.
const MAX_WORDS: usize = 200;

/// The third party's answer.
struct Answer<'a> {
    code: Option<&'a str>,
    error: Option<&'a str>,
    description: Option<&'a str>,
    issuer: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// Reads the answer and its state. Returns `None` if a parameter appears twice (RFC 6749, section 3.1), or if there is no
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
    /// The error code for the browser.
    error: String,
    /// The third party's own text.
    provider_error: Option<String>,
}

impl From<&str> for Failure {
    fn from(error: &str) -> Self {
        Self { error: error.to_owned(), provider_error: None }
    }
}

impl Linker {
    /// Accepts a browser that returns from the third party. `reference` is the end of the redirect URI's path, `query` is its
    /// query string, and `headers` contain the cookie of [`Linker::start`].
    ///
    /// The backend's page receives `link_session_id` and `status`. A `success` comes with the `confirmation` for
    /// [`Linker::complete`]. An `error` comes with an `error`: the third party's own code, or one of `invalid_response`,
    /// `issuer_mismatch`, `connector_gone`, `exchange_failed`, `registered_user_gone`, `other_user`.
    ///
    /// The work continues if the caller drops this future. A repeated request gets the same outcome.
    pub async fn finish(&self, reference: Option<&str>, query: &str, headers: &HeaderMap) -> CallbackResponse {
        let (linker, reference, query) = (self.clone(), reference.map(str::to_owned), query.to_owned());
        let headers = headers.clone();
        let finish = async move { linker.finish_on_its_own(reference.as_deref(), &query, &headers).await };
        tokio::spawn(finish).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a link was interrupted");
            CallbackResponse::try_again()
        })
    }

    async fn finish_on_its_own(&self, reference: Option<&str>, query: &str, headers: &HeaderMap) -> CallbackResponse {
        let pairs: Vec<_> = parse(query.as_bytes()).collect();
        let Some((state, answer)) = Answer::read(&pairs) else { return CallbackResponse::expired() };
        // This check comes before the session is claimed, since a session can be claimed only once.
        if !self.verifier.is_current() {
            return CallbackResponse::try_again();
        }
        match self.claim_and_finish(reference, &state, &answer, headers).await {
            Ok(finish) => finish,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a link could not be finished");
                CallbackResponse::try_again()
            }
        }
    }

    async fn claim_and_finish(
        &self,
        reference: Option<&str>,
        state: &OpaqueToken,
        answer: &Answer<'_>,
        headers: &HeaderMap,
    ) -> Result<CallbackResponse, LinkError> {
        for _ in 0..MAX_LOOKS {
            let Some(grant) = LinkGrant::by_state(&*self.store, state).await? else {
                return Ok(CallbackResponse::expired());
            };
            let (scope, session) = (grant.scope(), grant.session());
            // These refusals do not use up the session: its own browser may still send the right answer to the right place.
            if browser::proof(headers, session.id, session.browser).is_none() {
                return Ok(CallbackResponse::other_browser());
            }
            if reference != Some(&*redirect::reference(scope, &session.connector)) {
                tracing::warn!(session = %session.id, "an answer came to the redirect URI of another connector");
                return Ok(CallbackResponse::expired());
            }
            if session.expires_at <= self.core().clock().now() {
                return Ok(CallbackResponse::expired());
            }
            let Ok(plan) = self.plan(scope, session) else { return Ok(self.unreadable(&grant)) };
            // If the answer cannot be delivered, it is not evaluated.
            if let Err(refusal) = self.verifier.check_origin(scope.organization(), &plan.callback_url) {
                return Ok(refused(session, &refusal));
            }
            match session.status {
                LinkStatus::Started => {
                    let claimed = LinkSession { status: LinkStatus::Exchanging, ..session.clone() };
                    match self.store.advance_link(scope, LinkStatus::Started, claimed).await {
                        Ok(()) => return Ok(self.finish_one(&grant, &plan, answer).await),
                        // Another request was faster.
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
                LinkStatus::Begun | LinkStatus::Complete | LinkStatus::Expired => {
                    return Ok(CallbackResponse::expired());
                }
            }
        }
        Ok(CallbackResponse::try_again())
    }

    /// Ends a claimed session, either with pending tokens or as failed.
    async fn finish_one(&self, grant: &LinkGrant, plan: &LinkState, answer: &Answer<'_>) -> CallbackResponse {
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
        // A session that is gone or has ended needs no outcome.
        if let Err(error) = ended.or_else(|error| match error {
            StoreError::NotFound | StoreError::Conflict(Conflict::Stale) => Ok(()),
            other => Err(other),
        }) {
            failed(grant.session(), &error.into());
        }
        self.onward(grant, plan, &Err(&failure.error))
    }

    /// Gets the tokens, or returns why it could not.
    async fn exchange(
        &self,
        grant: &LinkGrant,
        plan: &LinkState,
        answer: &Answer<'_>,
    ) -> Result<(ConnectorSettings, Tokens), Failure> {
        let (scope, session) = (grant.scope(), grant.session());
        let settings = self.settings_of(scope, &session.connector, &plan.application).await;
        let settings = settings.map_err(|error| failed(session, &error))?.ok_or("connector_gone")?;
        // An error, too, is believed only if it comes from the expected third party (RFC 9207, section 2.4).
        if settings.issuer.as_deref() != answer.issuer {
            let provider_error = match answer.issuer {
                Some(issuer) => format!("its issuer is {issuer}"),
                None => "it names no issuer".to_owned(),
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

    /// Keeps the tokens until the backend confirms their owner. Returns the confirmation.
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

    /// Gives the browser that began a new confirmation, since the first may have been lost in transit. Each confirmation is shown
    /// once, and the last one is valid.
    async fn confirm_again(&self, grant: &LinkGrant, plan: &LinkState) -> Result<CallbackResponse, LinkError> {
        let confirmation = OpaqueToken::generate(&**self.core().random())?;
        let pending = LinkSession { confirmation: Some(confirmation.digest()), ..grant.session().clone() };
        match self.store.advance_link(grant.scope(), LinkStatus::Pending, pending).await {
            Ok(()) => Ok(self.onward(grant, plan, &Ok(confirmation))),
            Err(StoreError::Conflict(Conflict::Stale)) => Ok(CallbackResponse::expired()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends the browser on to the backend's page, if the complete URL may be a callback.
    pub(crate) fn onward(
        &self,
        grant: &LinkGrant,
        plan: &LinkState,
        outcome: &Result<OpaqueToken, &str>,
    ) -> CallbackResponse {
        let session = grant.session();
        let url = match outcome {
            Ok(confirmation) => redirect::success(&plan.callback_url, session.id, confirmation.expose()),
            Err(error) => redirect::failure(&plan.callback_url, session.id, error),
        };
        match self.verifier.check_origin(grant.scope().organization(), &url) {
            Ok(_) => CallbackResponse::Redirect(url),
            Err(refusal) => refused(session, &refusal),
        }
    }
}

fn failed(session: &LinkSession, error: &LinkError) -> Failure {
    if matches!(error, LinkError::Store(StoreError::NotFound)) {
        return Failure::from("registered_user_gone");
    }
    tracing::error!(session = %session.id, error = error as &dyn std::error::Error, "a link could not be finished");
    Failure::from("exchange_failed")
}

/// Returns the third party's error text, for the backend alone: shortened, and without secrets.
fn words(error: &str, description: &str, secrets: &[&str]) -> Option<String> {
    let said = if description.is_empty() { error.to_owned() } else { format!("{error}: {description}") };
    let tells = secrets.iter().any(|secret| !secret.is_empty() && said.contains(secret));
    let said = if tells { code_or(error, "") } else { &said };
    let said: String = said.chars().filter(|letter| matches!(letter, ' '..='~')).take(MAX_WORDS).collect();
    (!said.is_empty()).then_some(said)
}

/// Returns a plain page with the reason. It does not redirect.
fn refused(session: &LinkSession, refusal: &CallbackError) -> CallbackResponse {
    tracing::warn!(session = %session.id, %refusal, "a callback was refused");
    match refusal {
        CallbackError::NotCurrent => CallbackResponse::try_again(),
        refusal => {
            let text =
                format!("{refusal}.\n\nNothing was sent there. Ask the operator of this service to add the origin.");
            CallbackResponse::Page(StatusCode::FORBIDDEN, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_partys_text_is_shortened_and_shows_no_secret() {
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
