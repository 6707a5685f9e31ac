//! The duration grammar: what people type as time spent, read in one way by server, browser and import.
//!
//! `tests/vectors/duration.json` holds the shared examples. Days and weeks are the site's own.

use crate::jira::configuration::TimeTracking;

/// Longest duration that is taken, seconds: a year.
const LONGEST: f64 = 365.0 * 86_400.0;
/// A day; longer entries are usually slips.
const CONFIRM_ABOVE: i64 = 24 * 3600;
/// A bare number read as more than this is usually meant in another unit.
const CONFIRM_BARE_ABOVE: i64 = 12 * 3600;
/// Characters that are looked at.
const MOST_CHARS: usize = 64;

/// How a text was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Time spent.
    pub seconds: i64,
    /// Minutes after midnight at which a range begins.
    pub start: Option<i64>,
    /// Long enough to ask again.
    pub confirm: bool,
    /// What may have been meant instead.
    pub hint: Option<String>,
}

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable name of the problem.
    pub code: &'static str,
    /// What is wrong and what would work.
    pub message: String,
}

fn problem<T>(code: &'static str, message: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { code, message: message.into() })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    fn seconds(self, site: &TimeTracking) -> f64 {
        let day = site.working_hours_per_day * 3600.0;
        match self {
            Self::Week => site.working_days_per_week * day,
            Self::Day => day,
            Self::Hour => 3600.0,
            Self::Minute => 60.0,
            Self::Second => 1.0,
        }
    }

    /// Short forms hold everywhere, words only in the language of the person.
    fn from_word(word: &str, language: &str) -> Option<Self> {
        let short = match word {
            "w" => Some(Self::Week),
            "d" => Some(Self::Day),
            "h" => Some(Self::Hour),
            "m" => Some(Self::Minute),
            "s" => Some(Self::Second),
            _ => None,
        };
        short.or_else(|| match language {
            "de" => german(word),
            "hu" => hungarian(word),
            _ => english(word),
        })
    }

    fn default_of(site: &TimeTracking) -> Self {
        match site.default_unit.as_str() {
            "week" => Self::Week,
            "day" => Self::Day,
            "hour" => Self::Hour,
            _ => Self::Minute,
        }
    }
}

fn english(word: &str) -> Option<Unit> {
    Some(match word {
        "wk" | "wks" | "week" | "weeks" => Unit::Week,
        "day" | "days" => Unit::Day,
        "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "sec" | "secs" | "second" | "seconds" => Unit::Second,
        _ => return None,
    })
}

fn german(word: &str) -> Option<Unit> {
    Some(match word {
        "wo" | "woche" | "wochen" => Unit::Week,
        "t" | "tag" | "tage" | "tagen" => Unit::Day,
        "std" | "std." | "stunde" | "stunden" => Unit::Hour,
        "min" | "min." | "minute" | "minuten" => Unit::Minute,
        "sek" | "sek." | "sekunde" | "sekunden" => Unit::Second,
        _ => return None,
    })
}

fn hungarian(word: &str) -> Option<Unit> {
    Some(match word {
        "hét" => Unit::Week,
        "n" | "nap" => Unit::Day,
        "ó" | "óra" => Unit::Hour,
        "p" | "perc" => Unit::Minute,
        "mp" | "másodperc" => Unit::Second,
        _ => return None,
    })
}

/// Reads a duration. `language` is the primary language tag of the person, such as `en`.
///
/// # Errors
/// [`Problem`] with an example that works.
pub fn read(text: &str, site: &TimeTracking, language: &str) -> Result<Reading, Problem> {
    if text.chars().count() > MOST_CHARS {
        return problem("too_long", "That is too long for a duration. Write something like 1h 30m.");
    }
    let text: String = text.trim().chars().map(ascii_digit).collect::<String>().to_lowercase();
    if text.is_empty() {
        return problem("empty", "Enter the time spent, for example 1h 30m.");
    }
    if text.starts_with(['-', '−']) {
        return problem(
            "negative",
            "Time spent cannot be negative. Write it without the minus, for example 1h.",
        );
    }
    if let Some((from, to)) = text.split_once(['-', '–']) {
        return range(from.trim(), to.trim());
    }
    let (seconds, bare, hint) =
        if text.contains(':') { (clock(&text)?, false, None) } else { units(&text, site, language)? };
    finish(seconds, bare, hint)
}

