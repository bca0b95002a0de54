//! Keys as other services make and store them. Every hash here was computed by another implementation (Python's hashlib).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_key::{ImportError, ImportFormat, ImportedDigest, KeyPrefix, PresentedForeignKey};

const PLAIN: &str = "sk_live_51H8zTqLw0p9vYbN3cXe2Rk7";
const PLAIN_SHA256: &str = "699fbfc5b9ebbb742ea4cb0fa2f5d9b2be20cfc7f2f16cfafb7ebc27a7d510bc";

/// The keys of other services: the text, the format, and what is imported.
fn keys() -> [(&'static str, ImportFormat, ImportedDigest); 5] {
    let prefixed = ImportedDigest::prefixed_api_key(
        &KeyPrefix::default(),
        "mycompany_BRTRKFsL",
        "d70d981d87b449c107327c2a2afbf00d4b58070d6ba571aac35d7ea3e7c79f37",
    );
    [
        (PLAIN, ImportFormat::Sha256, ImportedDigest::sha256(PLAIN_SHA256).unwrap()),
        // As Unkey stores it.
        (
            "proj_3ZHwqjX7pHcyJSpHcDsFbmKT",
            ImportFormat::Sha256,
            ImportedDigest::sha256("obWSF8FgALoWmA/HSfyQGb4OJ8MwUASb2HG1wu08/Jk=").unwrap(),
        ),
        // As better-auth stores it.
        (
            "NlnPqBXVLKcRZkZqJmEoWvTsYhUaGdFbXcQeRtYuIoPaSdFgHjKlZxCvBnMqWeRt",
            ImportFormat::Sha256,
            ImportedDigest::sha256("IexHpBJgFVnawYHbNLy2xBugfb9bnNA-zzfz2_-lMu4").unwrap(),
        ),
        // As djangorestframework-api-key stores it.
        (
            "aPdWuRbN.kJ3mQx8vZc2tYh6nLs9fGw1pEr5uTb7D",
            ImportFormat::Sha512,
            ImportedDigest::sha512("sha512$$fa0ff5c1b6539b298e62b2c97d0c3f5baa91659ff7c9270c899fedf64fca53475b4329c28416f6d501b1f80fcf6b08c9f9d992cda83f0a348255ba4a08467fed").unwrap(),
        ),
        // The example of prefixed-api-key.
        ("mycompany_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG", ImportFormat::PrefixedApiKey, prefixed.unwrap()),
    ]
}

fn digest(text: &str, format: ImportFormat) -> Option<ImportedDigest> {
    PresentedForeignKey::peek(&KeyPrefix::default(), text.as_bytes())?.digest(format)
}

#[test]
fn each_key_has_its_imported_digest_in_its_own_format_only() {
    for (text, format, imported) in keys() {
        for other in ImportFormat::ALL {
            assert_eq!(digest(text, other) == Some(imported), other == format, "{text} as {other}");
        }
        assert_eq!(imported.format(), format);
    }
}

#[test]
fn another_text_has_another_digest() {
    for (text, format, imported) in keys() {
        for place in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            *changed.get_mut(place).unwrap() ^= 1;
            let found = PresentedForeignKey::peek(&KeyPrefix::default(), &changed);
            assert!(found.and_then(|found| found.digest(format)) != Some(imported), "{text} at {place}");
        }
        assert!(digest(&format!("{text}x"), format) != Some(imported));
        assert!(digest(&format!("x{text}"), format) != Some(imported));
    }
}

#[test]
fn the_stored_digest_and_the_locator_are_as_documented() {
    let imported = ImportedDigest::sha256(PLAIN_SHA256).unwrap();
    let hex: String = imported.digest().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "870343f0edbd02965651e333f8e2b7e52734400dfece4193fc400d6f15f031e1");
    assert_eq!(imported.locator().as_str(), "KhtpG0E5wC");
}

#[test]
fn a_digest_is_read_in_every_common_form() {
    let expected = ImportedDigest::sha256(PLAIN_SHA256).unwrap();
    for form in [
        PLAIN_SHA256.to_uppercase(),
        "aZ+/xbnru3QupMsPovXZsr4gz8fy8Wz6+368J6fVELw=".to_owned(),
        "aZ-_xbnru3QupMsPovXZsr4gz8fy8Wz6-368J6fVELw".to_owned(),
    ] {
        assert!(ImportedDigest::sha256(&form) == Ok(expected), "{form}");
    }
}

#[test]
fn what_is_no_digest_is_refused_with_the_reason() {
    for password in ["pbkdf2_sha256$870000$c2FsdA$aGFzaA==", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=65536"]
    {
        assert_eq!(ImportedDigest::sha256(password), Err(ImportError::PasswordHash));
        assert_eq!(ImportedDigest::sha512(password), Err(ImportError::PasswordHash));
    }
    let (long, cut) = (format!("{PLAIN_SHA256}00"), PLAIN_SHA256.get(2..).unwrap());
    for wrong in ["", "zz", &long, cut, &"é".repeat(32), &PLAIN_SHA256.replace('6', "g"), &"A".repeat(44)] {
        assert!(matches!(ImportedDigest::sha256(wrong), Err(ImportError::Length(_))), "{wrong}");
    }
    assert!(matches!(ImportedDigest::sha512(PLAIN_SHA256), Err(ImportError::Length(_))));
}

#[test]
fn a_text_that_begins_like_our_own_is_never_a_foreign_key() {
    let prefix: KeyPrefix = "sk".parse().unwrap();
    for own in ["sk_test_51H8zTqLw0p9vYbN3cXe2Rk7", "sk_prod_51H8zTqLw0p9vYbN3cXe2Rk7", "dwo_51H8zTqLw0p9vYbN3cXe2Rk7"]
    {
        assert!(PresentedForeignKey::peek(&prefix, own.as_bytes()).is_none(), "{own}");
        assert_eq!(ImportedDigest::check_beginning(&prefix, own), Err(ImportError::OwnPrefix));
        let handle = own.rsplit_once('_').unwrap().0;
        assert_eq!(ImportedDigest::prefixed_api_key(&prefix, handle, PLAIN_SHA256), Err(ImportError::OwnPrefix));
    }
    for other in [PLAIN, "sk_testing_51H8zTqLw0p9vYb", "ask_test_51H8zTqLw0p9vYb"] {
        assert!(PresentedForeignKey::peek(&prefix, other.as_bytes()).is_some(), "{other}");
    }
}

#[test]
fn only_tokens_of_a_sensible_length_are_foreign_keys() {
    let is_one = |text: &[u8]| PresentedForeignKey::peek(&KeyPrefix::default(), text).is_some();
    assert!(is_one(&[b'a'; 16]) && is_one(&[b'a'; 512]) && is_one(b"aZ09-._~+/==aaaa"));
    assert!(!is_one(&[b'a'; 15]) && !is_one(&[b'a'; 513]) && !is_one(b""));
    for wrong in [b' ', b'"', b',', b'\n', 0, 0x7f, 0xc3] {
        let mut text = [b'a'; 32];
        *text.last_mut().unwrap() = wrong;
        assert!(!is_one(&text), "{wrong}");
    }
    for handle in ["", "a b", "é"] {
        let refused = ImportedDigest::prefixed_api_key(&KeyPrefix::default(), handle, PLAIN_SHA256);
        assert_eq!(refused, Err(ImportError::Handle));
    }
}
