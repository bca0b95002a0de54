use std::borrow::Cow;

use doorward_auth::{LinkGrant, OriginRefusal};
use doorward_key::OpaqueToken;
use doorward_store::{Credential, CredentialKey, StoreError, Table};
use http::StatusCode;
use url::form_urlencoded::{Serializer, parse};

use crate::code_grant::code_or;
use crate::linker::Plan;
use crate::{LinkError, Linker};

/// The most bytes of an answer that are kept as a credential.
const MAX_SECRET: usize = 16 * 1024;

/// Where the browser goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finish {
    /// On to the backend's page, whose origin was checked just now.
    Redirect(String),
    /// Nowhere: a plain text, with the status that it is sent under.
    Page(StatusCode, String),
}

/// What the third party said.
struct Answer<'a> {
    code: Option<&'a str>,
    error: Option<&'a str>,
    issuer: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// With the state that it is about; none where a parameter stands twice (RFC 6749, section 3.1), or there is no state.
    fn read(pairs: &'a [(Cow<'_, str>, Cow<'_, str>)]) -> Option<(OpaqueToken, Self)> {
        let at_most_once = |name: &str| {
            let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value);
            let first = values.next();
            values.next().is_none().then_some(first)
        };
        let [state, code, error, issuer] = ["state", "code", "error", "iss"].map(at_most_once);
        Some((OpaqueToken::presented(state??)?, Self { code: code?, error: error?, issuer: issuer? }))
    }
}

const WORN_OUT: &str = "This link is not valid: it was used already, or is older than 30 minutes. Go back to where you came from, \
                        and begin again.";
const TRY_AGAIN: &str =
    "This service cannot tell at the moment where to send you. Load this page again in a few seconds.";

impl Linker {
    /// Finishes a link: `query` is what stands after the question mark of the redirect URI, as the browser brought it.
    ///
    /// It tells the backend's page `link_session_id` and `status`, which is `success` or `error`; then `error` is the third party's
    /// own code, or one of `invalid_response`, `issuer_mismatch`, `connector_gone`, `exchange_failed`, `registered_user_gone`.
    pub async fn finish(&self, query: &str) -> Finish {
        let pairs: Vec<_> = parse(query.as_bytes()).collect();
        let Some((state, answer)) = Answer::read(&pairs) else {
            return Finish::Page(StatusCode::BAD_REQUEST, WORN_OUT.to_owned());
        };
        // Before the session is taken: it is taken once.
        if !self.verifier.is_current() {
            return Finish::Page(StatusCode::SERVICE_UNAVAILABLE, TRY_AGAIN.to_owned());
        }
        match self.core().redeem_link_state(&state).await {
            Ok(Some(grant)) => self.finish_one(&grant, answer).await,
            Ok(None) => Finish::Page(StatusCode::BAD_REQUEST, WORN_OUT.to_owned()),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a link session could not be looked up");
                Finish::Page(StatusCode::SERVICE_UNAVAILABLE, TRY_AGAIN.to_owned())
            }
        }
    }

    async fn finish_one(&self, grant: &LinkGrant, answer: Answer<'_>) -> Finish {
        let (scope, session) = (grant.scope(), grant.session());
        let plan = self.sealing_key.open(scope, &session.id.to_string(), &session.sealed).ok();
        let Some(plan) = plan.and_then(|text| serde_json::from_slice::<Plan>(&text).ok()) else {
            tracing::error!(session = %session.id, "a link session was sealed with another key, or was changed");
            return Finish::Page(StatusCode::BAD_REQUEST, WORN_OUT.to_owned());
        };
        // An answer that can go nowhere is not looked at.
        if let Err(refusal) = self.verifier.check_origin(scope.organization(), &plan.callback_url) {
            return refused(grant, &refusal);
        }
        let failure = self.link(grant, &plan, &answer).await.err();
        let id = session.id.to_string();
        let url = match failure {
            None => with_parameters(&plan.callback_url, &[("link_session_id", &id), ("status", "success")]),
            Some(error) => {
                let told = [("link_session_id", &*id), ("status", "error"), ("error", error)];
                with_parameters(&plan.callback_url, &told)
            }
        };
        // The very text that the browser gets.
        match self.verifier.check_origin(scope.organization(), &url) {
            Ok(_) => Finish::Redirect(url),
            Err(refusal) => refused(grant, &refusal),
        }
    }

    /// Keeps the tokens, or says by what word the link failed.
    async fn link<'a>(&self, grant: &LinkGrant, plan: &Plan, answer: &Answer<'a>) -> Result<(), &'a str> {
        let (scope, session) = (grant.scope(), grant.session());
        if let Some(error) = answer.error {
            return Err(code_or(error, "invalid_response"));
        }
        let code = answer.code.ok_or("invalid_response")?;
        let name = plan.connector.parse().map_err(|_| "connector_gone")?;
        let settings = match self.settings(scope, &name).await {
            Ok(settings) => settings.ok_or("connector_gone")?,
            Err(error) => return Err(failed(grant, &error)),
        };
        // One redirect URI serves every third party: where they say who they are, it must be the one that was asked.
        if let (Some(expected), Some(issuer)) = (&settings.issuer, answer.issuer)
            && expected != issuer
        {
            return Err("issuer_mismatch");
        }
        let tokens = self.grant(&settings).exchange(&self.client, code, &plan.pkce_verifier).await;
        let tokens = match tokens {
            Ok(tokens) if tokens.len() <= MAX_SECRET => tokens,
            Ok(_) => return Err("exchange_failed"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(session = %session.id, connector = %name, error, "a code was not exchanged");
                return Err("exchange_failed");
            }
        };
        let key = CredentialKey { registered_user: session.registered_user, connector: name };
        let sealed = self.sealing_key.seal(scope, &key.to_string(), &tokens, &**self.core().random());
        let sealed = sealed.map_err(|error| failed(grant, &LinkError::Random(error)))?;
        let now = self.core().clock().now();
        let CredentialKey { registered_user, connector } = key;
        let credential = Credential { registered_user, connector, sealed, created_at: now, updated_at: now };
        let credentials: &dyn Table<Credential> = &**self.core().store();
        match credentials.put(scope, credential).await {
            Ok(()) => Ok(()),
            Err(StoreError::Missing) => Err("registered_user_gone"),
            Err(error) => Err(failed(grant, &LinkError::Store(error))),
        }
    }
}

