//! The person who sent a request, and the proof that this page gave that person the form.

use std::ops::Deref;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_auth::OperatorPrincipal;
use doorward_key::{Digest, OpaqueToken, Random, RandomError};
use doorward_types::OrganizationId;
use http::HeaderMap;
use http::header::SET_COOKIE;
use sha2::{Digest as _, Sha256};

use crate::cookies;
use crate::form::Form;
use crate::page_error::PageError;
use crate::preferences::{Clock, Preferences, Theme};
use crate::reply::Reply;

/// The field of every form that has the proof, in `templates/token.html`.
pub(crate) const FORM_TOKEN: &str = "form_token";

/// The operator or the visitor who sent a request.
#[derive(Debug)]
pub(crate) struct Caller {
    principal: OperatorPrincipal,
    form_key: Option<FormKey>,
    pub(crate) preferences: Preferences,
    /// The path of the request's page, to come back to.
    pub(crate) here: String,
}

/// The secret of one browser, in a cookie of its own. A form of a visitor carries a hash of the secret and of the visitor, so
/// that it changes nothing for another visitor, in another browser, or from another site.
///
/// A sibling domain cannot plant the cookie: its name begins with `__Host-`. Every replica of a service can check the form,
/// since no replica keeps anything.
#[derive(Debug)]
struct FormKey {
    secret: OpaqueToken,
    is_new: bool,
}

impl Deref for Caller {
    type Target = OperatorPrincipal;

    fn deref(&self) -> &OperatorPrincipal {
        &self.principal
    }
}

impl Caller {
    /// Returns a caller whose forms are guarded elsewhere: by the strict cookie of an operator's session, or by the host.
    pub(crate) const fn new(principal: OperatorPrincipal) -> Self {
        Self {
            principal,
            form_key: None,
            preferences: Preferences { theme: Theme::System, clock: Clock::Utc },
            here: String::new(),
        }
    }

    /// Returns a caller whose forms are guarded by the secret of the caller's browser.
    pub(crate) fn with_form_key(
        principal: OperatorPrincipal,
        headers: &HeaderMap,
        random: &dyn Random,
    ) -> Result<Self, RandomError> {
        let form_key = match cookies::form_key(headers) {
            Some(secret) => FormKey { secret, is_new: false },
            None => FormKey { secret: OpaqueToken::generate(random)?, is_new: true },
        };
        Ok(Self { form_key: Some(form_key), ..Self::new(principal) })
    }

    /// Returns the caller with the choices of the caller's browser, at this page.
    pub(crate) fn at(self, headers: &HeaderMap, here: String) -> Self {
        Self { preferences: Preferences::of(headers), here, ..self }
    }

    /// Returns the value of [`FORM_TOKEN`] in this caller's forms, if they need it.
    pub(crate) fn form_token(&self) -> Option<String> {
        Some(BASE64_URL_SAFE_NO_PAD.encode(self.form_hash()?))
    }

    /// Checks that this page gave this caller the form.
    pub(crate) fn check_form(&self, form: &Form) -> Result<(), PageError> {
        let Some(expected) = self.form_hash() else { return Ok(()) };
        let sent = form.get(FORM_TOKEN).and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
        let sent: Option<[u8; 32]> = sent.and_then(|sent| sent.try_into().ok());
        // The comparison of digests takes the same time for equal and different ones.
        let is_it = sent.is_some_and(|sent| Digest::from_bytes(sent) == Digest::from_bytes(expected));
        if is_it { Ok(()) } else { Err(PageError::ForeignForm) }
    }

    /// Gives a new secret to the caller's browser.
    pub(crate) fn keep_form_key(&self, reply: &mut Reply) {
        let new = self.form_key.as_ref().filter(|key| key.is_new);
        if let Some(cookie) = new.and_then(|key| cookies::form_key_cookie(&key.secret)) {
            reply.headers_mut().append(SET_COOKIE, cookie);
        }
    }

    fn form_hash(&self) -> Option<[u8; 32]> {
        let secret = self.form_key.as_ref()?.secret.expose();
        let organization = self.only_organization().map(|id: OrganizationId| id.to_string()).unwrap_or_default();
        // The secret and the organization have a fixed length, so no two callers have the same text.
        Some(
            Sha256::new()
                .chain_update(secret)
                .chain_update(organization)
                .chain_update(self.actor().as_str())
                .finalize()
                .into(),
        )
    }
}
