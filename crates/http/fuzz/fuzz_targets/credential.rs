#![no_main]

#[path = "../../tests/it/oracle/mod.rs"]
mod oracle;

use doorward_http::credential;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    if let Ok(header) = HeaderValue::from_bytes(value) {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, header)]);
        let found = credential(&headers).ok().filter(|found| !found.is_empty());
        assert_eq!(found, oracle::credential(value));
    }
});
