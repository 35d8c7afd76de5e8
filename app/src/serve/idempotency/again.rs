//! An answer that is given again.

use std::sync::Arc;

use pulsewheel::http::Response;
use pulsewheel::{Endpoint, Handle, RequestId};

use super::{Answered, Secret};
use crate::journal::{JournalReader, KeptAnswer};
use crate::serve::answer::{json_text, ApiError};
use crate::serve::auth::{Auth, Caller};
use crate::serve::call::call_surely;

/// Says that an answer is given again.
const REPLAYED: &str = "Idempotent-Replayed";

/// A request that gets the answer that another one got before.
pub struct Again {
    pub request: RequestId,
    /// The number of the request that was answered.
    pub number: u64,
    pub caller: Caller,
    pub auth: Arc<Auth>,
}

impl Again {
    /// Reads the answer, on any thread but the loop's, and has it given there.
    pub fn answer(self, journal: &JournalReader, handle: &Handle) {
        let kept = match journal.answer(self.number) {
            Ok(Some(kept)) => Ok(kept),
            Ok(None) => Err(ApiError::overload(
                "the answer was let go of a moment ago; send the request again",
            )),
            Err(error) => {
                log::error!("a kept answer can't be read: {error}");
                Err(ApiError::storage())
            }
        };
        let answer = move |endpoint: &mut Endpoint| {
            let answered = kept.clone().and_then(|kept| self.renewed(endpoint, kept));
            let response = answered.map_or_else(Response::from, Answered::told);
            // Whoever asked may have gone.
            let _ = endpoint.respond_when_confirmed(self.request, response);
        };
        // Fails only where the server has ended.
        let _ = call_surely(handle, answer);
    }

    /// The answer with a new token, where it had one: that is told once.
    fn renewed(&self, endpoint: &mut Endpoint, kept: KeptAnswer) -> Result<Answered, ApiError> {
        let response = json_text(kept.status, kept.text).with_header(REPLAYED, "true");
        let Some(renewed) = kept.renewed else {
            return Ok(response.into());
        };
        let token = self.auth.renew(endpoint, &self.caller, &renewed)?;
        let response = match renewed.share {
            None => response.with_header("Location", format!("/api/sessions/{}", renewed.session)),
            Some(_) => response,
        };
        Ok(Answered::with_secret(response, Secret { token, renewed }))
    }
}
