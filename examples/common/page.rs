//! What the examples with a page share: serving that page and the browser client.

use std::path::Path;

use pulsewheel::http::Response;
use pulsewheel::{Config, Endpoint, Event};

/// Where the dashboard's packages hold the files of the browser client.
const CLIENT_FILES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/web/node_modules/socket.io-client/dist"
);

/// Settings with which [`serve`] gets to see requests.
pub fn config() -> Config {
    Config {
        host_http: true,
        serve_client: true,
        progress: None,
        ..Config::default()
    }
}

/// Answers requests: `/` with the page, `/socket.io/*.js` with files of the browser client.
pub fn serve(endpoint: &mut Endpoint, event: Event, page: &'static str) {
    let Event::Request { request, head, .. } = event else {
        return;
    };
    let response = match head.path.as_str() {
        "/" => Response::html(200, page.as_bytes()),
        path => match path.strip_prefix("/socket.io/") {
            Some(file) => client_file(file),
            None => Response::text(404, "There is only one page here: /"),
        },
    };
    // Whoever has hung up meanwhile wants no answer.
    let _ = endpoint.respond(request, response);
}

fn client_file(name: &str) -> Response {
    // Nothing outside of that folder can be meant.
    if name.contains(['/', '\\']) || !name.starts_with("socket.io") {
        return Response::text(404, "The browser client has no such file.");
    }
    match std::fs::read(Path::new(CLIENT_FILES).join(name)) {
        Ok(file) => Response::new(200, "application/javascript; charset=utf-8", file),
        Err(error) => Response::text(
            404,
            format!("{name}: {error}. The browser client is installed by 'make web'."),
        ),
    }
}
