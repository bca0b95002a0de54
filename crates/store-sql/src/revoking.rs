//! Statements that turn lost credentials and tokens into revocations.

use doorward_records::{CredentialKey, LINK_RETENTION};
use doorward_store::Scope;
use doorward_types::{LinkSessionId, RegisteredUserId, Timestamp};

use crate::{Statement, sql};

/// The statements that make revocations. Each engine has its own expression for random ids.
#[derive(Debug)]
pub struct Revoking {
    credential: &'static str,
    credentials_of_closed: &'static str,
    credentials_of_user: &'static str,
    expired_tokens: &'static str,
    tokens_of_closed: &'static str,
    tokens_of_session: &'static str,
    tokens_of_user: &'static str,
}

macro_rules! revoking {
    ($random:literal) => {
        Revoking {
            credential: revoking!($random, credentials
                "organization = $1 AND environment = $2 AND registered_user = $3 AND connector = $4"),
            credentials_of_closed: revoking!($random, credentials
                "organization IN (SELECT id FROM organizations WHERE erase_at <= $1)"),
            credentials_of_user: revoking!($random, credentials
                "organization = $1 AND environment = $2 AND registered_user = $3"),
            expired_tokens: revoking!($random, tokens "expires_at <= $1"),
            tokens_of_closed: revoking!($random, tokens
                "organization IN (SELECT id FROM organizations WHERE erase_at <= $1)"),
            tokens_of_session: revoking!($random, tokens "organization = $1 AND environment = $2 AND id = $3"),
            tokens_of_user: revoking!($random, tokens "organization = $1 AND environment = $2 AND registered_user = $3"),
        }
    };
    ($random:literal, credentials $condition:literal) => {
        concat!(
            "INSERT INTO revocations (organization, environment, id, connector, record, sealed, attempts, due_at)
             SELECT organization, environment, ", $random, ", connector, registered_user || '/' || connector, sealed, 0, 0
             FROM credentials WHERE ", $condition
        )
    };
    ($random:literal, tokens $condition:literal) => {
        concat!(
            "INSERT INTO revocations (organization, environment, id, connector, record, sealed, attempts, due_at)
             SELECT organization, environment, ", $random, ", connector, 'link-tokens/' || id || '/' || registered_user,
                    tokens, 0, 0
             FROM links WHERE tokens IS NOT NULL AND ", $condition
        )
    };
}

impl Revoking {
    /// The statements of PostgreSQL.
    pub const POSTGRES: Self = revoking!("md5(random()::text)");

    /// The statements of SQLite.
    pub const SQLITE: Self = revoking!("lower(hex(randomblob(16)))");

    /// Revokes a credential before its deletion or replacement.
    pub fn credential(&self, scope: &Scope, key: &CredentialKey) -> Statement {
        sql(self.credential).scope(scope).bind(&key.registered_user).bind(&key.connector)
    }

    /// Revokes a user's credentials and link tokens before the user's deletion.
    pub fn all_of(&self, scope: &Scope, user: RegisteredUserId) -> [Statement; 2] {
        [self.credentials_of_user, self.tokens_of_user].map(|revoke| sql(revoke).scope(scope).bind(&user))
    }

    /// Revokes all credentials and link tokens of the closed organizations that are due, before their erasure.
    pub(crate) fn all_of_closed(&self, now: Timestamp) -> [Statement; 2] {
        [self.credentials_of_closed, self.tokens_of_closed].map(|revoke| sql(revoke).bind(&now))
    }

    /// Revokes a session's tokens before the session loses them.
    pub fn tokens(&self, scope: &Scope, id: LinkSessionId) -> Statement {
        sql(self.tokens_of_session).scope(scope).bind(&id)
    }

    /// Ends the sessions whose time is over, and deletes the sessions that ended [`LINK_RETENTION`] ago.
    pub fn expire(&self, now: Timestamp) -> [Statement; 3] {
        let expire = "UPDATE links SET status = 'expired', confirmation = NULL, tokens = NULL
                      WHERE expires_at <= $1 AND status NOT IN ('complete', 'failed', 'expired')";
        [
            sql(self.expired_tokens).bind(&now),
            sql(expire).bind(&now),
            sql("DELETE FROM links WHERE expires_at <= $1").bind(&(now - LINK_RETENTION)),
        ]
    }
}