fn finish(seconds: f64, bare: bool, hint: Option<String>) -> Result<Reading, Problem> {
    if seconds <= 0.0 {
        return problem("zero", "Time spent has to be more than nothing, for example 15m.");
    }
    if seconds < 60.0 {
        return problem("under_a_minute", "The least that can be logged is one minute: 1m.");
    }
    if seconds > LONGEST {
        return problem("too_much", "That is more than a year. Split it into several worklogs.");
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above by a year")]
    let seconds = seconds.round() as i64;
    let confirm = seconds > CONFIRM_ABOVE || (bare && seconds > CONFIRM_BARE_ABOVE);
    Ok(Reading { seconds, start: None, confirm, hint })
}

/// `h:mm` or `h:mm:ss`.
fn clock(text: &str) -> Result<f64, Problem> {
    let parts: Vec<&str> = text.split(':').collect();
    let (hours, rest) = match parts.as_slice() {
        [hours, rest @ ..] if matches!(rest.len(), 1 | 2) => (hours, rest),
        _ => return problem("clock", "Write hours and minutes as 1:30."),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || hours.len() > 5 || rest.iter().any(|part| part.len() != 2 || !digits(part)) {
        return problem("clock", "Write hours and minutes as 1:30, with two digits for the minutes.");
    }
    let mut seconds = number(hours)? * 3600.0;
    for (part, factor) in rest.iter().zip([60.0, 1.0]) {
        let value = number(part)?;
        if value > 59.0 {
            return problem("clock_minutes", format!("{part} is more than 59 minutes. Write 1:30 or 90m."));
        }
        seconds += value * factor;
    }
    Ok(seconds)
}

/// `9-10:30`: from and to on one day.
fn range(from: &str, to: &str) -> Result<Reading, Problem> {
    let time = |text: &str| -> Result<i64, Problem> {
        let (hours, minutes) = text.split_once(':').unwrap_or((text, "00"));
        let plain = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
            lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        let value = |part: &str| part.parse::<i64>().unwrap_or(i64::MAX);
        if plain(hours, 1..=2) && plain(minutes, 2..=2) && value(hours) <= 24 && value(minutes) <= 59 {
            let at = value(hours) * 60 + value(minutes);
            if at <= 24 * 60 {
                return Ok(at);
            }
        }
        problem("range", format!("{text:?} is no time of day. Write a range as 9-10:30."))
    };
    let (start, end) = (time(from)?, time(to)?);
    if end <= start {
        return problem("range_order", "The range ends before it begins. Write it as 9-10:30.");
    }
    Ok(Reading { seconds: (end - start) * 60, start: Some(start), confirm: false, hint: None })
}

/// Numbers with units; a bare tail right after hours is minutes, a lone number is in the site's default unit.
fn units(text: &str, site: &TimeTracking, language: &str) -> Result<(f64, bool, Option<String>), Problem> {
    let mut rest = text;
    let mut seconds = 0.0;
    let mut used: Vec<Unit> = Vec::new();
    let mut hint = None;
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !(c.is_ascii_digit() || ".,".contains(c))).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(digits_end);
        let value = number(digits)?;
        let behind = behind.trim_start();
        let word_end = behind.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(behind.len());
        let (word, behind) = behind.split_at(word_end);
        rest = behind.trim_start();
        if word.is_empty() {
            return bare(digits, value, &used, seconds, site).map(|(seconds, bare)| (seconds, bare, hint));
        }
        let Some(unit) = Unit::from_word(word.trim_end_matches(','), language) else {
            return problem(
                "unit",
                format!("{word:?} is no unit of time. Use w, d, h or m, for example 1h 30m."),
            );
        };
        if used.contains(&unit) {
            return problem(
                "unit_twice",
                format!("{word:?} is there twice. Write each unit once, for example 1h 30m."),
            );
        }
        if unit == Unit::Hour {
            hint = clock_hint(digits);
        }
        used.push(unit);
        seconds += value * unit.seconds(site);
    }
    Ok((seconds, false, hint.filter(|_| used.len() == 1)))
}

