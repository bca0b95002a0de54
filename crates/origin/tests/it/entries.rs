//! Valid entries, invalid ones, and the suggested entry for an invalid one.

use doorward_origin::{AllowList, AllowedOrigin, CustomSchemes, EntryErrorKind};
use proptest::prelude::*;

#[test]
fn an_entry_is_one_origin_in_its_canonical_form() {
    for (text, canonical, entry) in [
        ("app.example.com", "https://app.example.com", "app.example.com"),
        ("https://app.example.com", "https://app.example.com", "app.example.com"),
        ("app.example.com:443", "https://app.example.com", "app.example.com"),
        ("HTTPS://App.Example.com:443", "https://app.example.com", "app.example.com"),
        ("app.example.com:8443", "https://app.example.com:8443", "app.example.com:8443"),
        ("app.example.com:80", "https://app.example.com:80", "app.example.com:80"),
        ("localhost:3000", "http://localhost:3000", "localhost:3000"),
        ("localhost", "http://localhost", "localhost"),
        ("http://localhost:80", "http://localhost", "localhost"),
        ("https://localhost:3000", "https://localhost:3000", "https://localhost:3000"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
        ("192.0.2.7", "https://192.0.2.7", "192.0.2.7"),
        ("[2001:db8::7]", "https://[2001:db8::7]", "[2001:db8::7]"),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("my_app.example.com", "https://my_app.example.com", "my_app.example.com"),
        ("intranet", "https://intranet", "intranet"),
    ] {
        let read: AllowedOrigin = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((read.to_string().as_str(), read.entry().as_str()), (canonical, entry), "{text}");
        assert_eq!(read.entry().parse(), Ok(read));
    }
}

#[test]
fn an_invalid_entry_is_refused_with_a_reason_and_a_suggestion() {
    use EntryErrorKind as Fault;
    for (text, fault, meant) in [
        ("", Fault::Empty, None),
        ("*", Fault::Wildcard, None),
        ("*.example.com", Fault::Wildcard, None),
        ("https://*.example.com:8443", Fault::Wildcard, None),
        ("app.example.com/", Fault::Path, Some("app.example.com")),
        ("https://app.example.com/callback?x=1", Fault::Path, Some("app.example.com")),
        ("localhost:3000/callback", Fault::Path, Some("localhost:3000")),
        ("http://localhost:3000/callback", Fault::Path, Some("localhost:3000")),
        ("https://localhost:3000/callback", Fault::Path, Some("https://localhost:3000")),
        ("app.example.com?x", Fault::Query, Some("app.example.com")),
        ("app.example.com#x", Fault::Fragment, Some("app.example.com")),
        ("user@app.example.com", Fault::UserInformation, Some("app.example.com")),
        ("https://user:secret@app.example.com", Fault::UserInformation, Some("app.example.com")),
        ("http://app.example.com", Fault::Insecure, Some("app.example.com")),
        ("http://127.0.0.2:8080", Fault::Insecure, Some("127.0.0.2:8080")),
        ("http://app.example.com:8080", Fault::Insecure, Some("app.example.com:8080")),
        ("127.1:3000", Fault::OddAddress, Some("127.0.0.1:3000")),
        ("0x7f000001", Fault::OddAddress, Some("127.0.0.1")),
        ("2130706433", Fault::OddAddress, Some("127.0.0.1")),
        ("017700000001", Fault::OddAddress, Some("127.0.0.1")),
        ("192.0.2.07", Fault::OddAddress, Some("192.0.2.7")),
        ("[0:0::1]:3000", Fault::OddAddress, Some("[::1]:3000")),
        ("[::ffff:192.0.2.7]", Fault::OddAddress, Some("[::ffff:c000:207]")),
        ("[::1", Fault::Host, None),
        ("::1", Fault::Host, None),
        ("app.example.com.", Fault::TrailingDot, Some("app.example.com")),
        ("app.example.com.:8443", Fault::TrailingDot, Some("app.example.com:8443")),
        ("app%2eexample.com", Fault::Percent, Some("app.example.com")),
        ("bücher.example", Fault::NonAscii, Some("xn--bcher-kva.example")),
        ("ａpp.example.com", Fault::NonAscii, Some("app.example.com")),
        ("app。example。com", Fault::NonAscii, Some("app.example.com")),
        ("null", Fault::Null, None),
        ("NULL", Fault::Null, None),
        ("com.example.app://callback", Fault::CustomScheme, None),
        ("javascript://app.example.com", Fault::CustomScheme, None),
        ("ws://app.example.com", Fault::CustomScheme, None),
        ("://app.example.com", Fault::CustomScheme, None),
        ("javascript:alert(1)", Fault::Port, None),
        ("app.example.com:0", Fault::Port, None),
        ("app.example.com:65536", Fault::Port, None),
        ("app.example.com:", Fault::Port, Some("app.example.com")),
        ("app.example.com:08443", Fault::Port, Some("app.example.com:8443")),
        ("app.example.com:+80", Fault::Port, None),
        ("app.example.com:8443:8443", Fault::Host, None),
        (" app.example.com", Fault::Whitespace, Some("app.example.com")),
        ("app.exam\tple.com", Fault::Whitespace, Some("app.example.com")),
        ("app.example.com\n", Fault::Whitespace, Some("app.example.com")),
        ("app.example.com\\evil", Fault::Backslash, Some("app.example.com")),
        ("app..example.com", Fault::Host, None),
        (".example.com", Fault::Host, None),
        ("app.example.com,evil.example", Fault::Host, None),
        ("app!.example.com", Fault::Host, None),
        ("xn--a.example", Fault::Host, None),
        ("https://", Fault::Host, None),
        ("https://https://app.example.com", Fault::Path, None),
    ] {
        let error = text.parse::<AllowedOrigin>().expect_err(text);
        assert_eq!((error.fault, error.meant.as_deref()), (fault, meant), "{text}");
    }
    assert_eq!(
        format!("{}.example.com", "a".repeat(64)).parse::<AllowedOrigin>().unwrap_err().fault,
        EntryErrorKind::Host
    );
    assert_eq!("a.".repeat(200).parse::<AllowedOrigin>().unwrap_err().fault, EntryErrorKind::Length);
}

#[test]
fn an_error_names_the_reason_and_the_suggestion() {
    let error = "http://app.example.com/callback".parse::<AllowedOrigin>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "this cannot be an allowed origin: an entry ends with its host or port: no path, not even `/`; did you mean \
         `app.example.com`?"
    );
}

