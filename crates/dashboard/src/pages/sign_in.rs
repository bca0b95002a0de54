//! The page that a sign-in link opens. Loading it does not consume the link, since mail scanners and browsers load links before
//! people do.

use askama::Template;
use doorward_key::OpaqueToken;
use http::StatusCode;

use super::{Shell, message};
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignIn<'a> {
    shell: Shell<'a>,
    name: &'a str,
    parts: &'a Parts,
}

impl SignIn<'_> {
    /// Returns the origin at which passkeys sign in.
    fn passkey_origin(&self) -> Option<&str> {
        self.parts.passkey_origin()
    }
}

pub(crate) async fn page(parts: &Parts, token: &str) -> Result<Reply, PageError> {
    let operator = match OpaqueToken::presented(token) {
        Some(link) => parts.operators.peek_link(&link).await?,
        None => None,
    };
    Ok(match operator {
        None => message::dead_link(parts),
        Some(operator) => {
            let shell = Shell::of_nobody(parts);
            reply::page(StatusCode::OK, &SignIn { shell, name: operator.name.as_str(), parts })
        }
    })
}
