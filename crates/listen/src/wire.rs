//! The refusals that come before HTTP: what hyper cannot read, it answers itself, with a status and no word of why.
//!
//! [`Wire`] stands between hyper and the socket, and gives such an answer its problem body. Before it closes, it reads on
//! for a while: closing on unread input would reset the connection, and the client would never see the last answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use doorward_http::{Code, Problem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The most unread input that a client may still send once the last answer is written, and for how long.
const LINGER_BYTES: usize = 4 * 1024 * 1024;
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// A socket whose bare refusals get a body.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    refusal: Option<Refusal>,
    linger: Option<Linger>,
}

#[derive(Debug)]
struct Refusal {
    text: Vec<u8>,
    written: usize,
}

#[derive(Debug)]
struct Linger {
    read: usize,
    until: Pin<Box<Sleep>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self { stream, refusal: None, linger: None }
    }

    /// Writes the refusal in the place of hyper's `bare` one, all of which then counts as written.
    fn poll_refuse(&mut self, cx: &mut Context<'_>, bare: usize) -> Poll<io::Result<usize>> {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(Ok(0)) };
        while let Some(rest) = refusal.text.get(refusal.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => refusal.written += count,
            }
        }
        Poll::Ready(Ok(bare))
    }
}

/// The problem that stands for an answer of hyper's own: the only ones of status 4xx that have no body.
fn problem_for(head: &[u8]) -> Option<Problem> {
    let (code, detail) = match head.strip_prefix(b"HTTP/1.1 ")?.first_chunk::<3>()? {
        b"400" => (Code::MALFORMED_REQUEST, "this is no HTTP/1.1 request"),
        b"414" => (Code::URI_TOO_LONG, "the path and query may have at most 4096 bytes"),
        b"431" => (Code::HEADERS_TOO_LARGE, "there may be at most 100 headers, with at most 16384 bytes"),
        _ => return None,
    };
    let bare = head.ends_with(b"\r\n\r\n") && head.windows(19).any(|line| line == b"content-length: 0\r\n");
    bare.then(|| Problem::new(code, detail))
}

fn render(problem: &Problem) -> Vec<u8> {
    let (status, body) = (problem.code().status(), problem.to_json());
    let reason = status.canonical_reason().unwrap_or_default();
    format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        status.as_u16(),
        body.len()
    )
    .into_bytes()
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        if self.refusal.is_none()
            && let Some(problem) = problem_for(buffer)
        {
            self.refusal = Some(Refusal { text: render(&problem), written: 0 });
        }
        match self.refusal {
            Some(_) => self.poll_refuse(cx, buffer.len()),
            None => Pin::new(&mut self.stream).poll_write(cx, buffer),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match buffers {
            [only] => self.poll_write(cx, only),
            _ => Pin::new(&mut self.stream).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, linger, .. } = &mut *self;
        ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        let linger =
            linger.get_or_insert_with(|| Linger { read: 0, until: Box::pin(tokio::time::sleep(LINGER_TIMEOUT)) });
        let mut scratch = [0; 16 * 1024];
        while linger.read < LINGER_BYTES && linger.until.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => linger.read += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hypers_own_refusals_are_replaced() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(problem_for(bare).map(|problem| problem.code()), Some(Code::HEADERS_TOO_LARGE));
        for ours in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 10\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            b"{\"data\":\"HTTP/1.1 431 \"}",
        ] {
            assert_eq!(problem_for(ours), None);
        }
    }
}
