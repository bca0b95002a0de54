//! The signature of a report, and the order of the checks.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use doorward_secret_scanning::{IDENTIFIER_HEADER, ReportError, SIGNATURE_HEADER};
use http::{HeaderMap, HeaderValue, StatusCode};
use ring::digest::{SHA256, digest};

use crate::support::{BODY, Signer, World, headers, texts};

/// A signed report: body, key identifier, signature, public key.
struct Sample {
    body: &'static str,
    identifier: &'static str,
    signature: &'static str,
    key: &'static str,
}

/// The sample request of GitHub's documentation. The page has no key, but GitHub's list has the key under this identifier.
const SAMPLE: Sample = Sample {
    body: r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#,
    identifier: "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c",
    signature: "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==",
    key: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\\n\
          AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==",
};

/// The sample request of an earlier edition of the same page, which also has the public key.
const EARLIER_SAMPLE: Sample = Sample {
    body: r#"[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]"#,
    identifier: "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d",
    signature: "MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrvAiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY=",
    key: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\\n\
          HzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==",
};

impl Sample {
    /// Returns the public key in PEM form, with escaped line ends.
    fn pem(&self) -> String {
        format!(r"-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", self.key)
    }

    /// Returns a service whose server publishes the sample's key.
    async fn world(&self) -> World {
        let world = World::new().await;
        let pem = self.pem();
        let list = format!(
            r#"{{"public_keys":[{{"key_identifier":"{}","key":"{pem}","is_current":true}}]}}"#,
            self.identifier
        );
        world.server.answers(StatusCode::OK, list);
        world
    }

    fn headers(&self) -> HeaderMap {
        headers(self.identifier, self.signature)
    }
}

#[tokio::test]
async fn the_sample_requests_of_githubs_documentation_verify() {
    for (sample, url, source) in
        [(SAMPLE, "https://example.com/base-repo-url/", "commit"), (EARLIER_SAMPLE, "some_url", "some_source")]
    {
        let world = sample.world().await;
        let tokens = world.keys.verify(&sample.headers(), sample.body.as_bytes()).await.unwrap();
        assert_eq!(tokens.len(), 1);
        assert_eq!((tokens[0].token.as_str(), tokens[0].kind.as_str()), ("some_token", "some_type"));
        assert_eq!((tokens[0].url.as_deref(), tokens[0].source.as_deref()), (Some(url), Some(source)));
    }
}

/// GitHub does not document this form of the identifiers, so the crate does not rely on it.
#[test]
fn each_samples_identifier_is_the_hash_of_its_key_and_so_proves_the_key() {
    for sample in [SAMPLE, EARLIER_SAMPLE] {
        let hash = digest(&SHA256, sample.pem().replace("\\n", "\n").as_bytes());
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, sample.identifier);
    }
}

#[tokio::test]
async fn a_body_with_a_flipped_bit_is_refused() {
    let world = SAMPLE.world().await;
    for (at, bit) in (0..SAMPLE.body.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut body = SAMPLE.body.as_bytes().to_vec();
        body[at] ^= 1 << bit;
        let refused = world.keys.verify(&SAMPLE.headers(), &body).await;
        assert!(matches!(refused, Err(ReportError::BadSignature)), "bit {bit} of byte {at}");
    }
}

#[tokio::test]
async fn a_body_of_another_length_is_refused() {
    let world = SAMPLE.world().await;
    let body = SAMPLE.body.as_bytes();
    let longer = [body, b"\n"].concat();
    for other in (0..body.len()).map(|length| &body[..length]).chain([&longer[..], &body[1..]]) {
        let refused = world.keys.verify(&SAMPLE.headers(), other).await;
        assert!(matches!(refused, Err(ReportError::BadSignature)), "{} bytes", other.len());
    }
}

#[tokio::test]
async fn a_signature_with_a_flipped_bit_or_another_length_is_refused() {
    let world = SAMPLE.world().await;
    let der = BASE64_STANDARD.decode(SAMPLE.signature).unwrap();
    let verify = async |der: &[u8]| {
        let headers = headers(SAMPLE.identifier, &BASE64_STANDARD.encode(der));
        world.keys.verify(&headers, SAMPLE.body.as_bytes()).await
    };
    assert!(verify(&der).await.is_ok());
    for (at, bit) in (0..der.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut other = der.clone();
        other[at] ^= 1 << bit;
        assert!(matches!(verify(&other).await, Err(ReportError::BadSignature)), "bit {bit} of byte {at}");
    }
    for length in 1..der.len() {
        assert!(matches!(verify(&der[..length]).await, Err(ReportError::BadSignature)), "{length} bytes");
    }
    assert!(matches!(verify(&[]).await, Err(ReportError::MalformedSignature)));
    // Up to 72 bytes the length is possible, so the signature is checked.
    assert!(matches!(verify(&[&der[..], &[0, 0]].concat()).await, Err(ReportError::BadSignature)));
    assert!(matches!(verify(&[&der[..], &[0, 0, 0]].concat()).await, Err(ReportError::MalformedSignature)));
}

