//! Jira's form of an instant: `2021-01-17T12:34:00.000+0000`. What it rejects (`Z`, `+00:00`, no milliseconds) is
//! never sent; whatever offset it returns is read.

use chrono::{DateTime, TimeZone, Utc};

/// The one format that Jira takes.
pub fn format(ms: i64) -> String {
    match Utc.timestamp_millis_opt(ms).single() {
        Some(at) => at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
        None => String::new(),
    }
}

/// RFC 3339 in UTC with milliseconds: the form of our own API.
pub fn rfc3339(ms: i64) -> String {
    match Utc.timestamp_millis_opt(ms).single() {
        Some(at) => at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        None => String::new(),
    }
}

/// Reads what Jira returns, with any offset, and RFC 3339 too. Milliseconds since 1970, UTC.
pub fn parse(text: &str) -> Option<i64> {
    fixed(text).or_else(|| {
        DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z")
            .or_else(|_| DateTime::parse_from_rfc3339(text))
            .ok()
            .map(|at| at.timestamp_millis())
    })
}

/// The usual shape by position: chrono's general parser costs as much as parsing and sealing a worklog together.
fn fixed(text: &str) -> Option<i64> {
    let bytes: &[u8; 28] = text.as_bytes().try_into().ok()?;
    let shape = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.')];
    if shape.iter().any(|(at, expected)| bytes.get(*at) != Some(expected)) {
        return None;
    }
    let digits = |from: usize, len: usize| -> Option<i64> {
        bytes
            .get(from..from + len)?
            .iter()
            .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute, second, milli) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?, digits(20, 3)?);
    let sign = match bytes.get(23)? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let offset = sign * (digits(24, 2)? * 60 + digits(26, 2)?);
    let date = chrono::NaiveDate::from_ymd_opt(
        i32::try_from(year).ok()?,
        u32::try_from(month).ok()?,
        u32::try_from(day).ok()?,
    )?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = date.signed_duration_since(chrono::NaiveDate::default()).num_days();
    Some(((days * 1440 + hour * 60 + minute - offset) * 60 + second) * 1000 + milli)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_that_jira_returns() {
        let expected = Some(1_610_886_840_000);
        for text in [
            "2021-01-17T12:34:00.000+0000",
            "2021-01-17T13:34:00.000+0100",
            "2021-01-17T07:04:00.000-0530",
            "2021-01-17T12:34:00.000Z",
            "2021-01-17T12:34:00Z",
            "2021-01-17T12:34:00+00:00",
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        for bad in ["", "yesterday", "2021-13-01T00:00:00.000+0000", "2021-02-30T00:00:00.000+0000"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn writes_the_one_form_that_jira_takes() {
        assert_eq!(format(1_610_886_840_000), "2021-01-17T12:34:00.000+0000");
        assert_eq!(rfc3339(1_610_886_840_007), "2021-01-17T12:34:00.007Z");
    }

    proptest::proptest! {
        #[test]
        fn the_fast_reader_agrees_with_chrono(ms in 0_i64..4_102_444_800_000) {
            proptest::prop_assert_eq!(fixed(&format(ms)), Some(ms));
        }
    }
}
