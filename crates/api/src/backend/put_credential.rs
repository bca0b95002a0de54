//! `PUT /v1/registered-users/{user}/credentials/{connector}` `{"secret"}`: keeps a secret of a user's, sealed.
//!
//! Answers 204. A linked account that is replaced is revoked. Errors: 400 `invalid_request` for a secret of more than
//! 16,384 bytes, or a connector's name that is not 1 to 64 of `a-z0-9-_`; 404 `not_found` if there is no such user.

use doorward_audit::Action;
use doorward_http::Problem;
use doorward_records::{ConnectorNameError, Credential, CredentialKey, SealingError, write_sealed};
use doorward_store::StoreError;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::backend_call::BackendCall;
use super::credential::{self, credentials};
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::code::Code;
use crate::problem::{absent, store_failed};

/// The most bytes of a credential's secret.
const MAX_SECRET: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCredential {
    secret: Zeroizing<String>,
}

impl JsonBody for NewCredential {
    const DESCRIPTION: &'static str = r#"{"secret": string}"#;
}

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    let (state, scope, by) = (call.state, &call.scope(), call.attribution());
    let registered_user = call.user()?;
    let connector =
        call.connector().ok_or_else(|| Problem::new(Code::InvalidRequest, ConnectorNameError.to_string()))?;
    let key = CredentialKey { registered_user, connector };
    let NewCredential { secret } = call.body().await?;
    if secret.is_empty() || secret.len() > MAX_SECRET {
        return Err(Problem::new(Code::InvalidRequest, "a secret has 1 to 16384 bytes"));
    }
    let event = credential::event(state, Action::CredentialPut, scope, &key, &by);
    let now = event.time;
    let put = |sealed| {
        let CredentialKey { registered_user, connector } = key.clone();
        let record = Credential::new(registered_user, connector, sealed, now, now);
        credentials(state).put(scope, record, event.clone())
    };
    let secret = (scope, &*key.to_string(), secret.as_bytes());
    match write_sealed(state.store(), state.sealing_keys()?, secret, &**state.core().random(), put).await {
        Ok(()) => {
            state.revoke_soon();
            Ok(answer::no_content())
        }
        Err(SealingError::Store(StoreError::NotFound)) => Err(absent("registered user", scope.environment())),
        Err(SealingError::Store(error)) => Err(store_failed(error)),
        Err(error) => Err(Problem::new(Code::Internal, error.to_string())),
    }
}
