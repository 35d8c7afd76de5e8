//! Compressed answers (RFC 9110 sections 8.4 and 12.5.3).

use std::io::Write as _;

use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::Compression;

/// Which answers to polls are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpCompression {
    /// The smallest body that is, in bytes. Default 1,024, as in the reference.
    pub threshold_bytes: usize,
    /// The largest body that is, in bytes. Default 64 KiB: everybody waits while a body is compressed, for about a millisecond
    /// then. Beyond it the body is sent as it is.
    pub max_bytes: usize,
}

impl Default for HttpCompression {
    fn default() -> Self {
        HttpCompression {
            threshold_bytes: 1024,
            max_bytes: 64 * 1024,
        }
    }
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// The format of zlib, which is what HTTP calls deflate (RFC 9110 section 8.4.1.2).
    Deflate,
}

impl Coding {
    /// What the sender of this `Accept-Encoding` likes best of what there is; of two that it likes the same, gzip.
    pub fn accepted(accept_encoding: &str) -> Option<Coding> {
        let (mut gzip, mut deflate, mut any) = (None, None, 0);
        for item in accept_encoding.split(',') {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = weight(parameters);
            match coding.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = Some(weight),
                "deflate" => deflate = Some(weight),
                "*" => any = weight,
                _ => {}
            }
        }
        let (gzip, deflate) = (gzip.unwrap_or(any), deflate.unwrap_or(any));
        match (gzip, deflate) {
            (0, 0) => None,
            _ if gzip >= deflate => Some(Coding::Gzip),
            _ => Some(Coding::Deflate),
        }
    }

    /// The value of `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        }
    }

    /// The compressed bytes. At the fastest level: the loop waits for it.
    pub fn compress(self, bytes: &[u8]) -> Vec<u8> {
        let out = Vec::with_capacity(bytes.len() / 2);
        let compressed = match self {
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::fast());
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
            Coding::Deflate => {
                let mut encoder = ZlibEncoder::new(out, Compression::fast());
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
        };
        compressed.expect("writing to a Vec cannot fail")
    }
}

/// The weight among the parameters of a list item, in thousandths; 0 stands for refused, and for one that cannot be read.
fn weight(parameters: &str) -> u16 {
    let Some(value) = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    }) else {
        return 1000;
    };
    match value.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn the_sender_chooses() {
        for (accepted, coding) in [
            ("", None),
            ("identity", None),
            ("br", None),
            ("\u{fffd}", None),
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate, br", Some(Coding::Gzip)),
            ("deflate, gzip", Some(Coding::Gzip)),
            ("x-gzip", Some(Coding::Gzip)),
            ("GZIP;q=0.5, deflate", Some(Coding::Deflate)),
            ("gzip;q=0, deflate;Q=0.1", Some(Coding::Deflate)),
            ("gzip;q=0", None),
            ("gzip; q=0.000, *", Some(Coding::Deflate)),
            ("*", Some(Coding::Gzip)),
            ("*;q=0", None),
            ("*;q=0, deflate;q=0.001", Some(Coding::Deflate)),
            ("gzip;q=2", None),
            ("gzip;q=nonsense", None),
            (";;;,,=,q=1", None),
        ] {
            assert_eq!(Coding::accepted(accepted), coding, "{accepted}");
        }
    }

    #[test]
    fn what_is_compressed_is_read_again() {
        let text = b"tick tock ".repeat(500);
        let gzip = Coding::Gzip.compress(&text);
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..])
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, text);
        let deflate = Coding::Deflate.compress(&text);
        read.clear();
        flate2::read::ZlibDecoder::new(&deflate[..])
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, text);
        assert!(gzip.len() < text.len() / 10 && deflate.len() < gzip.len());
    }
}
