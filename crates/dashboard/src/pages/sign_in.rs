//! The page that a link opens: looking at it uses nothing up, since mail scanners and browsers look before people do.

use askama::Template;
use doorward_key::OpaqueToken;
use http::StatusCode;

use super::{Shell, message};
use crate::fault::Fault;
use crate::reply::{self, Reply};
use crate::state::Parts;

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignIn<'a> {
    shell: Shell<'a>,
    name: &'a str,
}

pub(crate) async fn page(parts: &Parts, token: &str) -> Result<Reply, Fault> {
    let operator = match OpaqueToken::presented(token) {
        Some(link) => parts.desk.whose_link(&link).await?,
        None => None,
    };
    Ok(match operator {
        None => message::dead_link(parts),
        Some(operator) => {
            let shell = Shell { base: &parts.base, operator: None };
            reply::page(StatusCode::OK, &SignIn { shell, name: operator.name.as_str() })
        }
    })
}
