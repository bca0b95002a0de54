//! A grammar that is independent of the parser: a regular expression and another CRC-32. The fuzz target uses it too.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use regex::bytes::Regex;

/// A second implementation of `docs/reference/key-format.md`.
pub(crate) fn accepts(text: &[u8]) -> bool {
    thread_local! {
        static SHAPE: Regex = Regex::new(r"(?-u)\A(dw_(?:prod|test)_[0-9A-Za-z]{10}_[0-9A-Za-z]{30})([0-9A-Za-z]{6})\z").unwrap();
    }
    let crc32 = crc::Crc::<u32, crc::NoTable>::new(&crc::CRC_32_ISO_HDLC);
    SHAPE.with(|shape| {
        let Some(parts) = shape.captures(text) else { return false };
        let claimed = parts[2].iter().fold(0_u64, |value, &digit| {
            value * 62
                + u64::from(match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'A'..=b'Z' => digit - b'A' + 10,
                    _ => digit - b'a' + 36,
                })
        });
        claimed == u64::from(crc32.checksum(&parts[1]))
    })
}
