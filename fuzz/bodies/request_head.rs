//! HTTP requests, pipelined, heads and bodies: the same bytes must mean the same however they are cut.

use pulsewheel::http::{
    parse_host, same_origin, BodyDecoder, BodyPart, Framing, Head, HeadLimits, HeadOptions,
    HeadScan, Parsed, Refusal, Request, Response,
};

/// Small enough for the fuzzer to reach them.
const LIMITS: HeadLimits = HeadLimits {
    max_bytes: 1024,
    max_request_line_bytes: 256,
    max_headers: 16,
};

/// Reads `data` as one connection's input, at once, byte by byte and in two pieces, and compares.
pub fn run(data: &[u8]) {
    let whole = converse(data, &[data.len()]);
    let bytes: Vec<usize> = (1..=data.len()).collect();
    assert_eq!(converse(data, &bytes), whole, "byte by byte");
    // The input chooses the cut, as its last byte and its length.
    let chosen = usize::from(data.last().copied().unwrap_or(0)) * data.len() / 256;
    assert_eq!(converse(data, &[chosen, data.len()]), whole, "at {chosen}");
    if let Some(refusal) = whole.refusal {
        check_answer(refusal);
    }
}

#[derive(Debug, Default, PartialEq)]
struct Conversation {
    requests: Vec<Request>,
    /// The bodies, those that never ended included.
    bodies: Vec<Vec<u8>>,
    /// How many bytes have been taken.
    taken: usize,
    refusal: Option<Refusal>,
}

/// What a server sees when the input has come so far at each step.
fn converse(data: &[u8], ends: &[usize]) -> Conversation {
    let mut seen = Conversation::default();
    let mut scan = HeadScan::default();
    let mut body: Option<BodyDecoder> = None;
    for &end in ends {
        let mut at = seen.taken;
        let outcome = loop {
            let input = &data[at..end];
            match step(&mut scan, &mut body, input, &mut seen) {
                Ok(Some(taken)) => at += taken,
                Ok(None) => break Ok(at),
                Err(refusal) => break Err(refusal),
            }
        };
        match outcome {
            Ok(at) => seen.taken = at,
            Err(refusal) => {
                // How far into its piece a refusal comes depends on the cuts, by nature.
                seen.taken = 0;
                seen.refusal = Some(refusal);
                return seen;
            }
        }
    }
    seen
}

/// One step: how many bytes it took, or `None` when it needs more than there are.
fn step(
    scan: &mut HeadScan,
    body: &mut Option<BodyDecoder>,
    input: &[u8],
    seen: &mut Conversation,
) -> Result<Option<usize>, Refusal> {
    let Some(decoder) = body else {
        return match scan.parse(input, &LIMITS)? {
            Parsed::Partial => {
                assert!(input.len() < LIMITS.max_bytes);
                Ok(None)
            }
            Parsed::Complete { head, length } => {
                assert!(length <= input.len() && length <= LIMITS.max_bytes);
                check_head(&head);
                seen.requests.push(Request::from(&head));
                seen.bodies.push(Vec::new());
                *body = Some(BodyDecoder::new(head.framing));
                Ok(Some(length))
            }
        };
    };
    let (taken, part) = decoder.decode(input)?;
    match part {
        BodyPart::Data(data) => {
            assert!(!data.is_empty());
            seen.bodies
                .last_mut()
                .expect("a body is being read")
                .extend_from_slice(data);
        }
        BodyPart::End => *body = None,
        BodyPart::NeedMore => {
            assert_eq!(taken, input.len());
            // Taken once and for all, although nothing came of it.
            return Ok((taken > 0).then_some(taken));
        }
    }
    Ok(Some(taken))
}

/// What holds for every head that is taken.
fn check_head(head: &Head<'_>) {
    assert!(head.path.starts_with('/') || head.path == "*");
    assert!(head.path.is_ascii() && head.query.is_ascii());
    assert!(head.minor_version <= 1 && head.headers().count() <= LIMITS.max_headers);
    assert!(head.host.is_some() || head.minor_version == 0);
    assert!(head.host.is_none_or(|host| parse_host(host).is_some()));
    for (name, value) in head.headers() {
        assert!(!name.is_empty() && head.header(name).is_some());
        assert!(!value.iter().any(|byte| b"\r\n\0".contains(byte)));
    }
    if head.framing == Framing::Chunked {
        assert!(head.minor_version == 1 && head.header("content-length").is_none());
    }
    let request = Request::from(head);
    request.query_pairs().count();
    if let Some(origin) = head.header("origin") {
        same_origin(origin, head.host.unwrap_or_default());
    }
}

/// Every refusal has an answer that can be sent.
fn check_answer(refusal: Refusal) {
    let options = HeadOptions {
        keep_alive: false,
        head_request: false,
        http10: false,
    };
    let answer = Response::from(refusal).encode(&mut Vec::new(), options);
    assert!(answer.is_ok_and(|body| !body.is_empty()));
}
