//! Why a client may not join a namespace.

use std::fmt;

use serde::Serialize;

use crate::error::Error;

/// Why a client may not join a namespace: what its `connect_error` handler gets.
///
/// Goes out as `CONNECT_ERROR {"message":...,"data":...}`, without `data` where there is none. Clients of Socket.IO 2 get the
/// data alone, or else the message as a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    message: String,
    /// JSON text.
    data: Option<String>,
}

impl ConnectError {
    /// With a message for people.
    pub fn new(message: impl Into<String>) -> ConnectError {
        ConnectError {
            message: message.into(),
            data: None,
        }
    }

    /// With details for programs: anything that serde can write as JSON.
    pub fn with_data(
        mut self,
        data: &(impl Serialize + ?Sized),
    ) -> Result<ConnectError, serde_json::Error> {
        self.data = Some(serde_json::to_string(data)?);
        Ok(self)
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the packet carries; `is_bare` for clients of Socket.IO 2.
    pub(super) fn to_json(&self, is_bare: bool) -> String {
        let message = serde_json::Value::from(&*self.message);
        match (&self.data, is_bare) {
            (Some(data), true) => data.clone(),
            (None, true) => message.to_string(),
            (Some(data), false) => format!("{{\"message\":{message},\"data\":{data}}}"),
            (None, false) => format!("{{\"message\":{message}}}"),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectError {}

impl<T: Into<String>> From<T> for ConnectError {
    fn from(message: T) -> ConnectError {
        ConnectError::new(message)
    }
}

impl From<Error> for ConnectError {
    fn from(error: Error) -> ConnectError {
        ConnectError::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_clients_get_the_data_or_the_message_bare() {
        let error = ConnectError::new("say \"please\"");
        assert_eq!(error.to_json(false), r#"{"message":"say \"please\""}"#);
        assert_eq!(error.to_json(true), r#""say \"please\"""#);
        let error = error.with_data(&[1, 2]).unwrap();
        assert_eq!(
            error.to_json(false),
            r#"{"message":"say \"please\"","data":[1,2]}"#
        );
        assert_eq!(error.to_json(true), "[1,2]");
    }
}
