//! Rules that teach the scanners of others to find the keys of a service.

use doorward_key::{KeyPrefix, PresentedOperatorToken};

/// The scanners that rules can be written for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Rules {
    /// A file of settings for gitleaks, in TOML.
    Gitleaks,
    /// A file of settings for TruffleHog, in YAML.
    Trufflehog,
    /// A file of rules for trufflehog3, in YAML.
    Trufflehog3,
    /// A plugin for detect-secrets, in Python. It checks the checksum too.
    DetectSecrets,
    /// The fields of a custom pattern of GitHub's secret scanning.
    Github,
}

impl Rules {
    /// Returns the rules for the keys of this prefix, and for operators' tokens.
    #[must_use]
    pub fn for_prefix(self, prefix: &KeyPrefix) -> String {
        let (key, token) = (key_expression(prefix), token_expression());
        let head = PresentedOperatorToken::HEAD;
        match self {
            Self::Gitleaks => format!(
                r#"# Rules for gitleaks: access keys and operators' tokens of Doorward. Use them with `gitleaks --config FILE`.
# An expression cannot check the checksum: give a key to `doorward key inspect`, and a token to `doorward scan -`.
title = "Doorward"

[extend]
useDefault = true

[[rules]]
id = "doorward-access-key"
description = "An access key of Doorward"
regex = '''{key}'''
keywords = ["{prefix}_prod_", "{prefix}_test_"]
tags = ["key", "doorward"]

[[rules]]
id = "doorward-operator-token"
description = "A token of an operator of Doorward"
regex = '''{token}'''
keywords = ["{head}_"]
tags = ["key", "doorward"]
"#
            ),
            Self::Trufflehog => format!(
                r"# Detectors for TruffleHog: access keys and operators' tokens of Doorward. Use them with `trufflehog --config FILE`.
# An expression cannot check the checksum: give a key to `doorward key inspect`, and a token to `doorward scan -`.
detectors:
  - name: doorward-access-key
    keywords:
      - {prefix}_prod_
      - {prefix}_test_
    regex:
      key: '{key}'
  - name: doorward-operator-token
    keywords:
      - {head}_
    regex:
      token: '{token}'
"
            ),
            Self::Trufflehog3 => format!(
                r"# Rules for trufflehog3: access keys and operators' tokens of Doorward. Use them with `trufflehog3 --rules FILE`.
# An expression cannot check the checksum: give a key to `doorward key inspect`, and a token to `doorward scan -`.
- id: doorward.access-key
  message: An access key of Doorward
  pattern: '{key}'
  severity: HIGH
- id: doorward.operator-token
  message: A token of an operator of Doorward
  pattern: '{token}'
  severity: HIGH
"
            ),
            Self::DetectSecrets => format!(
                r#""""A plugin for detect-secrets: access keys and operators' tokens of Doorward.

Use it with `detect-secrets scan --plugin FILE`.
"""
import re
import zlib

from detect_secrets.plugins.base import RegexBasedDetector

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def has_right_checksum(text):
    """Returns whether the last six characters are the CRC-32 of those before them."""
    claimed = 0
    for digit in text[-6:]:
        claimed = claimed * 62 + DIGITS.index(digit)
    return claimed == zlib.crc32(text[:-6].encode("ascii"))


class DoorwardDetector(RegexBasedDetector):
    """Finds access keys and operators' tokens of Doorward."""

    secret_type = "Doorward access key"

    denylist = [
        re.compile(r"{key}"),
        re.compile(r"{token}"),
    ]

    def analyze_string(self, string):
        for text in super().analyze_string(string):
            if has_right_checksum(text):
                yield text
"#
            ),
            Self::Github => format!(
                "Two custom patterns for GitHub's secret scanning. GitHub sets what may stand before and after a value.

Pattern name:  Doorward access key
Secret format: {key}

Pattern name:  Doorward operator token
Secret format: {token}

An expression cannot check the last six characters, which are a checksum. A finding is a key if
`doorward key inspect` says that it is well-formed, or if `doorward scan` finds it in the same file. A token of an operator is
found by `doorward scan` only.
",
                key = bare(&key),
                token = bare(&token),
            ),
        }
    }
}

/// Returns an expression for the keys of a prefix, before the check of the checksum.
#[must_use]
pub fn key_expression(prefix: &KeyPrefix) -> String {
    format!(r"\b{prefix}_(?:prod|test)_[0-9A-Za-z]{{10}}_[0-9A-Za-z]{{36}}\b")
}

/// Returns an expression for the tokens of operators, before the check of the checksum.
#[must_use]
pub fn token_expression() -> String {
    format!(r"\b{}_[0-9A-Za-z]{{10}}_[0-9A-Za-z]{{36}}\b", PresentedOperatorToken::HEAD)
}

/// Returns an expression without the ends of words.
fn bare(expression: &str) -> &str {
    let open = expression.strip_prefix(r"\b").unwrap_or(expression);
    open.strip_suffix(r"\b").unwrap_or(open)
}
