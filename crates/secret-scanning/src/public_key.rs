//! The public keys that verify reports: ECDSA on the curve P-256.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

/// The start of each SubjectPublicKeyInfo of an uncompressed P-256 key (RFC 5480, section 2): the algorithm, the curve, and the
/// header of the bit string that contains the point. The strict form makes a parser of ASN.1 unnecessary.
const SPKI_HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The first byte of an uncompressed point (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// The maximum length of a key identifier in bytes. GitHub's identifiers have 64.
const MAX_IDENTIFIER: usize = 128;

/// A P-256 point in uncompressed form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PublicKey([u8; 65]);

impl PublicKey {
    /// Reads a key in PEM form (RFC 7468, section 13). Returns `None` unless it is an uncompressed P-256 key.
    pub(crate) fn from_pem(pem: &str) -> Option<Self> {
        let mut lines = pem.trim_end().lines();
        if lines.next() != Some("-----BEGIN PUBLIC KEY-----") || lines.next_back() != Some("-----END PUBLIC KEY-----") {
            return None;
        }
        let der = BASE64_STANDARD.decode(lines.collect::<String>()).ok()?;
        let point: [u8; 65] = der.strip_prefix(&SPKI_HEADER)?.try_into().ok()?;
        point.starts_with(&[UNCOMPRESSED]).then_some(Self(point))
    }

    /// Returns true if this key made the signature, an ASN.1 DER sequence, over the SHA-256 of the message.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0).verify(message, signature).is_ok()
    }
}

/// Returns true if a text can be the identifier of a public key. GitHub's documentation names no form, so any visible ASCII is
/// accepted.
pub(crate) fn is_identifier(text: &str) -> bool {
    (1..=MAX_IDENTIFIER).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the sample request in GitHub's documentation.
    const BODY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\n\
                        AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==";

    fn pem(body: &str) -> String {
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    fn is_usable(pem: &str) -> bool {
        PublicKey::from_pem(pem).is_some()
    }

    #[test]
    fn a_p256_key_is_read_with_either_line_end_and_any_line_length() {
        let key = PublicKey::from_pem(&pem(BODY)).unwrap();
        assert_eq!(PublicKey::from_pem(pem(BODY).trim_end()), Some(key));
        assert_eq!(PublicKey::from_pem(&pem(BODY).replace('\n', "\r\n")), Some(key));
        assert_eq!(PublicKey::from_pem(&pem(&BODY.replace('\n', ""))), Some(key));
    }

    #[test]
    fn a_malformed_pem_text_is_refused() {
        let good = pem(BODY);
        let (open, close) = ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----");
        for bad in [
            String::new(),
            "\n".to_owned(),
            BODY.to_owned(),
            open.to_owned(),
            format!("{open}\n{close}\n"),
            format!("{open}\n{BODY}\n"),
            format!("{BODY}\n{close}\n"),
            format!("{close}\n{BODY}\n{open}\n"),
            format!("{open}{BODY}{close}"),
            format!(" {good}"),
            format!("comment\n{good}"),
            format!("{good}comment\n"),
            format!("{good}{good}"),
            good.replace("PUBLIC", "PRIVATE"),
            good.replace("PUBLIC", "EC PUBLIC"),
            good.replace("-----BEGIN", "----BEGIN"),
            good.replace("-----END PUBLIC", "-----END PRIVATE"),
            good.replace("END PUBLIC KEY-----", "END PUBLIC KEY----"),
            good.replace("==", ""),
            good.replace("==", "="),
            good.replace("==", "==="),
            good.replace("Vw==", "Vx=="),
            good.replace('/', "_"),
            good.replace('\n', "\n\t"),
            good.replacen("MFkw", "MFkw:", 1),
            good.replacen("MFkw", "MFkw\nProc-Type: 4,ENCRYPTED\n", 1),
        ] {
            assert!(!is_usable(&bad), "{bad:?}");
        }
    }

    #[test]
    fn each_other_header_or_length_of_the_key_is_refused() {
        let der = BASE64_STANDARD.decode(BODY.replace('\n', "")).unwrap();
        let usable = |der: &[u8]| is_usable(&pem(&BASE64_STANDARD.encode(der)));
        assert!(usable(&der));
        for (at, bit) in (0..=SPKI_HEADER.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut other = der.clone();
            other[at] ^= 1 << bit;
            assert!(!usable(&other), "bit {bit} of byte {at}");
        }
        (0..der.len()).for_each(|length| assert!(!usable(&der[..length]), "{length} bytes"));
        assert!(!usable(&[&der[..], &[0]].concat()) && !usable(&[&[0], &der[..]].concat()));
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        for (kind, body) in [
            (
                "P-384",
                "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAERtxe8QOjM7Y9g64nd8LtFA/OsW20flw/+08e2ufzEa2DLNIr3pg6LZovLjpVRjaeY+QsdrJVUNm\
                 MzYT69+bSZXKPLHCRD8mgqhedgORsNINK0PM5Zg+kCfnjopgOxL3m",
            ),
            (
                "secp256k1",
                "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEu5nSalivq8lGDRvn+zs7yr4Q/mSLRwGCF/qB65ZguJI/1oVU3KWaFlZOR8ba00h0Xvxejm3sZi2\
                 6h3yUSMgcMA==",
            ),
            ("Ed25519", "MCowBQYDK2VwAyEAw9uB0ZF4dbzeb346WNI1SR4HR+njFz17K41W8ZzMZME="),
            (
                "RSA",
                "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDP6Q4dfz/RgC63RJUXA5WcfAItLuVODV9u8H/S/r6+4dPiR4Ta5bx8bON+2DDVruir7tt\
                 xZIZ+yAv4p/eOYyO2zF+GLwlXTunfOEqP+X+0tsB953XbNQaoZrsbGDOSBuO3SZ5fGnt52X5AZWRtfqxWykY50k3JLJWzH+Kli8SA1wIDAQAB",
            ),
            ("compressed P-256", "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADYAGMWO8XgCamYKMJS6jc/qgvSlAdAjPuDPRcXU22Yxg="),
        ] {
            assert!(BASE64_STANDARD.decode(body).is_ok() && !is_usable(&pem(body)), "{kind}");
        }
    }

    #[test]
    fn a_point_that_is_not_on_the_curve_verifies_nothing() {
        let mut point = [0x55; 65];
        point[0] = UNCOMPRESSED;
        let signature = [0x30, 6, 2, 1, 1, 2, 1, 1];
        assert!(!PublicKey(point).has_signed(b"", &signature));
    }

    #[test]
    fn an_identifier_is_short_visible_ascii() {
        let longest = "a".repeat(MAX_IDENTIFIER);
        assert!(["a", "bcb53661", "~!", &longest].into_iter().all(is_identifier));
        let too_long = "a".repeat(MAX_IDENTIFIER + 1);
        assert!(!["", " ", "a b", "a\n", "a\0", "\u{7f}", "\u{e9}", &too_long].into_iter().any(is_identifier));
    }
}
