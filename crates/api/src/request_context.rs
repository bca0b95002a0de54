use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use doorward_audit::Attribution;
use doorward_auth::{ChangeRequest, Core, OperatorPrincipal};
use doorward_http::{Problem, SourceAddress};
use doorward_types::RequestId;
use http::header::HeaderName;
use http::request::Parts;
use http::{Request, Uri};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::answer::BodyError;
use crate::budget::Sender;
use crate::code::Code;
use crate::request_id;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The body of a request, of any type. None if the request has no body.
///
/// Handlers borrow requests while they wait, and a request goes on in any thread; the mutex allows that, and is never contended.
#[derive(Debug)]
pub struct RequestBody(Option<Mutex<UnsyncBoxBody<Bytes, BodyError>>>);

impl RequestBody {
    /// Most requests have no body, and need no allocation for one.
    fn new(body: impl http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static) -> Self {
        Self((!body.is_end_stream()).then(|| Mutex::new(body.map_err(Into::into).boxed_unsync())))
    }

    fn look<T>(&self, look: impl FnOnce(&UnsyncBoxBody<Bytes, BodyError>) -> T) -> Option<T> {
        self.0.as_ref().map(|body| look(&body.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        Pin::new(body.get_mut().unwrap_or_else(PoisonError::into_inner)).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.look(http_body::Body::is_end_stream).unwrap_or(true)
    }

    fn size_hint(&self) -> SizeHint {
        self.look(http_body::Body::size_hint).unwrap_or(SizeHint::with_exact(0))
    }
}

/// A request with its sender and its id.
#[derive(Debug)]
pub(crate) struct RequestContext {
    /// Boxed: it is moved often, and has two hundred bytes.
    pub(crate) head: Box<Parts>,
    pub(crate) body: RequestBody,
    pub(crate) sender: Sender,
    pub(crate) id: Option<RequestId>,
}

impl RequestContext {
    /// Returns the call of a request from this peer. If the peer is unknown, its address may be among the request's extensions,
    /// and so may the request's id.
    pub(crate) fn new<B>(request: Request<B>, peer: Option<SocketAddr>, core: &Core) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        let (head, body) = request.into_parts();
        let peer = peer.or_else(|| head.extensions.get().copied());
        let named = head.extensions.get().map(|SourceAddress(address)| *address);
        let mut sender = peer.map(Sender::from).unwrap_or_default();
        sender.address = named.or(sender.address);
        let id = head.extensions.get().copied().or_else(|| request_id::fresh(core).ok());
        Self { head: Box::new(head), body: RequestBody::new(body), sender, id }
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.head.uri
    }

    pub(crate) fn source(&self) -> Option<SourceAddress> {
        self.sender.address.map(SourceAddress)
    }

    /// Returns the change that the operator asks for with this request.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidRequest`], if the `Idempotency-Key` header is invalid.
    pub(crate) fn change_request(&self, management: &OperatorPrincipal) -> Result<ChangeRequest, Problem> {
        let mut keys = self.head.headers.get_all(IDEMPOTENCY_KEY).iter();
        let idempotency_key = match (keys.next(), keys.next()) {
            (None, _) => None,
            (Some(key), None) => key.to_str().ok().and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| {
                Problem::new(Code::InvalidRequest, "an Idempotency-Key has 1 to 128 visible ASCII characters")
            })?,
            (Some(_), Some(_)) => {
                return Err(Problem::new(Code::InvalidRequest, "there is more than one Idempotency-Key header"));
            }
        };
        let request = management.request().with_source(self.sender.address, self.id);
        Ok(request.with_idempotency_key(idempotency_key))
    }

    /// Adds this request to an actor's attribution.
    pub(crate) fn by(&self, actor: Attribution) -> Attribution {
        actor.with_source_address(self.sender.address).with_request_id(self.id)
    }
}
