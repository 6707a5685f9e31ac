//! Which hosts Hourbook may talk to as a Jira site: a baseUrl comes from outside and decides where secrets go.

use std::fmt;
use url::{Host, Url};

/// Patterns of allowed sites (`HOURBOOK_ALLOWED_SITES`).
#[derive(Debug, Clone)]
pub struct AllowedSites(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    scheme: &'static str,
    /// Host, or its suffix with a leading dot where the pattern began with `*.`.
    host: String,
    any_subdomain: bool,
    port: Port,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Default,
    Fixed(u16),
    Any,
}

/// Why a site is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub &'static str);

impl AllowedSites {
    /// Reads comma-separated patterns: `*.atlassian.net`, `jira.example.com`, `http://127.0.0.1:*`.
    ///
    /// # Errors
    /// Says which pattern is malformed. Plain http is for loopback only.
    pub fn parse(text: &str) -> Result<Self, String> {
        let patterns = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(Pattern::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if patterns.is_empty() {
            return Err("no pattern given".into());
        }
        Ok(Self(patterns))
    }

    /// The normalised origin of an allowed site, without a trailing slash.
    ///
    /// # Errors
    /// When the address is not an origin, or no pattern allows it.
    pub fn check(&self, base_url: &str) -> Result<String, Refused> {
        let url = Url::parse(base_url).map_err(|_| Refused("the site's address is not a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused("a site's address carries no user"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(Refused("a site's address has no path, query or fragment"));
        }
        let Some(host) = url.host() else { return Err(Refused("a site's address has a host")) };
        if !self.0.iter().any(|pattern| pattern.allows(&url, &host)) {
            return Err(Refused("the site is not among the allowed sites"));
        }
        Ok(url.origin().ascii_serialization())
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            None => ("https", text),
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            Some(_) => return Err(format!("{text:?}: the scheme is https, or http for loopback")),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, "*")) => (host, Port::Any),
            Some((host, port)) => {
                let port = port.parse().map_err(|_| format!("{text:?}: the port is a number or *"))?;
                (host, Port::Fixed(port))
            }
            None => (rest, Port::Default),
        };
        let (host, any_subdomain) = match host.strip_prefix("*.") {
            Some(suffix) => (format!(".{suffix}"), true),
            None => (host.to_owned(), false),
        };
        let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
        if !plain || host.trim_matches('.').is_empty() {
            return Err(format!("{text:?}: the host is a name, *.name or an IPv4 address"));
        }
        if scheme == "http" && !matches!(host.as_str(), "127.0.0.1" | "localhost") {
            return Err(format!("{text:?}: plain http is for 127.0.0.1 and localhost only"));
        }
        Ok(Self { scheme, host: host.to_ascii_lowercase(), any_subdomain, port })
    }

    fn allows(&self, url: &Url, host: &Host<&str>) -> bool {
        let host = host.to_string();
        let host_fits = if self.any_subdomain {
            host.len() > self.host.len() && host.ends_with(&self.host)
        } else {
            host == self.host
        };
        let port_fits = match self.port {
            Port::Any => true,
            Port::Fixed(port) => url.port_or_known_default() == Some(port),
            Port::Default => url.port().is_none(),
        };
        url.scheme() == self.scheme && host_fits && port_fits
    }
}

impl fmt::Display for AllowedSites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} patterns", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_patterns_say_is_allowed() {
        let cloud = AllowedSites::parse("*.atlassian.net").expect("pattern");
        assert_eq!(cloud.check("https://acme.atlassian.net/"), Ok("https://acme.atlassian.net".into()));
        for refused in [
            "http://acme.atlassian.net",
            "https://atlassian.net",
            "https://acme.atlassian.net:8443",
            "https://acme.atlassian.net/wiki",
            "https://acme.atlassian.net?x=1",
            "https://user@acme.atlassian.net",
            "https://acme.atlassian.net.evil.example",
            "https://evilatlassian.net",
            "https://127.0.0.1",
            "file:///etc/passwd",
            "acme.atlassian.net",
        ] {
            assert!(cloud.check(refused).is_err(), "{refused}");
        }
        let loopback = AllowedSites::parse("http://127.0.0.1:*").expect("pattern");
        assert_eq!(loopback.check("http://127.0.0.1:4711"), Ok("http://127.0.0.1:4711".into()));
        assert!(loopback.check("http://127.0.0.2:4711").is_err());
        assert!(loopback.check("https://127.0.0.1:4711").is_err());
    }

    #[test]
    fn malformed_patterns_are_named() {
        for bad in ["", "ftp://x", "http://jira.example.com", "*.", "host:port", "a b"] {
            assert!(AllowedSites::parse(bad).is_err(), "{bad}");
        }
    }
}
