//! Runs the fuzz targets over their seed corpus, on the stable toolchain and without a fuzzer.
//!
//! A file that once made a target fail belongs into `fuzz/corpus/<target>/`, under a name that says what it is.

use std::fs;
use std::panic;
use std::path::Path;

/// For each target its body as a module, and a test of the same name that runs it over the corpus.
macro_rules! targets {
    ($($target:ident = $body:literal),* $(,)?) => {
        $(
            #[path = $body]
            mod $target;

            #[test]
            fn $target() {
                run_corpus(stringify!($target), $target::run);
            }
        )*
    };
}

targets! {
    endpoint = "../fuzz/bodies/endpoint.rs",
    engine_payload = "../fuzz/bodies/engine_payload.rs",
    request_head = "../fuzz/bodies/request_head.rs",
    socket_packet = "../fuzz/bodies/socket_packet.rs",
    websocket_stream = "../fuzz/bodies/websocket_stream.rs",
}

/// Runs `body` over the corpus of `target`, and over all beginnings of each file, since a corpus shows only whole inputs.
fn run_corpus(target: &str, body: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).expect("every target has a corpus folder");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no corpus in {}", folder.display());
    for path in paths {
        let data = fs::read(&path).expect("the file can be read");
        // Long files come from a fuzzer rather than from a person; a few hundred of their beginnings will do.
        let stride = data.len() / 256 + 1;
        for end in (0..data.len()).step_by(stride).chain([data.len()]) {
            let outcome = panic::catch_unwind(|| body(&data[..end]));
            assert!(
                outcome.is_ok(),
                "{} fails, cut to {end} bytes",
                path.display()
            );
        }
    }
}
