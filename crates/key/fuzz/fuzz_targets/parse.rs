#![no_main]

#[path = "../../tests/it/oracle/mod.rs"]
mod oracle;

use doorward_key::{KeyPrefix, PresentedKey};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    assert_eq!(PresentedKey::parse(&KeyPrefix::default(), text).is_ok(), oracle::accepts(text));
    if let Some(found) = PresentedKey::find(&KeyPrefix::default(), text) {
        assert!(text.windows(55).any(|window| oracle::accepts(window)), "{found:?}");
    }
});
