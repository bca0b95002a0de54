//! Smaller answers: compressed, or not sent again.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use crate::body::whole;
use crate::reply::{Reply, Whole};

/// The length from which a page is compressed. A shorter page fits in a packet anyhow.
const WORTH_IT: usize = 1_024;

/// Compresses an answer if the client accepts that and the answer allows it.
pub(crate) fn compress(sent: &HeaderMap, reply: &mut Reply) {
    let Some(Whole(content)) = reply.extensions_mut().remove::<Whole>() else { return };
    if content.len() < WORTH_IT || !accepts_gzip(sent) {
        return;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into memory does not fail.
    let Ok(compressed) = encoder.write_all(&content).and_then(|()| encoder.finish()) else { return };
    *reply.body_mut() = whole(compressed.into());
    reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    reply.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
}

/// Names the content of an answer, and leaves the content out if the client has it already.
pub(crate) fn leave_out_what_is_known(sent: &HeaderMap, reply: &mut Reply) {
    let Some(Whole(content)) = reply.extensions().get::<Whole>() else { return };
    let hash = Sha256::digest(content).iter().take(12).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let Ok(tag) = HeaderValue::try_from(format!("\"{hash}\"")) else { return };
    let is_known = sent.get(IF_NONE_MATCH) == Some(&tag);
    reply.headers_mut().insert(ETAG, tag);
    if is_known {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        *reply.body_mut() = whole(Bytes::new());
        reply.extensions_mut().remove::<Whole>();
    }
}

/// Returns whether a client accepts gzip (RFC 9110, section 12.5.3): it names gzip, and not with the weight 0.
fn accepts_gzip(sent: &HeaderMap) -> bool {
    let accepted = sent.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse::<f32>().ok());
        is_gzip && weight != Some(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_only_if_the_client_wants_it() {
        let accepts = |text: &'static str| {
            accepts_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(text))]))
        };
        assert!(accepts("gzip") && accepts("br, GZIP;q=0.5") && accepts("deflate, gzip"));
        assert!(!accepts("br") && !accepts("gzip;q=0") && !accepts("gzip;q=0.0, br") && !accepts("xgzip"));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
