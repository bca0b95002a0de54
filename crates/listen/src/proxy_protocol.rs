//! The PROXY protocol, versions 1 and 2: the head by which a proxy says whose connection it passes on.
//!
//! Source: HAProxy's `doc/proxy-protocol.txt`, sections 2.1 and 2.2.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first bytes of version 1.
const TEXT_PREFIX: &[u8] = b"PROXY ";

/// The first bytes of version 2.
const BINARY_PREFIX: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest head of version 1, with its end of line.
const MAX_TEXT: usize = 107;

/// The bytes of version 2 before its addresses: signature, command, family, length.
const PREFIX: usize = 16;

/// The most bytes of version 2 after its prefix: addresses, and the facts about TLS that proxies add.
const MAX_REST: usize = 2_048;

/// Reads the head, and nothing of what follows. Returns the client's address, or none if the proxy speaks for itself, such as in
/// a health check, or does not know it.
///
/// # Errors
///
/// [`ErrorKind::InvalidData`] if the connection does not begin with a head; the errors of reading.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, Error> {
    let mut head = vec![0; BINARY_PREFIX.len()];
    stream.read_exact(&mut head).await?;
    if head == BINARY_PREFIX {
        rest_of_binary(stream, &mut head).await?
    } else {
        rest_of_text(stream, &mut head).await?
    }
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    match ProxyHeader::parse(&head, config) {
        Ok((header, length)) if length == head.len() => Ok(header.proxied_address().map(|proxied| proxied.source)),
        _ => Err(malformed()),
    }
}

async fn rest_of_binary(stream: &mut (impl AsyncRead + Unpin), head: &mut Vec<u8>) -> Result<(), Error> {
    head.resize(PREFIX, 0);
    stream.read_exact(head.get_mut(BINARY_PREFIX.len()..).unwrap_or_default()).await?;
    let &[.., high, low] = &**head else { return Err(malformed()) };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > MAX_REST {
        return Err(malformed());
    }
    head.resize(PREFIX + rest, 0);
    stream.read_exact(head.get_mut(PREFIX..).unwrap_or_default()).await?;
    Ok(())
}

async fn rest_of_text(stream: &mut (impl AsyncRead + Unpin), head: &mut Vec<u8>) -> Result<(), Error> {
    if !head.starts_with(TEXT_PREFIX) {
        return Err(malformed());
    }
    // Its length is not known before its end, and what follows belongs to the client.
    while !head.ends_with(b"\r\n") {
        if head.len() == MAX_TEXT {
            return Err(malformed());
        }
        head.push(stream.read_u8().await?);
    }
    Ok(())
}

fn malformed() -> Error {
    Error::new(ErrorKind::InvalidData, "the connection does not begin with the PROXY protocol")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head's client, and the bytes that are left.
    async fn read_all(bytes: &[u8]) -> Result<(Option<String>, Vec<u8>), ErrorKind> {
        let mut rest = bytes;
        let client = read(&mut rest).await.map_err(|error| error.kind())?;
        Ok((client.map(|client| client.to_string()), rest.to_vec()))
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [BINARY_PREFIX.as_slice(), &[0x20 | command, family], &length, rest].concat()
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_leave_the_rest() {
        let v4: &[u8] = &[203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        // A fact of a kind that is for experiments: the type, the length, three bytes.
        let with_facts = [v4, &[0xe0, 0, 3, 1, 2, 3]].concat();
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0x12, 0x67, 0, 80]].concat();
        for (head, expected) in [
            (b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n".to_vec(), Some("203.0.113.9:4711")),
            (b"PROXY TCP6 2001:db8::1 fd00::1 4711 80\r\n".to_vec(), Some("[2001:db8::1]:4711")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (version_2(1, 0x11, v4), Some("203.0.113.9:4711")),
            (version_2(1, 0x11, &with_facts), Some("203.0.113.9:4711")),
            (version_2(1, 0x21, &v6), Some("[2001:db8::1]:4711")),
            (version_2(0, 0x00, &[]), None),
            (version_2(0, 0x11, v4), None),
        ] {
            let bytes = [&*head, b"GET / HTTP/1.1\r\n"].concat();
            let expected = (expected.map(str::to_owned), b"GET / HTTP/1.1\r\n".to_vec());
            assert_eq!(read_all(&bytes).await, Ok(expected), "{head:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_head_is_refused() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        for bytes in [
            &b"GET /v1/whoami HTTP/1.1\r\n\r\n"[..],
            b"PROXY TCP4 203.0.113.9 10.0.0.1 4711\r\n",
            b"PROXY TCP4 203.0.113.999 10.0.0.1 4711 80\r\n",
            b"PROXY TCP4 2001:db8::1 fd00::1 4711 80\r\n",
            b"proxy TCP4 203.0.113.9 10.0.0.1 4711 80\r\n",
            b"PROXYXTCP4 203.0.113.9 10.0.0.1 4711 80\r\n",
            b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r evil\r\n",
            &long,
            &version_2(1, 0x11, &[0; 4]),
            &version_2(7, 0x11, &[0; 12]),
            &version_2(1, 0x11, &vec![0; MAX_REST + 1]),
        ] {
            assert_eq!(read_all(bytes).await, Err(ErrorKind::InvalidData), "{bytes:?}");
        }
        assert_eq!(read_all(b"PROXY TCP4 203").await, Err(ErrorKind::UnexpectedEof));
    }
}
