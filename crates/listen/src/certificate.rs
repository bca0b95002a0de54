//! The end of certificates. Of X.509, no more is read than that (RFC 5280, section 4.1).

use doorward_types::Timestamp;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Returns the time at which a certificate in DER ends, if it says so as it should.
pub(crate) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let mut outer = certificate;
    let mut certificate = of(SEQUENCE, &mut outer)?;
    let mut fields = of(SEQUENCE, &mut certificate)?;
    let mut first = fields;
    if let (VERSION, _) = value(&mut first)? {
        fields = first;
    }
    // The serial number, the algorithm, the issuer.
    for _ in 0..3 {
        value(&mut fields)?;
    }
    let mut validity = of(SEQUENCE, &mut fields)?;
    value(&mut validity)?;
    let (kind, text) = value(&mut validity)?;
    time(kind, str::from_utf8(text).ok()?)
}

/// Reads the next value: its tag and its content (X.690, section 8.1).
fn value<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..0x80 => (usize::from(length), rest),
        _ => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let shift = |sum: usize, byte: &u8| sum.checked_mul(256)?.checked_add(usize::from(*byte));
            (bytes.iter().try_fold(0, shift)?, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((tag, content))
}

fn of<'a>(tag: u8, input: &mut &'a [u8]) -> Option<&'a [u8]> {
    value(input).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// Reads `YYMMDDHHMMSSZ`, whose years are 1950 to 2049, or `YYYYMMDDHHMMSSZ` (RFC 5280, section 4.1.2.5).
fn time(kind: u8, text: &str) -> Option<Timestamp> {
    let text = match kind {
        UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14 && digits.is_ascii())?;
    let at = |from: usize, to: usize| digits.get(from..to);
    let (year, month, day) = (at(0, 4)?, at(4, 6)?, at(6, 8)?);
    let (hour, minute, second) = (at(8, 10)?, at(10, 12)?, at(12, 14)?);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn the_end_is_what_openssl_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certificate.pem");
        // The last one ends after 2049, and so has the other form of time.
        for days in ["1", "10", "3650", "36500"] {
            let key =
                ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a"];
            let mut openssl = Command::new("openssl");
            let made =
                openssl.args(key).args(["-days", days, "-keyout", "/dev/null", "-out"]).arg(&path).output().unwrap();
            assert!(made.status.success(), "{made:?}");
            let shown = Command::new("openssl")
                .args(["x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in"])
                .arg(&path)
                .output()
                .unwrap();
            // notAfter=2026-12-06 13:53:25Z
            let shown = String::from_utf8(shown.stdout).unwrap();
            let expected = shown.trim().strip_prefix("notAfter=").unwrap().replace(' ', "T");
            let certificate = CertificateDer::from_pem_file(&path).unwrap();
            assert_eq!(not_after(&certificate).unwrap(), expected.parse().unwrap());
            // A truncated certificate fails to parse, and never panics.
            for length in 0..certificate.len() {
                assert!(not_after(certificate.get(..length).unwrap()).is_none());
            }
        }
    }

    #[test]
    fn times_have_two_forms_and_no_others() {
        assert_eq!(time(UTC_TIME, "491231235959Z").unwrap().to_string(), "2049-12-31T23:59:59.000Z");
        assert_eq!(time(UTC_TIME, "500101000000Z").unwrap().to_string(), "1950-01-01T00:00:00.000Z");
        for (kind, bad) in [
            (UTC_TIME, "491231235959"),
            (UTC_TIME, "é91231235959Z"),
            (GENERALIZED_TIME, "491231235959Z"),
            (GENERALIZED_TIME, "20491331235959Z"),
            (0x0c, "20491231235959Z"),
            (UTC_TIME, ""),
        ] {
            assert_eq!(time(kind, bad), None, "{bad}");
        }
    }
}
