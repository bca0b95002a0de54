//! Every encoding of a value, and look-alikes.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use doorward_key::PresentedKey;
use doorward_scan::{Encoding, Finder, Kind};
use doorward_types::Environment;

use crate::{finder, key, key_of, locator, token};

/// Asserts that the text holds this value and nothing else. Returns the encoding.
fn found(finder: &Finder, text: &[u8], value: &str) -> Encoding {
    let found = finder.find(text);
    let shown = String::from_utf8_lossy(text);
    assert_eq!(found.len(), 1, "{shown}: {found:?}");
    assert_eq!(found[0].locator.to_string(), locator(value), "{shown}");
    assert!(!format!("{found:?}").contains(value));
    found[0].encoding
}

/// Returns values of every kind, each with its finder.
fn values() -> Vec<(Finder, String)> {
    let mut values = vec![(finder(), token())];
    for prefix in ["dw", "a", "acme", "abcdefghijklmnop", "dwo", "zz9", "kj"] {
        for environment in [Environment::Production, Environment::Test] {
            values.push((Finder::new(&prefix.parse().unwrap()), key_of(prefix, environment)));
        }
    }
    values
}

#[test]
fn a_value_is_found_as_it_is() {
    for (finder, value) in values() {
        for text in [value.clone(), format!("\"{value}\""), format!("xx{value}yy"), format!("dw_test_{value}\n")] {
            assert_eq!(found(&finder, text.as_bytes(), &value), Encoding::Plain);
        }
    }
}

#[test]
fn a_finding_has_the_digest_the_kind_and_the_place() {
    let key = key_of("dw", Environment::Production);
    let text = format!("one\ntwo\n  {key}");
    let found = finder().find(text.as_bytes());
    let parsed = PresentedKey::parse(finder().prefix(), key.as_bytes()).unwrap();
    assert!(found[0].digest == parsed.digest());
    assert_eq!((found[0].kind, found[0].line), (Kind::AccessKey(Environment::Production), 3));
    assert_eq!((found[0].offset, found[0].length), (10, key.len()));
    assert_eq!(finder().find(token().as_bytes())[0].kind, Kind::OperatorToken);
}

#[test]
fn a_value_is_found_in_utf_16() {
    let wide = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    for (finder, value) in values() {
        for around in ["", "x", "ключ = ", "\u{feff}"] {
            let text = format!("{around}{value}{around}");
            assert_eq!(found(&finder, &wide(&text, u16::to_le_bytes), &value), Encoding::Utf16Le);
            assert_eq!(found(&finder, &wide(&text, u16::to_be_bytes), &value), Encoding::Utf16Be);
        }
    }
}

#[test]
fn a_value_is_found_in_base64_of_every_alignment_and_alphabet() {
    for (finder, value) in values() {
        for before in 0..7 {
            for after in ["", "x", "\nmore: yes\n"] {
                let text = format!("{}{value}{after}", "?~>ÿ<|".chars().take(before).collect::<String>());
                for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
                    let encoded = format!("data: \"{}\"", engine.encode(&text));
                    assert_eq!(found(&finder, encoded.as_bytes(), &value), Encoding::Base64, "{text}");
                }
            }
        }
    }
}

#[test]
fn a_value_is_found_in_base64_in_lines() {
    for (finder, value) in values() {
        for before in 0..150 {
            let text = format!("{}{value}{}", "y".repeat(before), "z".repeat(80));
            for (width, end) in [(76, "\n"), (64, "\r\n"), (60, "\n    ")] {
                let encoded = STANDARD.encode(&text);
                let lines: Vec<_> =
                    encoded.as_bytes().chunks(width).map(|line| str::from_utf8(line).unwrap()).collect();
                let lines = lines.join(end);
                let found = finder.find(lines.as_bytes());
                // The head of a token is too short for an indented break within it.
                let is_short = value.starts_with("dwo_") && end.ends_with(' ');
                assert!(found.len() == 1 || (is_short && found.is_empty()), "{before} {width}: {lines} {found:?}");
            }
        }
    }
    let value = key();
    let mail = STANDARD.encode(format!("{}{value}", "y".repeat(40)));
    let (left, right) = mail.split_at(76);
    assert_eq!(found(&finder(), format!("{{\"key\": \"{left}\\n{right}\"}}").as_bytes(), &value), Encoding::Base64);
}

#[test]
fn a_value_is_found_percent_encoded() {
    for (finder, value) in values() {
        let all = |upper: bool| -> String {
            value.bytes().map(|byte| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") }).collect()
        };
        let once = value.replace('_', "%5F");
        for text in [once.clone(), value.replace('_', "%5f"), once.replace('%', "%25"), all(true), all(false)] {
            let url = format!("https://example.com/?next=1&key={text}&x=%20");
            assert_eq!(found(&finder, url.as_bytes(), &value), Encoding::Percent);
            assert_eq!(found(&finder, text.as_bytes(), &value), Encoding::Percent);
        }
    }
}

#[test]
fn a_look_alike_is_not_found() {
    for (finder, value) in values() {
        let last = if value.ends_with('0') { "1" } else { "0" };
        let wrong = format!("{}{last}", &value[..value.len() - 1]);
        let short = &value[..value.len() - 1];
        for text in [&wrong, short, &value.to_uppercase(), &value.replacen('_', "-", 1)] {
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let forms = [
                text.as_bytes().to_vec(),
                wide,
                STANDARD.encode(text).into_bytes(),
                text.replace('_', "%5F").into_bytes(),
            ];
            for form in forms {
                assert_eq!(finder.find(&form), vec![], "{}", String::from_utf8_lossy(&form));
            }
        }
    }
    // A key of another service.
    assert_eq!(finder().find(key_of("acme", Environment::Test).as_bytes()), vec![]);
}

#[test]
fn each_of_several_values_is_found_once() {
    let values = [key(), token(), key(), key()];
    let all = format!("{}\n{}{}\n{}", values[0], values[1], values[2], STANDARD.encode(&values[3]));
    let found = finder().find(all.as_bytes());
    let lines: Vec<_> = found.iter().map(|found| (found.locator.to_string(), found.line)).collect();
    let expected: Vec<_> = values.iter().map(|value| locator(value).to_owned()).zip([1, 2, 2, 3]).collect();
    assert_eq!(lines, expected);
}
