//! Operators, and the links, sessions and passkeys by which they sign in to the page.

use doorward_key::Digest;
use doorward_store::{Operator, Passkey, ProviderAccess, ProviderIdentity, SignIn, StoreError};
use doorward_types::{Locator, OperatorId, Timestamp};

use crate::table::{Part, Stored, columns, insert_text, select_text, table};
use crate::{FromRow, Reader, Statement, sql, text};

table! {
    Operator in "operators" key 1 ( id, name, locator, digest, created_at )
    and provider { by_provider: Number, issuer: Text, subject: Text }
}

impl Part for ProviderAccess {
    fn bind(&self, statement: Statement) -> Statement {
        let (issuer, subject) = match self {
            Self::Bound(identity) => Some((identity.issuer.clone(), identity.subject.clone())).unzip(),
            Self::Expected | Self::Local => (None, None),
        };
        statement.bind(&i64::from(*self != Self::Local)).bind(&issuer).bind(&subject)
    }
}

impl FromRow for ProviderAccess {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(match (row.take::<i64>()?, row.take()?, row.take()?) {
            (0, ..) => Self::Local,
            (_, Some(issuer), Some(subject)) => Self::Bound(ProviderIdentity::new(issuer, subject)),
            _ => Self::Expected,
        })
    }
}

/// Adds an operator.
pub fn add(operator: &Operator) -> Statement {
    operator.bind(sql(text!("{}", insert_text(&Operator::TABLE))))
}

/// Removes an operator.
pub fn remove(id: OperatorId) -> Statement {
    sql("DELETE FROM operators WHERE id = $1").bind(&id)
}

/// Reads all operators, oldest first.
pub fn all() -> Statement {
    sql(text!("{} ORDER BY id", select_text::<Operator>()))
}

/// Reads the operator whose token has this locator.
pub fn by_locator(locator: Locator) -> Statement {
    sql(text!("{} WHERE locator = $1", select_text::<Operator>())).bind(&locator)
}

/// Reads the operator with a provider identity.
pub fn by_identity(identity: &ProviderIdentity) -> Statement {
    let find = text!("{} WHERE issuer = $1 AND subject = $2", select_text::<Operator>());
    sql(find).bind(&identity.issuer).bind(&identity.subject)
}

/// Binds an operator to a provider identity, if the operator is waiting for one.
pub fn bind(id: OperatorId, identity: &ProviderIdentity) -> Statement {
    let bind = "UPDATE operators SET issuer = $1, subject = $2 WHERE id = $3 AND by_provider = 1 AND issuer IS NULL";
    sql(bind).bind(&identity.issuer).bind(&identity.subject).bind(&id)
}

table! {
    SignIn in "sign_ins" key 1 { token, kind, operator, created_at, seen_at, expires_at }
}

/// Adds a link or a session.
pub fn add_sign_in(sign_in: &SignIn) -> Statement {
    sign_in.bind(sql(text!("{}", insert_text(&SignIn::TABLE))))
}

/// Deletes expired links and sessions.
pub fn expire_sign_ins(now: Timestamp) -> Statement {
    sql("DELETE FROM sign_ins WHERE expires_at <= $1").bind(&now)
}

/// Reads a link or a session that has not expired, with its operator.
pub fn find_sign_in(token: Digest, now: Timestamp) -> Statement {
    let find = text!(
        "SELECT {}, {} FROM sign_ins s JOIN operators o ON o.id = s.operator WHERE s.token = $1 AND s.expires_at > $2",
        columns::<SignIn>("s"),
        columns::<Operator>("o")
    );
    sql(find).bind(&token).bind(&now)
}

/// Reads the links and sessions that have not expired, oldest first.
pub fn sign_ins(now: Timestamp) -> Statement {
    sql(text!("{} WHERE expires_at > $1 ORDER BY created_at, token", select_text::<SignIn>())).bind(&now)
}

impl FromRow for (SignIn, Operator) {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok((SignIn::read(row)?, Operator::read(row)?))
    }
}

/// Deletes a link or a session.
pub fn consume_sign_in(token: Digest) -> Statement {
    sql("DELETE FROM sign_ins WHERE token = $1").bind(&token)
}

/// Deletes all links and sessions of an operator.
pub fn delete_sign_ins(operator: OperatorId) -> Statement {
    sql("DELETE FROM sign_ins WHERE operator = $1").bind(&operator)
}

/// Records the time of the last use of a link or a session.
pub fn touch_sign_in(token: Digest, at: Timestamp) -> Statement {
    sql("UPDATE sign_ins SET seen_at = $1 WHERE token = $2").bind(&at).bind(&token)
}

table! {
    Passkey in "passkeys" key 1 ( id, operator, name, credential, created_at ) then { last_used_at }
}

impl FromRow for (Passkey, Operator) {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok((Passkey::read(row)?, Operator::read(row)?))
    }
}

/// Adds a passkey.
pub fn add_passkey(passkey: &Passkey) -> Statement {
    passkey.bind(sql(text!("{}", insert_text(&Passkey::TABLE))))
}

/// Reads the passkeys of an operator, oldest first.
pub fn passkeys_of(operator: OperatorId) -> Statement {
    sql(text!("{} WHERE operator = $1 ORDER BY created_at, id", select_text::<Passkey>())).bind(&operator)
}

/// Reads a passkey with its operator.
pub fn find_passkey(id: &str) -> Statement {
    let find = text!(
        "SELECT {}, {} FROM passkeys p JOIN operators o ON o.id = p.operator WHERE p.id = $1",
        columns::<Passkey>("p"),
        columns::<Operator>("o")
    );
    sql(find).text(id)
}

/// Records a use of a passkey, if its credential is as it was seen.
pub fn use_passkey(seen: &Passkey, credential: &Vec<u8>, at: Timestamp) -> Statement {
    let used = "UPDATE passkeys SET credential = $1, last_used_at = $2 WHERE id = $3 AND credential = $4";
    sql(used).bind(credential).bind(&at).bind(&seen.id).bind(&seen.credential)
}

/// Removes a passkey of an operator.
pub fn remove_passkey(operator: OperatorId, id: &str) -> Statement {
    sql("DELETE FROM passkeys WHERE operator = $1 AND id = $2").bind(&operator).text(id)
}

/// Records that a challenge was answered, unless it was answered before.
pub fn spend_challenge(challenge: Digest, until: Timestamp) -> Statement {
    let spend =
        "INSERT INTO spent_challenges (challenge, expires_at) VALUES ($1, $2) ON CONFLICT (challenge) DO NOTHING";
    sql(spend).bind(&challenge).bind(&until)
}

/// Forgets the challenges whose time is over.
pub fn forget_challenges(now: Timestamp) -> Statement {
    sql("DELETE FROM spent_challenges WHERE expires_at <= $1").bind(&now)
}
