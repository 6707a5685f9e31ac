//! What goes wrong on purpose.

use std::time::Duration;

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error before anything is done.
    Status(u16),
    /// 429 with a reason and, if given, Retry-After in seconds.
    TooMany {
        /// `RateLimit-Reason`.
        reason: &'static str,
        /// `Retry-After`.
        retry_after: Option<u64>,
    },
    /// The answer takes longer.
    Slow(Duration),
    /// It is done at once, but the answer takes longer.
    SlowAfter(Duration),
    /// It is done, but the connection breaks before the answer.
    HangUpAfter,
    /// The connection breaks before anything is done.
    HangUpBefore,
    /// It is done, but the answer is an error.
    StatusAfter(u16),
    /// A redirect to another origin, same path.
    Redirect(String),
}

/// A fault that waits for calls.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The method, or empty for any.
    pub method: &'static str,
    /// What the path has to contain.
    pub path: String,
    /// What happens.
    pub fault: Fault,
    /// How many calls it still hits.
    pub times: u32,
}

/// Takes the first fault that waits for such a call.
pub fn take(rules: &mut Vec<Rule>, method: &str, path: &str) -> Option<Fault> {
    let at = rules
        .iter()
        .position(|rule| (rule.method.is_empty() || rule.method == method) && path.contains(&rule.path))?;
    let rule = rules.get_mut(at)?;
    rule.times = rule.times.saturating_sub(1);
    let fault = rule.fault.clone();
    if rule.times == 0 {
        rules.remove(at);
    }
    Some(fault)
}
