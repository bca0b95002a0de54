//! The start of a link in a browser.

use doorward_key::OpaqueToken;
use doorward_records::{LinkGrant, LinkSession, LinkStatus};
use doorward_store::{Conflict, StoreError};
use http::{HeaderMap, HeaderValue};

use crate::{CallbackResponse, CodeGrant, LinkError, Linker, browser};

/// The answer to a browser at a start URL.
#[derive(Debug)]
#[non_exhaustive]
pub struct Start {
    /// The browser's next step.
    pub finish: CallbackResponse,
    /// The cookie to set.
    pub cookie: Option<HeaderValue>,
}

impl From<CallbackResponse> for Start {
    fn from(finish: CallbackResponse) -> Self {
        Self { finish, cookie: None }
    }
}

impl Linker {
    /// Binds a link session to the browser that presents the start URL's token, and sends the browser to the third party. The
    /// first browser is the only one: any other browser is refused.
    pub async fn start(&self, token: &str, headers: &HeaderMap) -> Start {
        let Some(token) = OpaqueToken::presented(token) else { return CallbackResponse::expired().into() };
        // If two requests come at once, the second round sees the other's result.
        for _ in 0..2 {
            match self.start_once(&token, headers).await {
                Ok(start) => return start,
                Err(LinkError::Store(StoreError::Conflict(Conflict::Stale))) => {}
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a link could not be started");
                    break;
                }
            }
        }
        CallbackResponse::try_again().into()
    }

    async fn start_once(&self, token: &OpaqueToken, headers: &HeaderMap) -> Result<Start, LinkError> {
        let Some(grant) = LinkGrant::by_start(&*self.store, token).await? else {
            return Ok(CallbackResponse::expired().into());
        };
        let (scope, session) = (grant.scope(), grant.session());
        if session.expires_at <= self.core().clock().now() {
            return Ok(CallbackResponse::expired().into());
        }
        let known = match session.status {
            LinkStatus::Begun => None,
            LinkStatus::Started => match browser::proof(headers, session.id, session.browser) {
                Some(proof) => Some(proof),
                None => return Ok(CallbackResponse::other_browser().into()),
            },
            _ => return Ok(CallbackResponse::expired().into()),
        };
        let Ok(plan) = self.plan(scope, session) else { return Ok(self.unreadable(&grant).into()) };
        let Some(settings) = self.settings_of(scope, &session.connector, &plan.application).await? else {
            let failed =
                LinkSession { status: LinkStatus::Failed, error: Some("connector_gone".to_owned()), ..session.clone() };
            self.store.advance_link(scope, session.status, failed).await?;
            return Ok(self.onward(&grant, &plan, &Err("connector_gone")).into());
        };
        let proof = match known {
            Some(proof) => proof,
            None => {
                let fresh = OpaqueToken::generate(&**self.core().random())?;
                let started =
                    LinkSession { status: LinkStatus::Started, browser: Some(fresh.digest()), ..session.clone() };
                self.store.advance_link(scope, LinkStatus::Begun, started).await?;
                fresh
            }
        };
        let redirect_uri = self.redirect_uri(scope, &session.connector);
        let application = CodeGrant { settings: &settings, redirect_uri: &redirect_uri };
        let url = application.authorize_url(&plan.state, &plan.pkce_verifier)?;
        Ok(Start { finish: CallbackResponse::Redirect(url), cookie: browser::cookie(session.id, &proof) })
    }

    /// Reports a session that was sealed with another key, or was modified.
    pub(crate) fn unreadable(&self, grant: &LinkGrant) -> CallbackResponse {
        tracing::error!(session = %grant.session().id, "a link session was sealed with another key, or was changed");
        CallbackResponse::expired()
    }
}
