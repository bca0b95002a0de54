//! Sessions, as a toy: in memory, and without a password.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use axum::middleware::Next;
use axum::response::Response;
use doorward::auth::Visitor;
use doorward::key::{OpaqueToken, RandomError, SystemRandom};

/// The name of the cookie.
pub(crate) const COOKIE_NAME: &str = "session";

/// The sessions of all users who are signed in.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Arc<Mutex<HashMap<String, Visitor>>>);

impl Sessions {
    /// Begins a session, and returns the value of its cookie.
    ///
    /// # Errors
    ///
    /// Fails if the operating system gives no randomness.
    pub fn begin(&self, visitor: Visitor) -> Result<String, RandomError> {
        let id = OpaqueToken::generate(&SystemRandom)?.expose().to_owned();
        self.all().insert(id.clone(), visitor);
        Ok(id)
    }

    /// Ends a session.
    pub fn end(&self, id: &str) {
        self.all().remove(id);
    }

    fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        self.all().get(cookie(headers)?).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Visitor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves the visitor among the request's extensions. A lookup in a database waits here.
pub(crate) async fn look_up(State(sessions): State<Sessions>, mut request: Request, next: Next) -> Response {
    if let Some(visitor) = sessions.visitor(request.headers()) {
        request.extensions_mut().insert(visitor);
    }
    next.run(request).await
}

/// Returns the session's id in the request's cookies.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.into_iter().find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
}