#[test]
fn app_schemes_need_a_setting_and_match_exactly() {
    let parse = |text| AllowedOrigin::parse(text, CustomSchemes::Allowed);
    let app = parse("com.example.app://callback").unwrap();
    let list: AllowList = [app].into_iter().collect();
    assert!(list.check("com.example.app://callback").is_ok());
    assert!(list.check("com.example.app://callback/done?code=1").is_ok());
    for other in [
        "com.example.app:callback",
        "com.example.app:/callback",
        "com.example.app:///callback",
        "com.example.app://callback2",
        "com.example.app://other/callback",
        "com.example.app2://callback",
        "com.example.app://callback:1",
        "com.example.app://user@callback",
        "https://callback",
    ] {
        assert!(list.check(other).is_err(), "{other}");
    }
    for refused in ["javascript://x", "data://x", "file://x", "app://x", "com.example.app://", "com.example.app://a:1"]
    {
        assert!(parse(refused).is_err(), "{refused}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, failure_persistence: None, ..ProptestConfig::default() })]

    /// An accepted entry matches some URL, and matches only by its own text.
    #[test]
    fn an_accepted_entry_matches_itself(text in entries()) {
        for schemes in [CustomSchemes::Refused, CustomSchemes::Allowed] {
            if let Ok(entry) = AllowedOrigin::parse(&text, schemes) {
                let list: AllowList = [entry.clone()].into_iter().collect();
                for rest in ["", "/", "/callback?a=b#c", "?x", "#y"] {
                    prop_assert_eq!(list.check(&format!("{entry}{rest}")), Ok(entry.clone()));
                }
                prop_assert_eq!(AllowedOrigin::parse(&entry.to_string(), schemes), Ok(entry.clone()));
                prop_assert_eq!(AllowedOrigin::parse(&entry.entry(), schemes), Ok(entry));
            }
        }
    }

    #[test]
    fn a_suggested_entry_is_accepted(text in entries()) {
        if let Err(error) = text.parse::<AllowedOrigin>()
            && let Some(meant) = error.meant
        {
            prop_assert!(meant.parse::<AllowedOrigin>().is_ok(), "{} for {}", meant, text);
        }
    }
}

/// Texts that look like entries, and some that do not.
fn entries() -> impl Strategy<Value = String> {
    let scheme =
        prop_oneof![Just(""), Just("https://"), Just("http://"), Just("HTTPS://"), Just("com.a.b://"), Just("ws://")];
    let host = prop_oneof![
        "[a-z0-9.-]{1,12}",
        "[a-zA-Z0-9._*%@:/\\\\ü-]{0,12}",
        "[0-9a-fx]{1,4}(\\.[0-9a-fx]{1,4}){0,3}",
        "\\[[0-9a-f:.]{2,12}\\]",
        Just("localhost".to_owned()),
        ".{0,8}",
    ];
    let rest = prop_oneof![Just(String::new()), ":[0-9]{0,6}", "[/?#:@].{0,4}"];
    (scheme, host, rest).prop_map(|(scheme, host, rest)| format!("{scheme}{host}{rest}"))
}