fn failed(grant: &LinkGrant, error: &LinkError) -> &'static str {
    tracing::error!(session = %grant.session().id, error = error as &dyn std::error::Error, "a link could not be finished");
    "exchange_failed"
}

/// A plain page that says so, and redirects nowhere.
fn refused(grant: &LinkGrant, refusal: &OriginRefusal) -> Finish {
    tracing::warn!(session = %grant.session().id, %refusal, "a callback was refused");
    match refusal {
        OriginRefusal::NotCurrent => Finish::Page(StatusCode::SERVICE_UNAVAILABLE, TRY_AGAIN.to_owned()),
        OriginRefusal::Refused(refusal) => {
            let text =
                format!("{refusal}.\n\nNothing was sent there. Ask whoever runs this service to add the origin.");
            Finish::Page(StatusCode::FORBIDDEN, text)
        }
    }
}

/// The URL with these at the end of its query. It has no fragment.
fn with_parameters(url: &str, parameters: &[(&str, &str)]) -> String {
    let separator = match url.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let added = Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{url}{separator}{added}")
}

#[cfg(test)]
mod tests {
    use super::with_parameters;

    #[test]
    fn parameters_are_added_after_what_is_there() {
        let told = [("status", "error"), ("error", "access denied&x=1")];
        for (url, expected) in [
            ("https://a.example", "https://a.example?status=error&error=access+denied%26x%3D1"),
            ("https://a.example/cb?", "https://a.example/cb?status=error&error=access+denied%26x%3D1"),
            ("https://a.example/cb?a=b", "https://a.example/cb?a=b&status=error&error=access+denied%26x%3D1"),
            ("https://a.example/cb?a=b&", "https://a.example/cb?a=b&status=error&error=access+denied%26x%3D1"),
        ] {
            assert_eq!(with_parameters(url, &told), expected);
        }
    }
}