#[tokio::test]
async fn a_signature_that_is_not_strict_base64_is_refused() {
    let world = SAMPLE.world().await;
    let good = SAMPLE.signature;
    for bad in [
        "",
        "-",
        "=",
        "quoted!",
        good.trim_end_matches('='),
        &format!("{good}="),
        &format!(" {good}"),
        &format!("{good} "),
        &good.replace('/', "_"),
        // The last character has bits that no byte takes.
        &good.replace("xg==", "xh=="),
        &format!("{good}{good}"),
    ] {
        let refused = world.keys.verify(&headers(SAMPLE.identifier, bad), SAMPLE.body.as_bytes()).await.unwrap_err();
        assert!(matches!(refused, ReportError::MalformedSignature), "{bad}: {refused}");
    }
    assert_eq!(world.server.fetches(), 0);
}

#[tokio::test]
async fn a_signature_of_another_key_is_refused() {
    let world = World::new().await;
    let [one, other] = ["one", "other"].map(Signer::new);
    world.server.publishes(&[&one, &other]);
    assert!(world.report(&one).await.is_ok() && world.report(&other).await.is_ok());
    let mut exchanged = one.sign(BODY);
    exchanged.insert(IDENTIFIER_HEADER, HeaderValue::from_static("other"));
    assert!(matches!(world.keys.verify(&exchanged, BODY).await, Err(ReportError::BadSignature)));
}

#[tokio::test]
async fn each_header_must_occur_once() {
    let world = SAMPLE.world().await;
    let verify = async |headers: &HeaderMap| world.keys.verify(headers, SAMPLE.body.as_bytes()).await.unwrap_err();
    for name in [IDENTIFIER_HEADER, SIGNATURE_HEADER] {
        let mut missing = SAMPLE.headers();
        missing.remove(name);
        assert!(matches!(verify(&missing).await, ReportError::MissingHeader(of) if of == name));
        let value = SAMPLE.headers()[name].clone();
        for second in [value, HeaderValue::from_static(""), HeaderValue::from_static("quoted")] {
            let mut twice = SAMPLE.headers();
            twice.append(name, second);
            assert!(matches!(verify(&twice).await, ReportError::DuplicateHeader(of) if of == name));
        }
    }
    assert!(matches!(verify(&HeaderMap::new()).await, ReportError::MissingHeader(_)));
    assert_eq!(world.server.fetches(), 0);
}

#[tokio::test]
async fn a_malformed_identifier_is_refused_without_a_fetch() {
    let world = SAMPLE.world().await;
    let too_long = "a".repeat(129);
    for bad in [&b""[..], b"a b", b"a\tb", b"\xff", "\u{e9}".as_bytes(), too_long.as_bytes()] {
        let mut headers = SAMPLE.headers();
        headers.insert(IDENTIFIER_HEADER, HeaderValue::from_bytes(bad).unwrap());
        let refused = world.keys.verify(&headers, SAMPLE.body.as_bytes()).await.unwrap_err();
        assert!(matches!(refused, ReportError::MalformedIdentifier), "{bad:?}: {refused}");
    }
    assert_eq!(world.server.fetches(), 0);
}

#[tokio::test]
async fn an_identifier_is_compared_exactly() {
    let world = SAMPLE.world().await;
    let good = SAMPLE.identifier;
    for other in [&good.to_uppercase(), &good[1..], &good[..63], &format!("{good}a")] {
        let refused = world.keys.verify(&headers(other, SAMPLE.signature), SAMPLE.body.as_bytes()).await;
        assert!(matches!(refused, Err(ReportError::UnknownKey)), "{other}");
    }
}

#[tokio::test]
async fn the_signature_is_checked_before_the_body() {
    let world = World::new().await;
    let [known, stranger] = ["known", "known"].map(Signer::new);
    world.server.publishes(&[&known]);
    for body in [&b""[..], b"no JSON", b"{}", b"\xff"] {
        let signed = world.keys.verify(&known.sign(body), body).await;
        assert!(matches!(signed, Err(ReportError::MalformedBody { .. })), "{signed:?}");
        let forged = world.keys.verify(&stranger.sign(body), body).await;
        assert!(matches!(forged, Err(ReportError::BadSignature)), "{forged:?}");
    }
    let many = format!("[{}]", vec![r#"{"token":"a","type":"t"}"#; 1_001].join(","));
    let signed = world.keys.verify(&known.sign(many.as_bytes()), many.as_bytes()).await;
    assert!(matches!(signed, Err(ReportError::TooManyTokens)), "{signed:?}");
}

#[tokio::test]
async fn an_error_names_who_is_at_fault_and_quotes_nothing() {
    let world = World::new().await;
    let known = Signer::new("known");
    world.server.publishes(&[&known]);
    let body = br#"[{"token":"quoted","type":1}]"#;
    let mut twice = headers("quoted", "cXVvdGVk");
    twice.append(SIGNATURE_HEADER, HeaderValue::from_static("cXVvdGVk"));
    for headers in [
        HeaderMap::new(),
        twice,
        headers("quoted quoted", "cXVvdGVk"),
        headers("quoted", "quoted!"),
        headers("quoted", "cXVvdGVk"),
        headers("known", "cXVvdGVk"),
        known.sign(body),
    ] {
        let error = world.keys.verify(&headers, body).await.unwrap_err();
        assert!(error.is_fault_of_sender(), "{error}");
        let texts = texts(&error);
        assert!(!["quoted", "cXVvdGVk"].iter().any(|sent| texts.contains(sent)), "{texts}");
    }
}