fn bare(
    digits: &str,
    value: f64,
    used: &[Unit],
    seconds: f64,
    site: &TimeTracking,
) -> Result<(f64, bool), Problem> {
    match used.last() {
        None => Ok((value * Unit::default_of(site).seconds(site), true)),
        Some(Unit::Hour) if digits.bytes().all(|b| b.is_ascii_digit()) && !used.contains(&Unit::Minute) => {
            if value > 59.0 {
                return problem("clock_minutes", format!("{digits} is more than 59 minutes. Write 1h 30m."));
            }
            Ok((seconds + value * 60.0, false))
        }
        Some(_) => {
            problem("unit_missing", format!("{digits} has no unit. Write it with one, for example 30m."))
        }
    }
}

/// `1.30h` is 1 h 18 m; some mean 1:30.
fn clock_hint(digits: &str) -> Option<String> {
    let (hours, fraction) = digits.split_once('.')?;
    let minutes: u32 = fraction.parse().ok().filter(|minutes| *minutes < 60 && fraction.len() == 2)?;
    (minutes.is_multiple_of(10) && minutes > 0).then(|| format!("{hours}:{fraction}"))
}

fn number(text: &str) -> Result<f64, Problem> {
    let separators = text.chars().filter(|c| ".,".contains(*c)).count();
    let has_digits =
        text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit());
    if separators > 1 || !has_digits {
        return problem(
            "number",
            format!("{text:?} is not a number. Write something like 1h 30m, 1.5h or 1:30."),
        );
    }
    text.replace(',', ".")
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .map_or_else(|| problem("number", "That is not a number. Write something like 1h 30m."), Ok)
}

/// Decimal digits of other scripts, and full-width ones, are the same digits.
fn ascii_digit(c: char) -> char {
    /// Code points of the zeros of the scripts that browsers' keyboards offer.
    const ZEROS: [u32; 12] =
        [0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0BE6, 0x0C66, 0x0E50, 0x0ED0, 0xFF10];
    ZEROS
        .iter()
        .find_map(|zero| u32::from(c).checked_sub(*zero).filter(|value| *value < 10))
        .and_then(|value| char::from_digit(value, 10))
        .unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn site(settings: &Value) -> TimeTracking {
        TimeTracking {
            working_hours_per_day: settings["hoursPerDay"].as_f64().expect("hours"),
            working_days_per_week: settings["daysPerWeek"].as_f64().expect("days"),
            default_unit: settings["defaultUnit"].as_str().expect("unit").into(),
            enabled: true,
        }
    }

    #[test]
    fn the_shared_vectors_hold() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/vectors/duration.json")).expect("JSON");
        let mut checked = 0;
        for group in vectors["groups"].as_array().expect("groups") {
            let settings = &group["settings"];
            let language = settings["language"].as_str().expect("language");
            for case in group["cases"].as_array().expect("cases") {
                let input = case["input"].as_str().expect("input");
                let read = read(input, &site(settings), language);
                match (case.get("seconds").and_then(Value::as_i64), read) {
                    (Some(seconds), Ok(reading)) => {
                        assert_eq!(reading.seconds, seconds, "{input}");
                        assert_eq!(reading.start, case.get("start").and_then(Value::as_i64), "{input}");
                        assert_eq!(
                            reading.hint.as_deref(),
                            case.get("hint").and_then(Value::as_str),
                            "{input}"
                        );
                        let confirm = case.get("confirm").and_then(Value::as_bool).unwrap_or(false);
                        assert_eq!(reading.confirm, confirm, "{input}");
                    }
                    (None, Err(problem)) => {
                        assert_eq!(problem.code, case["error"].as_str().expect("error"), "{input}");
                        assert!(problem.message.ends_with('.'), "{input}: {}", problem.message);
                    }
                    (expected, read) => panic!("{input}: expected {expected:?}, read {read:?}"),
                }
                checked += 1;
            }
        }
        assert!(checked > 50, "{checked}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,70}") {
            let _ = read(&text, &TimeTracking::default(), "en");
        }

        #[test]
        fn every_canonical_form_reads_back(hours in 0_i64..99, minutes in 0_i64..60) {
            let seconds = hours * 3600 + minutes * 60;
            proptest::prop_assume!(seconds > 0);
            for text in [format!("{hours}h {minutes}m"), format!("{hours}h{minutes}m"), format!("{minutes}m {hours}h"), format!("{hours}:{minutes:02}")] {
                let reading = read(&text, &TimeTracking::default(), "en").expect("reads");
                proptest::prop_assert_eq!(reading.seconds, seconds);
            }
        }
    }
}
