//! Rules for others' scanners.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_key::KeyPrefix;
use doorward_scan::rules::{Rules, key_expression, token_expression};
use doorward_types::Environment;
use regex::Regex;

use crate::{key_of, token};

/// Returns the expressions in a text of rules.
fn expressions(text: &str, key: &str, token: &str) -> [Regex; 2] {
    assert!(text.contains(key) && text.contains(token), "{text}");
    [Regex::new(key).unwrap(), Regex::new(token).unwrap()]
}

fn judge([keys, tokens]: &[Regex; 2], prefix: &str) {
    for environment in [Environment::Production, Environment::Test] {
        let key = key_of(prefix, environment);
        for text in [key.clone(), format!("KEY=\"{key}\""), format!("Bearer {key}\n")] {
            assert_eq!(keys.find(&text).map(|found| found.as_str()), Some(key.as_str()));
            assert!(!tokens.is_match(&text));
        }
        let short = &key[..key.len() - 1];
        for wrong in [short, &key.replace('_', "-"), &key.replace("_test_", "_live_").replace("_prod_", "_live_")] {
            assert!(!keys.is_match(wrong), "{wrong}");
        }
    }
    let token = token();
    assert!(tokens.is_match(&token) && !keys.is_match(&token));
    assert!(!tokens.is_match(&token[..token.len() - 1]));
}

#[test]
fn the_rules_match_keys_and_tokens_of_their_prefix() {
    for name in ["dw", "acme", "a1"] {
        let prefix: KeyPrefix = name.parse().unwrap();
        let (key, token) = (key_expression(&prefix), token_expression());
        judge(&expressions(&Rules::Gitleaks.for_prefix(&prefix), &key, &token), name);
        judge(&expressions(&Rules::Trufflehog.for_prefix(&prefix), &key, &token), name);
        judge(&expressions(&Rules::DetectSecrets.for_prefix(&prefix), &key, &token), name);
        let bare = |text: &str| text.trim_start_matches(r"\b").trim_end_matches(r"\b").to_owned();
        judge(&expressions(&Rules::Github.for_prefix(&prefix), &bare(&key), &bare(&token)), name);
    }
}

#[test]
fn the_rules_for_gitleaks_are_toml() {
    let prefix: KeyPrefix = "acme".parse().unwrap();
    let rules: toml::Table = Rules::Gitleaks.for_prefix(&prefix).parse().unwrap();
    let found = rules["rules"].as_array().unwrap();
    let expression = |at: usize| Regex::new(found[at]["regex"].as_str().unwrap()).unwrap();
    judge(&[expression(0), expression(1)], "acme");
    let words: Vec<_> = found[0]["keywords"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words, ["acme_prod_", "acme_test_"]);
}
