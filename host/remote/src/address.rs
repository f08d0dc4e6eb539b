// SPDX-License-Identifier: Apache-2.0
//! Addresses: which are accepted, where a redirect may lead, and how they are shown.

use reqwest::Url;

use crate::{Failure, host_matches};

/// Hosts that may be reached; none given means all.
pub(crate) type Hosts = Option<Vec<String>>;

/// Parses an address and checks that it may be fetched.
pub(crate) fn parse(text: &str, hosts: &Hosts) -> Result<Url, Failure> {
    let url = Url::parse(text).map_err(|error| Failure::Address { reason: error.to_string() })?;
    check(&url, hosts)?;
    Ok(url)
}

/// Returns where a redirect leads, if it may be followed.
pub(crate) fn redirected(from: &Url, location: &str, hosts: &Hosts) -> Result<Url, Failure> {
    let refuse = |reason: &str| Failure::Redirect { to: shown(location), reason: reason.to_owned() };
    let to = from.join(location).map_err(|error| refuse(&error.to_string()))?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(refuse("it leaves TLS"));
    }
    check(&to, hosts)?;
    Ok(to)
}

fn check(url: &Url, hosts: &Hosts) -> Result<(), Failure> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Failure::Address { reason: format!("`{}` is neither http nor https", url.scheme()) });
    }
    let host = url.host_str().unwrap_or_default();
    match hosts {
        Some(patterns) if !patterns.iter().any(|pattern| host_matches(pattern, host)) => {
            Err(Failure::HostNotAllowed { host: host.to_owned(), allowed: patterns.clone() })
        }
        _ => Ok(()),
    }
}

/// Returns an address for people: without user, password, query (where signatures and tokens travel) and fragment.
#[must_use]
pub fn shown(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        // Not an address: whatever precedes an `@` or follows a `?` may still be a secret.
        let text = text.split(['?', '#']).next().unwrap_or_default();
        return text.rsplit_once('@').map_or(text, |(_, rest)| rest).to_owned();
    };
    if !url.username().is_empty() || url.password().is_some() {
        // Fails for addresses that cannot have a user, which then has none to hide.
        let _ = url.set_password(None);
        let _ = url.set_username("***");
    }
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    url.set_fragment(None);
    url.to_string().replace("?%E2%80%A6", "?…")
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::{parse, redirected, shown};
    use crate::Failure;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn only_http_and_https_are_accepted() {
        for text in ["ftp://host/a", "file:///etc/passwd", "data:,a", "host/path", "", "http://", "//host/a"] {
            assert!(matches!(parse(text, &None), Err(Failure::Address { .. })), "{text:?} was accepted");
        }
        for text in ["http://host/a", "https://host:8443/a?b=c", "HTTPS://HOST/"] {
            assert!(parse(text, &None).is_ok(), "{text:?} was refused");
        }
    }

    #[test]
    fn a_redirect_does_not_leave_tls() {
        let from = url("https://one.example/a/b");
        let to = |location| redirected(&from, location, &None).map(String::from);
        assert_eq!(to("https://two.example/c").unwrap(), "https://two.example/c");
        assert_eq!(to("/c").unwrap(), "https://one.example/c");
        assert_eq!(to("c").unwrap(), "https://one.example/a/c");
        assert_eq!(
            to("http://one.example/?token=secret").unwrap_err().to_string(),
            "the redirect to `http://one.example/?…` is refused: it leaves TLS"
        );
        assert!(to("file:///etc/passwd").is_err());
        assert!(redirected(&url("http://one.example/"), "https://two.example/", &None).is_ok());
        assert!(matches!(
            redirected(&url("http://one.example/"), "file:///etc/passwd", &None),
            Err(Failure::Address { .. })
        ));
    }

    #[test]
    fn a_redirect_does_not_leave_the_allowed_hosts() {
        let hosts = Some(vec!["*.example".to_owned()]);
        assert!(parse("https://one.example/", &hosts).is_ok());
        assert!(redirected(&url("https://one.example/"), "https://two.example/", &hosts).is_ok());
        let error = redirected(&url("https://one.example/"), "https://169.254.169.254/", &hosts).unwrap_err();
        assert_eq!(error.to_string(), "`169.254.169.254` is not among the hosts that are allowed (*.example)");
        assert!(parse("https://other.test/", &Some(Vec::new())).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        for (text, expected) in [
            ("https://host/a", "https://host/a"),
            ("https://user:secret@host/a", "https://***@host/a"),
            ("https://secret@host/a", "https://***@host/a"),
            ("https://:secret@host/a", "https://***@host/a"),
            ("https://host/a?X-Signature=secret#secret", "https://host/a?…"),
            ("//user:secret@host/a?secret", "host/a"),
            ("https://user:secret@[bad/", "[bad/"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
