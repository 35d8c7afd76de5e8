//! Cross-origin requests: what pages of other origins may read (the Fetch standard, "CORS protocol").

use std::borrow::Cow;

/// A header field of an answer.
pub type Field = (Cow<'static, str>, Cow<'static, str>);

/// Which origins may read answers, and how. Names and defaults are those of the `cors` package that the reference uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Whose pages may read.
    pub origins: Origins,
    /// Whether cookies and HTTP authentication may come along. Default false.
    pub credentials: bool,
    /// Methods named in the answer to a preflight. Default `GET,HEAD,PUT,PATCH,POST,DELETE`.
    pub methods: String,
    /// Request headers named in the answer to a preflight. Default `None`: those that were asked for.
    pub allowed_headers: Option<String>,
    /// Answer headers that pages may read. Default none beyond those that they always may.
    pub exposed_headers: Option<String>,
    /// Seconds for which the answer to a preflight holds. Default `None`: the browser's own idea.
    pub max_age_s: Option<u64>,
}

/// Whose pages may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Anybody's, named `*`; browsers then send no credentials.
    Any,
    /// Anybody's, each named as it is.
    Reflect,
    /// Those of these origins, such as `https://app.example`. Others get the same answer without leave to read it: CORS
    /// protects readers, it does not refuse requests.
    List(Vec<String>),
}

impl Default for Cors {
    fn default() -> Self {
        Cors {
            origins: Origins::Any,
            credentials: false,
            methods: "GET,HEAD,PUT,PATCH,POST,DELETE".to_owned(),
            allowed_headers: None,
            exposed_headers: None,
            max_age_s: None,
        }
    }
}

impl Cors {
    /// Leave for the pages of these origins.
    pub fn list(origins: impl IntoIterator<Item = impl Into<String>>) -> Cors {
        Cors {
            origins: Origins::List(origins.into_iter().map(Into::into).collect()),
            ..Cors::default()
        }
    }

    /// The fields of an answer to an actual request.
    pub fn answer_fields(&self, origin: Option<&str>) -> Vec<Field> {
        let mut fields = Vec::new();
        if let Some(origin) = self.allowed(origin) {
            fields.push(field("Access-Control-Allow-Origin", origin));
        }
        if self.origins != Origins::Any {
            fields.push(field("Vary", "Origin".to_owned()));
        }
        if self.credentials {
            fields.push(field("Access-Control-Allow-Credentials", "true".to_owned()));
        }
        if let Some(exposed) = &self.exposed_headers {
            fields.push(field("Access-Control-Expose-Headers", exposed.clone()));
        }
        fields
    }

    /// The fields of the answer to a preflight, in which the browser asked for these request headers.
    pub fn preflight_fields(&self, origin: Option<&str>, asked: Option<&str>) -> Vec<Field> {
        let mut fields = self.answer_fields(origin);
        fields.push(field("Access-Control-Allow-Methods", self.methods.clone()));
        match (&self.allowed_headers, asked) {
            (Some(allowed), _) => {
                fields.push(field("Access-Control-Allow-Headers", allowed.clone()))
            }
            (None, asked) => {
                let vary = fields.iter_mut().find(|(name, _)| name == "Vary");
                match vary {
                    Some((_, value)) => value.to_mut().push_str(", Access-Control-Request-Headers"),
                    None => fields.push(field("Vary", "Access-Control-Request-Headers".to_owned())),
                }
                if let Some(asked) = asked {
                    fields.push(field("Access-Control-Allow-Headers", asked.to_owned()));
                }
            }
        }
        if let Some(seconds) = self.max_age_s {
            fields.push(field("Access-Control-Max-Age", seconds.to_string()));
        }
        fields
    }

    fn allowed(&self, origin: Option<&str>) -> Option<String> {
        match (&self.origins, origin) {
            (Origins::Any, _) => Some("*".to_owned()),
            (Origins::Reflect, Some(origin)) => Some(origin.to_owned()),
            (Origins::List(list), Some(origin)) => {
                let is_listed = list
                    .iter()
                    .any(|listed| listed.eq_ignore_ascii_case(origin));
                is_listed.then(|| origin.to_owned())
            }
            (_, None) => None,
        }
    }
}

fn field(name: &'static str, value: String) -> Field {
    (Cow::Borrowed(name), Cow::Owned(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(fields: &[Field]) -> Vec<String> {
        fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    }

    #[test]
    fn anybody_is_a_star() {
        let cors = Cors::default();
        assert_eq!(
            lines(&cors.answer_fields(Some("https://a.example"))),
            ["Access-Control-Allow-Origin: *"]
        );
        assert_eq!(
            lines(&cors.preflight_fields(Some("https://a.example"), Some("x-one,x-two"))),
            [
                "Access-Control-Allow-Origin: *",
                "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE",
                "Vary: Access-Control-Request-Headers",
                "Access-Control-Allow-Headers: x-one,x-two"
            ]
        );
    }

    #[test]
    fn a_listed_origin_is_named_and_another_gets_the_same_without_leave() {
        let cors = Cors {
            credentials: true,
            exposed_headers: Some("x-seen".to_owned()),
            allowed_headers: Some("x-mine".to_owned()),
            max_age_s: Some(60),
            ..Cors::list(["https://a.example"])
        };
        let rest = [
            "Vary: Origin",
            "Access-Control-Allow-Credentials: true",
            "Access-Control-Expose-Headers: x-seen",
        ];
        let mut named = vec!["Access-Control-Allow-Origin: https://a.example"];
        named.extend(rest);
        assert_eq!(lines(&cors.answer_fields(Some("https://a.example"))), named);
        assert_eq!(lines(&cors.answer_fields(Some("https://b.example"))), rest);
        assert_eq!(lines(&cors.answer_fields(None)), rest);
        let preflight = lines(&cors.preflight_fields(Some("https://a.example"), Some("x-other")));
        assert!(preflight.contains(&"Access-Control-Allow-Headers: x-mine".to_owned()));
        assert!(preflight.contains(&"Access-Control-Max-Age: 60".to_owned()));
    }

    #[test]
    fn a_reflected_origin_is_named_whoever_it_is() {
        let cors = Cors {
            origins: Origins::Reflect,
            ..Cors::default()
        };
        let preflight = lines(&cors.preflight_fields(Some("https://b.example"), None));
        assert!(preflight.contains(&"Access-Control-Allow-Origin: https://b.example".to_owned()));
        assert!(preflight.contains(&"Vary: Origin, Access-Control-Request-Headers".to_owned()));
    }
}
