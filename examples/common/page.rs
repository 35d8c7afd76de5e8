//! What the examples with a page share: serving that page and the browser client.

use pulsewheel::http::Response;
use pulsewheel::{Config, Files, Io};

/// Where the dashboard's packages hold the files of the browser client.
const CLIENT_FILES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/web/node_modules/socket.io-client/dist"
);

/// Settings of a server with a page.
pub fn config() -> Config {
    Config {
        serve_client: true,
        progress: None,
        ..Config::default()
    }
}

/// Answers `/` with the page, and `/socket.io/*.js` with files of the browser client.
pub fn serve<S: 'static>(io: &mut Io<S>, page: &'static str) {
    io.http("GET", "/", move |_, _| Response::html(200, page));
    match Files::new(CLIENT_FILES) {
        Ok(files) => {
            io.files("/socket.io/*", files);
        }
        Err(error) => super::say::complain(format!(
            "{CLIENT_FILES}: {error}; 'make web' installs the browser client"
        )),
    }
}
