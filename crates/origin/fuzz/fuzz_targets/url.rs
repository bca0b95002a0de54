//! Checks with Ada (the parser of Node and of Cloudflare Workers) that each allowed URL has a listed origin.

#![no_main]

use std::sync::LazyLock;

use doorward_origin::{AllowList, AllowedOrigin, CustomSchemes};

static LIST: LazyLock<AllowList> = LazyLock::new(|| {
    let entries =
        ["app.example.com", "a.co:8443", "localhost:3000", "127.0.0.1:80", "[::1]:1", "https://localhost", "a.b://c"];
    let parse = |entry| AllowedOrigin::parse(entry, CustomSchemes::Allowed).expect("an entry");
    entries.map(parse).into_iter().collect()
});

// The first byte chooses the input: the text as a URL, the text after an entry, the text after an entry without its last byte,
// or the text as an entry.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((choice, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let entry = LIST.entries().get(usize::from(choice / 4)).map(ToString::to_string);
    match (entry, choice % 4) {
        (Some(entry), 0 | 1) => judge(&format!("{entry}{text}")),
        (Some(entry), _) => judge(&format!("{}{text}", &entry[..entry.len() - 1])),
        (None, 0) => {
            if let Ok(entry) = AllowedOrigin::parse(text, CustomSchemes::Allowed) {
                let list: AllowList = [entry.clone()].into_iter().collect();
                assert_eq!(list.check(&format!("{entry}/x")), Ok(entry));
            }
        }
        (None, _) => judge(text),
    }
});

fn judge(text: &str) {
    if let Ok(entry) = LIST.check(text) {
        let theirs = ada_url::Url::parse(text, None).expect("Ada reads it too");
        // Ada returns an opaque origin for other schemes.
        match entry.scheme() {
            "http" | "https" => assert_eq!(theirs.origin(), entry.to_string()),
            _ => assert_eq!(format!("{}//{}", theirs.protocol(), theirs.host()), entry.to_string()),
        }
        assert!(theirs.username().is_empty() && theirs.password().is_empty());
    }
}
