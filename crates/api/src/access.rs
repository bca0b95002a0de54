//! Who asks: the holder of an access key, or an operator.

use doorward_auth::{OperatorPrincipal, OperatorRefusal, Principal};
use doorward_http::{Asked, CredentialFault, Problem, Rejection, credential};

use crate::call::Call;
use crate::code::Code;
use crate::problem::of_store;
use crate::state::State;

pub(crate) async fn key(state: &State, call: &Call) -> Result<Principal, Rejection> {
    let asked = Asked::from(&*call.head).named(call.source(), call.id);
    let principal = match state.strict {
        true => Box::pin(state.layer.authenticate_strictly(asked)).await,
        false => state.layer.authenticate(asked),
    };
    state.observer.verified(principal.as_ref().map(Principal::environment));
    principal
}

pub(crate) async fn operator(state: &State, call: &Call) -> Result<OperatorPrincipal, Problem> {
    let token = credential(&call.head.headers).map_err(|fault| match fault {
        CredentialFault::Missing => Problem::new(
            Code::MissingCredential,
            "send an operator's token in the header `Authorization: Bearer dwo_…`; `doorward operator create NAME` makes one",
        ),
        fault => Problem::from(&Rejection::Credential(fault)),
    })?;
    state.desk.authenticate(token).await.map_err(|refusal| {
        if !matches!(refusal, OperatorRefusal::Store(_)) {
            state.observer.operator_refused(call.sender.address);
        }
        match refusal {
            OperatorRefusal::Malformed(_) => Problem::new(
                Code::MalformedCredential,
                "this is no operator's token, which starts with dwo_; access keys do not open the management side",
            ),
            OperatorRefusal::Store(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an operator's token could not be looked up");
                of_store(error)
            }
            _ => Problem::new(Code::InvalidCredential, "no such operator's token is in force"),
        }
    })
}
