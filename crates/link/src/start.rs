//! The start of a link in a browser.

use doorward_auth::LinkGrant;
use doorward_key::OpaqueToken;
use doorward_records::{LinkSession, LinkStatus};
use doorward_store::{Conflict, StoreError};
use http::{HeaderMap, HeaderValue};

use crate::{CodeGrant, Finish, LinkError, Linker, browser};

/// The answer to a browser at a start URL.
#[derive(Debug)]
pub struct Start {
    /// The way of the browser from here.
    pub finish: Finish,
    /// The cookie to set.
    pub cookie: Option<HeaderValue>,
}

impl From<Finish> for Start {
    fn from(finish: Finish) -> Self {
        Self { finish, cookie: None }
    }
}

impl Linker {
    /// Binds a link session to the browser that brings the start URL's token, and sends the browser to the third party. The
    /// first browser is the only one: another one is sent nowhere.
    pub async fn start(&self, token: &str, headers: &HeaderMap) -> Start {
        let Some(token) = OpaqueToken::presented(token) else { return Finish::worn_out().into() };
        // Of two requests at once, one finds what the other has done.
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
        Finish::try_again().into()
    }

    async fn start_once(&self, token: &OpaqueToken, headers: &HeaderMap) -> Result<Start, LinkError> {
        let Some(grant) = self.core().link_by_start(&*self.store, token).await? else {
            return Ok(Finish::worn_out().into());
        };
        let (scope, session) = (grant.scope(), grant.session());
        if session.expires_at <= self.core().clock().now() {
            return Ok(Finish::worn_out().into());
        }
        let known = match session.status {
            LinkStatus::Begun => None,
            LinkStatus::Started => match browser::proof(headers, session.id, session.browser) {
                Some(proof) => Some(proof),
                None => return Ok(Finish::other_browser().into()),
            },
            _ => return Ok(Finish::worn_out().into()),
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
        Ok(Start { finish: Finish::Redirect(url), cookie: browser::cookie(session.id, &proof) })
    }

    /// Tells of a session that was sealed with another key, or was changed.
    pub(crate) fn unreadable(&self, grant: &LinkGrant) -> Finish {
        tracing::error!(session = %grant.session().id, "a link session was sealed with another key, or was changed");
        Finish::worn_out()
    }
}
