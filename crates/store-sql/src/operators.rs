//! Operators, and how they sign in to the page.

use doorward_key::Digest;
use doorward_store::copy::{CopiedTable, Kind};
use doorward_store::{Operator, ProviderAccess, ProviderIdentity, SignIn, StoreError};
use doorward_types::{Locator, OperatorId, Timestamp};

use crate::table::{Stored, columns, insert_text, select_text, table};
use crate::{FromRow, Reader, Statement, sql, text};

impl Stored for Operator {
    const TABLE: CopiedTable = CopiedTable {
        name: "operators",
        columns: &[
            ("id", Kind::Text),
            ("name", Kind::Text),
            ("locator", Kind::Text),
            ("digest", Kind::Bytes),
            ("created_at", Kind::Number),
            ("by_provider", Kind::Number),
            ("issuer", Kind::Text),
            ("subject", Kind::Text),
        ],
        key: 1,
        only: None,
    };
    const OWN: &'static [&'static str] =
        &["id", "name", "locator", "digest", "created_at", "by_provider", "issuer", "subject"];

    fn bind(&self, statement: Statement) -> Statement {
        let Self { id, name, locator, digest, created_at, provider } = self;
        let (issuer, subject) = match provider {
            ProviderAccess::Bound(identity) => Some((identity.issuer.clone(), identity.subject.clone())).unzip(),
            ProviderAccess::Expected | ProviderAccess::Local => (None, None),
        };
        let by_provider = i64::from(*provider != ProviderAccess::Local);
        let statement = statement.bind(id).bind(name).bind(locator).bind(digest).bind(created_at);
        statement.bind(&by_provider).bind(&issuer).bind(&subject)
    }
}

impl FromRow for Operator {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.take()?,
            name: row.take()?,
            locator: row.take()?,
            digest: row.take()?,
            created_at: row.take()?,
            provider: match (row.take::<i64>()?, row.take::<Option<String>>()?, row.take::<Option<String>>()?) {
                (0, ..) => ProviderAccess::Local,
                (_, Some(issuer), Some(subject)) => ProviderAccess::Bound(ProviderIdentity { issuer, subject }),
                _ => ProviderAccess::Expected,
            },
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

/// Reads the operator that is bound to an identity.
pub fn by_identity(identity: &ProviderIdentity) -> Statement {
    let find = text!("{} WHERE issuer = $1 AND subject = $2", select_text::<Operator>());
    sql(find).bind(&identity.issuer).bind(&identity.subject)
}

/// Binds an operator to an identity, if the operator is expected.
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

/// Forgets what has expired.
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

impl FromRow for (SignIn, Operator) {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok((SignIn::read(row)?, Operator::read(row)?))
    }
}

/// Takes a link or a session out.
pub fn take_sign_in(token: Digest) -> Statement {
    sql("DELETE FROM sign_ins WHERE token = $1").bind(&token)
}

/// Takes all links and sessions of an operator out.
pub fn take_sign_ins(operator: OperatorId) -> Statement {
    sql("DELETE FROM sign_ins WHERE operator = $1").bind(&operator)
}

/// Notes that a link or a session was used.
pub fn see_sign_in(token: Digest, at: Timestamp) -> Statement {
    sql("UPDATE sign_ins SET seen_at = $1 WHERE token = $2").bind(&at).bind(&token)
}
