//! How often somebody may ask: whoever proves nothing, by address; whoever asks for something costly, by account.
//!
//! Proved calls are not held back: Jira's webhooks of all sites come from few addresses.

use crate::error::{AppError, AppResult};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;

/// Calls a second and at once.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// A second, in the long run.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// Zero counts as one.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self { per_second: at_least_one(per_second), burst: at_least_one(burst) }
    }

    fn quota(self) -> Quota {
        Quota::per_second(self.per_second).allow_burst(self.burst)
    }
}

/// The limits of this server.
pub struct Limits {
    unproved: DefaultKeyedRateLimiter<IpAddr>,
    costly: DefaultKeyedRateLimiter<(String, String)>,
    clock: DefaultClock,
}

impl Limits {
    /// With nothing used up.
    pub fn new(unproved: Rate, costly: Rate) -> Self {
        Self {
            unproved: RateLimiter::keyed(unproved.quota()),
            costly: RateLimiter::keyed(costly.quota()),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a call that proved nothing.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn unproved(&self, from: IpAddr) -> AppResult<()> {
        self.unproved.check_key(&of_network(from)).map_err(|until| self.refusal(&until))
    }

    /// Counts a costly call of a person.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn costly(&self, tenant_id: &str, account_id: &str) -> AppResult<()> {
        let key = (tenant_id.to_owned(), account_id.to_owned());
        self.costly.check_key(&key).map_err(|until| self.refusal(&until))
    }

    fn refusal(&self, until: &governor::NotUntil<governor::clock::QuantaInstant>) -> AppError {
        let wait = until.wait_time_from(self.clock.now());
        let secs = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
        AppError::too_many("too_many_requests", "Too many requests. Try again in a moment.").after(secs)
    }

    /// Forgets whoever has not asked for a while.
    pub fn tidy(&self) {
        self.unproved.retain_recent();
        self.costly.retain_recent();
    }
}

/// One customer's IPv6 network has 2^64 addresses and more.
fn of_network(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => std::net::Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_counts_as_one_and_ipv4_as_itself() {
        let parse = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(of_network(parse("2001:db8::1")), of_network(parse("2001:db8::ffff:1:2:3")));
        assert_ne!(of_network(parse("2001:db8::1")), of_network(parse("2001:db8:0:1::1")));
        assert_ne!(of_network(parse("192.0.2.1")), of_network(parse("192.0.2.2")));
        assert_eq!(of_network(parse("::ffff:192.0.2.1")), parse("192.0.2.1"));
    }

    #[test]
    fn what_is_used_up_is_refused_for_that_key_alone() {
        let limits = Limits::new(Rate::new(1, 2), Rate::new(1, 1));
        let one: IpAddr = [192, 0, 2, 1].into();
        assert!(limits.unproved(one).is_ok() && limits.unproved(one).is_ok());
        assert!(limits.unproved(one).is_err());
        assert!(limits.unproved([192, 0, 2, 2].into()).is_ok());
        assert!(limits.costly("t", "a").is_ok() && limits.costly("t", "b").is_ok());
        assert!(limits.costly("t", "a").is_err());
    }
}
