//! Checks the parser against an independent grammar: a regular expression and another CRC-32.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_key::{FreshKey, KeyPrefix, PresentedKey, PresentedOperatorToken, Random, RandomError, SystemRandom};
use doorward_types::Environment;
use proptest::prelude::*;

use crate::oracle;

fn fresh(environment: Environment) -> Vec<u8> {
    let key = FreshKey::generate(&KeyPrefix::default(), environment, &SystemRandom).unwrap();
    key.value().expose().as_bytes().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn parser_and_grammar_agree_on_any_bytes(text in proptest::collection::vec(any::<u8>(), 0..140)) {
        prop_assert_eq!(PresentedKey::parse(&KeyPrefix::default(), &text).is_ok(), oracle::accepts(&text));
    }

    #[test]
    fn parser_and_grammar_agree_on_near_misses(
        production in any::<bool>(), place in 0_usize..55, byte in any::<u8>(), edit in 0..4,
    ) {
        let mut text = fresh(if production { Environment::Production } else { Environment::Test });
        match edit {
            0 => text[place] = byte,
            1 => text.insert(place, byte),
            2 => { text.remove(place); }
            _ => text.swap(place, 54 - place),
        }
        prop_assert_eq!(PresentedKey::parse(&KeyPrefix::default(), &text).is_ok(), oracle::accepts(&text));
    }

    #[test]
    fn a_generated_key_is_read_back_with_any_prefix(prefix in "[a-z][a-z0-9]{0,15}", production in any::<bool>()) {
        let environment = if production { Environment::Production } else { Environment::Test };
        let prefix: KeyPrefix = prefix.parse().unwrap();
        let key = FreshKey::generate(&prefix, environment, &SystemRandom).unwrap();
        let text = format!("left {} right", key.value().expose());
        let found = PresentedKey::find(&prefix, text.as_bytes()).unwrap();
        prop_assert_eq!(found.locator(), key.locator());
        prop_assert_eq!(found.environment(), environment);
        prop_assert!(found.digest() == key.digest());
    }
}

#[test]
fn a_fresh_key_is_55_characters_and_grammatical() {
    for environment in Environment::ALL {
        let text = fresh(environment);
        assert_eq!(text.len(), 55);
        assert!(oracle::accepts(&text));
    }
}

#[test]
fn an_operator_token_is_not_an_access_key_and_vice_versa() {
    let token = doorward_key::FreshOperatorToken::generate(&SystemRandom).unwrap().into_value();
    assert!(PresentedOperatorToken::parse(token.expose().as_bytes()).is_ok());
    assert!(PresentedKey::parse(&KeyPrefix::default(), token.expose().as_bytes()).is_err());
    assert!(PresentedKey::parse(&"dwo".parse().unwrap(), token.expose().as_bytes()).is_err());
    assert!(PresentedOperatorToken::parse(&fresh(Environment::Test)).is_err());
}

#[test]
fn prefixes_are_a_letter_and_up_to_fifteen_letters_or_digits() {
    for good in ["a", "dw", "z9", "abcdefghijklmnop"] {
        assert!(good.parse::<KeyPrefix>().is_ok(), "{good}");
    }
    for bad in ["", "9z", "Dw", "d_w", "d-w", "dé", "abcdefghijklmnopq", " dw"] {
        assert!(bad.parse::<KeyPrefix>().is_err(), "{bad}");
    }
}

/// A fixed sequence (xorshift64*), so that the counts below are the same in every run.
#[derive(Debug)]
struct Fixed(std::sync::Mutex<u64>);

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        let mut state = self.0.lock().unwrap();
        for byte in buffer {
            *state ^= *state >> 12;
            *state ^= *state << 25;
            *state ^= *state >> 27;
            *byte = (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8;
        }
        Ok(())
    }
}

/// Taking bytes modulo 62 would make eight of the digits a quarter more frequent than the others.
#[test]
fn digits_are_drawn_without_modulo_bias() {
    let random = Fixed(0x00D0_0124.into());
    let mut counts = [0_u32; 128];
    for _ in 0..31_000 {
        let key = FreshKey::generate(&KeyPrefix::default(), Environment::Test, &random).unwrap();
        let text = key.value().expose().as_bytes();
        for &digit in text[8..18].iter().chain(&text[19..49]) {
            counts[usize::from(digit)] += 1;
        }
    }
    let drawn: Vec<u32> = counts.into_iter().filter(|&count| count > 0).collect();
    assert_eq!(drawn.len(), 62);
    let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
    assert!(f64::from(*most) < 1.06 * f64::from(*least), "{least} to {most}");
}

#[derive(Debug)]
struct Broken;

impl Random for Broken {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

#[test]
fn no_key_is_made_without_randomness() {
    assert_eq!(FreshKey::generate(&KeyPrefix::default(), Environment::Test, &Broken).unwrap_err(), RandomError);
}

#[test]
fn no_type_that_holds_a_key_shows_it() {
    let key = FreshKey::generate(&KeyPrefix::default(), Environment::Test, &SystemRandom).unwrap();
    let text = key.value().expose();
    let presented = PresentedKey::parse(&KeyPrefix::default(), text.as_bytes()).unwrap();
    let secret = &text[19..];
    for shown in
        [format!("{key:?}"), format!("{presented:?}"), format!("{:?}", key.value()), format!("{:?}", key.digest())]
    {
        assert!(!shown.contains(secret), "{shown}");
    }
}
