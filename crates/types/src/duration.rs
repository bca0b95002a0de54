use std::time::Duration;

/// The reason why a text is not a span of time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// The text does not begin with a number.
    #[error("a time is written as 500ms, 5s, 2m, 12h or 30d")]
    Malformed,
    /// The number has an unknown unit.
    #[error("`{0}` is not a unit of time: use ms, s, m, h or d")]
    UnknownUnit(String),
}

/// Reads a span of time as people write it in settings: `500ms`, `5s`, `2m`, `12h` or `30d`. A bare number counts seconds.
///
/// # Errors
///
/// [`DurationError`] if the text has another form.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| DurationError::Malformed)?;
    let seconds = match unit {
        "ms" => return Ok(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(DurationError::UnknownUnit(unit.to_owned())),
    };
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, millis) in
            [("0", 0), ("250ms", 250), ("7", 7_000), ("7s", 7_000), ("2m", 120_000), ("5h", 18_000_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "5w", "-1s", "1.5s", "99999999999999999999"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
