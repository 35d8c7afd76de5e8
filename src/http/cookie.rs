//! The cookie by which load balancers keep a polling client at one server.

use std::fmt::Write as _;

/// How the cookie with the session's id is set (RFC 6265 section 4.1). The host answers for name, path and domain being
/// valid there; one that would split the answer makes it a 500.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name. Default `io`.
    pub name: String,
    /// Under which paths it is sent. Default `/`; `None` leaves that to the browser.
    pub path: Option<String>,
    /// Whether scripts are kept from reading it. Default true.
    pub http_only: bool,
    /// Whether it is only sent over TLS. Default false.
    pub secure: bool,
    /// When it comes along with requests from other sites. Default [`SameSite::Lax`].
    pub same_site: SameSite,
    /// Seconds until it expires. Default `None`: when the browser is closed.
    pub max_age_s: Option<u64>,
    /// To which hosts it is sent. Default `None`: only to this one.
    pub domain: Option<String>,
}

/// When a cookie comes along with requests from other sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When a link is followed.
    Lax,
    /// Always; browsers want [`Cookie::secure`] then.
    None,
}

impl Default for Cookie {
    fn default() -> Self {
        Cookie {
            name: "io".to_owned(),
            path: Some("/".to_owned()),
            http_only: true,
            secure: false,
            same_site: SameSite::Lax,
            max_age_s: None,
            domain: None,
        }
    }
}

impl Cookie {
    /// The value of `Set-Cookie`.
    pub fn set(&self, value: &str) -> String {
        let mut text = format!("{}={value}", self.name);
        let mut add = |attribute: std::fmt::Arguments<'_>| {
            write!(text, "; {attribute}").expect("writing to a String cannot fail");
        };
        if let Some(seconds) = self.max_age_s {
            add(format_args!("Max-Age={seconds}"));
        }
        if let Some(domain) = &self.domain {
            add(format_args!("Domain={domain}"));
        }
        if let Some(path) = &self.path {
            add(format_args!("Path={path}"));
        }
        if self.http_only {
            add(format_args!("HttpOnly"));
        }
        if self.secure {
            add(format_args!("Secure"));
        }
        add(format_args!("SameSite={:?}", self.same_site));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_in_their_usual_order() {
        assert_eq!(
            Cookie::default().set("abc"),
            "io=abc; Path=/; HttpOnly; SameSite=Lax"
        );
        let full = Cookie {
            name: "id".to_owned(),
            path: Some("/a".to_owned()),
            secure: true,
            same_site: SameSite::Strict,
            max_age_s: Some(60),
            domain: Some("a.com".to_owned()),
            ..Cookie::default()
        };
        assert_eq!(
            full.set("x"),
            "id=x; Max-Age=60; Domain=a.com; Path=/a; HttpOnly; Secure; SameSite=Strict"
        );
        let bare = Cookie {
            path: None,
            http_only: false,
            same_site: SameSite::None,
            ..Cookie::default()
        };
        assert_eq!(bare.set("x"), "io=x; SameSite=None");
    }
}
