//! Operators' sign-in to the page: a link that works once begins a session.

use std::time::Duration;

use doorward_audit::{Action, EventDraft};
use doorward_key::{Digest, OpaqueToken};
use doorward_store::{Operator, SignIn, SignInKind, StoreError};
use doorward_types::Timestamp;

use crate::{ChangeRequest, ManageError, OperatorPrincipal, Operators, Visit};

/// The lifetime of a link.
pub const LINK_LIFETIME: Duration = Duration::from_mins(10);

/// The time after which an unused session ends.
pub const SESSION_IDLE: Duration = Duration::from_mins(30);

/// The longest lifetime of a session, independent of its use.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(12);

/// The precision of a session's last use: one write a minute is enough.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);

/// The use of a session: by a person, or by an open page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// A person clicked. The session lasts for another [`SESSION_IDLE`].
    Active,
    /// The open page updates itself, which does not extend the session.
    Watching,
}

impl Operators {
    /// Returns a new link's token for an operator. The first browser that presents it within [`LINK_LIFETIME`] is
    /// signed in.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOperator`] if the operator is gone.
    pub async fn login_link(&self, operator: &Operator, request: &ChangeRequest) -> Result<OpaqueToken, ManageError> {
        request.operator().check_installation()?;
        let event = self.event(Action::OperatorLinkMinted, operator, &request.attribution);
        let link = self.make(operator, SignInKind::Link, LINK_LIFETIME, None, event).await?;
        link.ok_or(ManageError::NoSuchOperator)
    }

    /// Returns the operator of a valid link without consuming it: browsers and mail scanners open links before people
    /// do.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn peek_link(&self, link: &OpaqueToken) -> Result<Option<Operator>, StoreError> {
        let found = self.store.sign_in(link.digest(), self.core.clock.now()).await?;
        Ok(found.filter(|(found, _)| found.kind == SignInKind::Link).map(|(_, operator)| operator))
    }

    /// Consumes a link and returns a new session's token, or `None` if the link is not valid.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn sign_in(&self, link: &OpaqueToken, visit: Visit) -> Result<Option<OpaqueToken>, ManageError> {
        let Some(operator) = self.peek_link(link).await? else { return Ok(None) };
        let event = self.event(Action::OperatorSignedIn, &operator, &visit.by(&operator));
        self.make(&operator, SignInKind::Session, SESSION_LIFETIME, Some(link.digest()), event).await
    }

    /// Returns a new session's token for an operator whom an identity provider or a passkey has authenticated. To find each
    /// call in your workspace, list this method under `disallowed-methods` in `clippy.toml`.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOperator`] if the operator is gone.
    pub async fn sign_in_as(&self, operator: &Operator, visit: Visit) -> Result<OpaqueToken, ManageError> {
        let event = self.event(Action::OperatorSignedIn, operator, &visit.by(operator));
        let session = self.make(operator, SignInKind::Session, SESSION_LIFETIME, None, event).await?;
        session.ok_or(ManageError::NoSuchOperator)
    }

    /// Returns the operator of a session, unless the session has ended.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn session(
        &self,
        session: &OpaqueToken,
        presence: Presence,
    ) -> Result<Option<OperatorPrincipal>, StoreError> {
        let (store, now) = (&self.store, self.core.clock.now());
        let Some((found, operator)) = store.sign_in(session.digest(), now).await? else { return Ok(None) };
        if found.kind != SignInKind::Session || found.seen_at + SESSION_IDLE <= now {
            return Ok(None);
        }
        let mut seen_at = found.seen_at;
        if presence == Presence::Active && seen_at + TOUCH_INTERVAL <= now {
            store.touch_sign_in(found.token, now).await?;
            seen_at = now;
        }
        let ends_at = found.expires_at.min(seen_at + SESSION_IDLE);
        Ok(Some(OperatorPrincipal::of_operator(&operator).in_session_until(ends_at)))
    }

    /// Returns the sessions that have not ended, oldest first.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn sessions(&self, operator: &OperatorPrincipal) -> Result<Vec<SignIn>, ManageError> {
        operator.check_installation()?;
        let now = self.core.clock.now();
        let mut found = self.store.sign_ins(now).await?;
        found.retain(|found| found.kind == SignInKind::Session && found.seen_at + SESSION_IDLE > now);
        Ok(found)
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn sign_out(&self, session: &OpaqueToken, visit: Visit) -> Result<(), StoreError> {
        let found = self.store.sign_in(session.digest(), self.core.clock.now()).await?;
        let Some((_, operator)) = found else { return Ok(()) };
        let event = self.event(Action::OperatorSignedOut, &operator, &visit.by(&operator));
        self.store.consume_sign_in(session.digest(), event).await.map(drop)
    }

    /// Ends all sessions and links of an operator. Returns their number.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn sign_out_everywhere(&self, operator: &Operator, request: &ChangeRequest) -> Result<u64, ManageError> {
        request.operator().check_installation()?;
        let event = self.event(Action::OperatorSignedOut, operator, &request.attribution);
        Ok(self.store.delete_sign_ins(operator.id, event).await?)
    }

    /// Makes a link or a session. Returns `None` if the link to consume is gone: of two concurrent requests with one
    /// link, only one gets a session.
    async fn make(
        &self,
        operator: &Operator,
        kind: SignInKind,
        lifetime: Duration,
        spent: Option<Digest>,
        event: EventDraft,
    ) -> Result<Option<OpaqueToken>, ManageError> {
        let token = OpaqueToken::generate(&*self.core.random)?;
        let created_at: Timestamp = self.core.clock.now();
        let (seen_at, expires_at) = (created_at, created_at + lifetime);
        let sign_in = SignIn { token: token.digest(), kind, operator: operator.id, created_at, seen_at, expires_at };
        match self.store.add_sign_in(sign_in, spent, event).await {
            Ok(is_made) => Ok(is_made.then_some(token)),
            Err(StoreError::NotFound) => Err(ManageError::NoSuchOperator),
            Err(error) => Err(error.into()),
        }
    }
}
