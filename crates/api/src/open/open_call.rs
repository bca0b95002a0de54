//! One request without a credential, as each open endpoint gets it.

use std::sync::Arc;

use matchit::Params;

use crate::request_context::RequestContext;
use crate::state::State;

pub(crate) struct OpenCall<'a> {
    pub(crate) state: &'a Arc<State>,
    pub(crate) params: &'a Params<'a, 'a>,
    pub(crate) request: RequestContext,
}
