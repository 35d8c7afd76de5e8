//! Who may send what: the checks of `Host` and `Origin`.

use pulsewheel::http::{is_allowed_host, same_origin, Request};

use super::answer::ApiError;

/// Refuses a request that is addressed to another host: a page whose own name was
/// made to point here would otherwise read and write as if it were ours.
pub fn check_host(head: &Request, allowed: &[String]) -> Result<(), ApiError> {
    match &head.host {
        // Only HTTP/1.0 may leave it out, and no browser speaks that.
        None => Ok(()),
        Some(host) if is_allowed_host(host, allowed) => Ok(()),
        Some(_) => Err(ApiError::forbidden(
            "this server does not go by that Host; start it with --allowed-host NAME to let a name in",
        )),
    }
}

/// Refuses a request that changes something and comes from a page of another
/// site. Programs that are no browsers send no `Origin`.
pub fn check_origin(head: &Request) -> Result<(), ApiError> {
    let origins = head
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("origin"));
    for (_, origin) in origins {
        if !head
            .host
            .as_deref()
            .is_some_and(|host| same_origin(origin, host))
        {
            return Err(ApiError::forbidden(
                "pages of other sites may not change anything here",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::get;
    use super::*;

    fn request(host: Option<&str>, origins: &[&str]) -> Request {
        let headers: Vec<(&str, &str)> = origins.iter().map(|origin| ("Origin", *origin)).collect();
        Request {
            host: host.map(str::to_owned),
            ..get(&headers)
        }
    }

    #[test]
    fn foreign_names_are_refused() {
        let allowed = ["scans.example".to_owned()];
        for (host, wanted) in [
            (Some("localhost:8988"), true),
            (Some("SCANS.example"), true),
            (Some("evil.example"), false),
            (Some("127.0.0.1.evil.example"), false),
            (None, true),
        ] {
            assert_eq!(
                check_host(&request(host, &[]), &allowed).is_ok(),
                wanted,
                "{host:?}"
            );
        }
    }

    #[test]
    fn foreign_pages_are_refused() {
        for (host, origins, wanted) in [
            (Some("localhost:1"), &[][..], true),
            (Some("localhost:1"), &["http://localhost:1"], true),
            (Some("localhost:1"), &["http://localhost:2"], false),
            (
                Some("localhost:1"),
                &["http://localhost:1", "http://evil.example"],
                false,
            ),
            (Some("localhost:1"), &["null"], false),
            (None, &["http://localhost:1"], false),
        ] {
            assert_eq!(
                check_origin(&request(host, origins)).is_ok(),
                wanted,
                "{host:?} {origins:?}"
            );
        }
    }
}
