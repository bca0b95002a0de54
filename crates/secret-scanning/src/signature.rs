//! The two headers of a report: the key identifier and the signature.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;

use crate::ReportError;
use crate::public_key::is_identifier;

/// The header with the identifier of the public key.
pub const IDENTIFIER_HEADER: &str = "github-public-key-identifier";

/// The header with the signature over the raw body, in base64.
pub const SIGNATURE_HEADER: &str = "github-public-key-signature";

/// The maximum length of a P-256 signature in DER form: a sequence of two integers of 33 bytes, each with a header of two.
const MAX_SIGNATURE: usize = 72;

/// The signature of a report, before the check.
#[derive(Debug)]
pub(crate) struct ClaimedSignature<'a> {
    /// The identifier of the public key.
    pub(crate) identifier: &'a str,
    /// The signature in DER form.
    pub(crate) der: Vec<u8>,
}

impl<'a> ClaimedSignature<'a> {
    /// Reads both headers. Each must occur once, since another program could take another of two values.
    pub(crate) fn of(headers: &'a HeaderMap) -> Result<Self, ReportError> {
        let identifier = only(headers, IDENTIFIER_HEADER)?;
        let signature = only(headers, SIGNATURE_HEADER)?;
        let identifier = std::str::from_utf8(identifier).map_err(|_| ReportError::MalformedIdentifier)?;
        if !is_identifier(identifier) {
            return Err(ReportError::MalformedIdentifier);
        }
        let der = BASE64_STANDARD.decode(signature).map_err(|_| ReportError::MalformedSignature)?;
        if der.is_empty() || der.len() > MAX_SIGNATURE {
            return Err(ReportError::MalformedSignature);
        }
        Ok(Self { identifier, der })
    }
}

/// Returns the value of a header that occurs exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a [u8], ReportError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(ReportError::MissingHeader(name)),
        (Some(value), None) => Ok(value.as_bytes()),
        (Some(_), Some(_)) => Err(ReportError::DuplicateHeader(name)),
    }
}
