//! How operators sign in to a page: by a link that works once, into a session that ends.

use std::net::IpAddr;
use std::time::Duration;

use doorward_audit::{Action, Attribution, EventDraft};
use doorward_key::{Digest, OpaqueToken};
use doorward_store::{Operator, SignIn, SignInKind, StoreError};
use doorward_types::{RequestId, Timestamp};

use crate::{ChangeRequest, IssueError, OperatorDesk, OperatorPrincipal};

/// How long a link works.
pub const LINK_LIFETIME: Duration = Duration::from_mins(10);

/// How long a session lasts without being used.
pub const SESSION_IDLE: Duration = Duration::from_mins(30);

/// How long a session lasts however much it is used.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(12);

/// How exactly it is noted when a session was used: a write a minute is enough.
const SEEN_EVERY: Duration = Duration::from_mins(1);

/// Whether someone uses a session, or only a page that was left open asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// Someone clicked: the session goes on for [`SESSION_IDLE`].
    Active,
    /// The page keeps itself up to date, which keeps no session alive.
    Watching,
}

/// The request of a browser that signs somebody in or out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visit {
    /// The address that it came from.
    pub source_address: Option<IpAddr>,
    /// The request.
    pub request_id: Option<RequestId>,
}

impl Visit {
    pub(crate) fn by(self, operator: &Operator) -> Attribution {
        let Self { source_address, request_id } = self;
        Attribution { source_address, request_id, ..OperatorPrincipal::of_operator(operator).attribution() }
    }
}

impl OperatorDesk {
    /// Makes a link's token for an operator: whoever brings it first, within [`LINK_LIFETIME`], is signed in.
    ///
    /// # Errors
    ///
    /// [`IssueError::NoSuchOperator`] if the operator is gone.
    pub async fn login_link(&self, operator: &Operator, request: &ChangeRequest) -> Result<OpaqueToken, IssueError> {
        let event = self.event(Action::OperatorLinkMinted, operator, &request.attribution);
        let link = self.make(operator, SignInKind::Link, LINK_LIFETIME, None, event).await?;
        link.ok_or(IssueError::NoSuchOperator)
    }

    /// Whose link it is, where it works. It goes on working: browsers and scanners of mail look at links before people do.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn whose_link(&self, link: &OpaqueToken) -> Result<Option<Operator>, StoreError> {
        let found = self.core().store().sign_in(link.digest(), self.core().clock().now()).await?;
        Ok(found.filter(|(found, _)| found.kind == SignInKind::Link).map(|(_, operator)| operator))
    }

    /// Takes a link for a session; none where the link does not work, or not any more.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn sign_in(&self, link: &OpaqueToken, visit: Visit) -> Result<Option<OpaqueToken>, IssueError> {
        let Some(operator) = self.whose_link(link).await.map_err(IssueError::Store)? else { return Ok(None) };
        let event = self.event(Action::OperatorSignedIn, &operator, &visit.by(&operator));
        self.make(&operator, SignInKind::Session, SESSION_LIFETIME, Some(link.digest()), event).await
    }

    /// Makes a session for an operator who has proved to an identity provider who it is. Clippy shows each call in this workspace.
    ///
    /// # Errors
    ///
    /// [`IssueError::NoSuchOperator`] if the operator is gone.
    pub async fn sign_in_as(&self, operator: &Operator, visit: Visit) -> Result<OpaqueToken, IssueError> {
        let event = self.event(Action::OperatorSignedIn, operator, &visit.by(operator));
        let session = self.make(operator, SignInKind::Session, SESSION_LIFETIME, None, event).await?;
        session.ok_or(IssueError::NoSuchOperator)
    }

    /// Who is signed in by a session, where it has not ended.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn signed_in(
        &self,
        session: &OpaqueToken,
        presence: Presence,
    ) -> Result<Option<OperatorPrincipal>, StoreError> {
        let (store, now) = (self.core().store(), self.core().clock().now());
        let Some((found, operator)) = store.sign_in(session.digest(), now).await? else { return Ok(None) };
        if found.kind != SignInKind::Session || found.seen_at + SESSION_IDLE <= now {
            return Ok(None);
        }
        if presence == Presence::Active && found.seen_at + SEEN_EVERY <= now {
            store.see_sign_in(found.token, now).await?;
        }
        Ok(Some(OperatorPrincipal::of_operator(&operator)))
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn sign_out(&self, session: &OpaqueToken, visit: Visit) -> Result<(), StoreError> {
        let found = self.core().store().sign_in(session.digest(), self.core().clock().now()).await?;
        let Some((_, operator)) = found else { return Ok(()) };
        let event = self.event(Action::OperatorSignedOut, &operator, &visit.by(&operator));
        self.core().store().take_sign_in(session.digest(), event).await.map(drop)
    }

    /// Ends every session of an operator, and every link; how many there were.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn sign_out_everywhere(&self, operator: &Operator, request: &ChangeRequest) -> Result<u64, StoreError> {
        let event = self.event(Action::OperatorSignedOut, operator, &request.attribution);
        self.core().store().take_sign_ins(operator.id, event).await
    }

    /// Makes a link or a session; none if the link that is spent for it is gone. Of two who come with one link at once, one gets
    /// a session.
    async fn make(
        &self,
        operator: &Operator,
        kind: SignInKind,
        lifetime: Duration,
        spent: Option<Digest>,
        event: EventDraft,
    ) -> Result<Option<OpaqueToken>, IssueError> {
        let token = OpaqueToken::generate(&**self.core().random())?;
        let created_at: Timestamp = self.core().clock().now();
        let (seen_at, expires_at) = (created_at, created_at + lifetime);
        let sign_in = SignIn { token: token.digest(), kind, operator: operator.id, created_at, seen_at, expires_at };
        match self.core().store().add_sign_in(sign_in, spent, event).await {
            Ok(is_made) => Ok(is_made.then_some(token)),
            Err(StoreError::Missing) => Err(IssueError::NoSuchOperator),
            Err(error) => Err(IssueError::Store(error)),
        }
    }
}
