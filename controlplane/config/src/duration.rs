//! Durations as people write them: `300us`, `500ms`, `240s`, `10m`, `1h`

use std::time::Duration;

/// Parse a duration: an integer and one of the units us, ms, s, m, h.
///
/// # Errors
/// A sentence that says what is missing.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let count: u64 = digits.parse().map_err(|_| "not an integer with a unit")?;
    let microseconds = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "" => return Err("the unit is missing"),
        _ => return Err("not a unit of time"),
    };
    let total = count
        .checked_mul(microseconds)
        .ok_or("longer than can be counted")?;
    Ok(Duration::from_micros(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(parse("300us"), Ok(Duration::from_micros(300)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("240s"), Ok(Duration::from_secs(240)));
        assert_eq!(parse("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse("1h"), Ok(Duration::from_secs(3600)));
    }

    #[test]
    fn what_is_no_duration() {
        for text in [
            "",
            "s",
            "12",
            "1.5s",
            "-3s",
            "5 s",
            "5d",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
