use pulsewheel::Endpoint;

use super::*;
use crate::serve::answer::json_text;
use crate::serve::testing::{ask, keeping_endpoint, key};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Writes what there is to be written, as the journal does.
fn write_down(requests: &mut Requests) {
    for change in requests.take(u64::MAX) {
        if let AnswerChange::Keep(request, _) = change {
            requests.written(&request);
        }
    }
}

fn answered(requests: &mut Requests, request: RequestId, text: &str) {
    requests.answered(request, &json_text(200, text.to_owned()), None, || 1);
}

/// A request that has a text for an answer, from its beginning until that is written.
fn done(requests: &mut Requests, endpoint: &mut Endpoint, key: &Key, text: &str, now_ms: u64) {
    let (_, request) = ask(endpoint);
    let standing = requests.begin(request, key, Some([1; 16]), now_ms);
    assert_eq!(standing, Ok(Standing::First));
    answered(requests, request, text);
    write_down(requests);
}

/// The number of the answer that a request would get; `None` where it would be done.
fn found(requests: &mut Requests, endpoint: &mut Endpoint, key: &Key, now_ms: u64) -> Option<u64> {
    let (_, request) = ask(endpoint);
    match requests.begin(request, key, Some([1; 16]), now_ms).unwrap() {
        Standing::First => {
            requests.give_up(request);
            None
        }
        Standing::Repeated(repeated) => Some(repeated.number),
    }
}

#[test]
fn the_oldest_of_a_caller_goes_first_and_everything_after_a_day() {
    let (mut requests, mut endpoint) = (Requests::default(), keeping_endpoint());
    for number in 0..=100 {
        done(
            &mut requests,
            &mut endpoint,
            &key(1, number),
            "{}",
            u64::from(number),
        );
    }
    done(&mut requests, &mut endpoint, &key(2, 0), "{}", 100);
    assert_eq!(found(&mut requests, &mut endpoint, &key(1, 0), 100), None);
    assert!(found(&mut requests, &mut endpoint, &key(1, 1), 100).is_some());
    assert!(found(&mut requests, &mut endpoint, &key(1, 1), DAY_MS).is_some());
    assert_eq!(
        found(&mut requests, &mut endpoint, &key(1, 1), DAY_MS + 1),
        None
    );
    assert!(found(&mut requests, &mut endpoint, &key(2, 0), DAY_MS + 99).is_some());
    assert_eq!(
        found(&mut requests, &mut endpoint, &key(2, 0), DAY_MS + 100),
        None
    );
    let Requests {
        kept,
        kept_bytes,
        busy,
        ..
    } = requests;
    assert_eq!((kept, kept_bytes, busy), (0, 0, 0));
    assert!(requests.by_key.is_empty() && requests.by_caller.is_empty());
    // What was let go of is to be taken off the disk.
    assert_eq!(requests.changes.len(), 101);
}

#[test]
fn of_all_callers_a_thousand_are_kept_and_so_many_bytes() {
    let (mut requests, mut endpoint) = (Requests::default(), keeping_endpoint());
    for number in 0..1_005 {
        let caller = u8::try_from(number / 100).unwrap();
        done(&mut requests, &mut endpoint, &key(caller, number), "{}", 0);
    }
    assert_eq!(requests.kept, MAX_KEPT);
    assert_eq!(found(&mut requests, &mut endpoint, &key(0, 4), 0), None);
    assert!(found(&mut requests, &mut endpoint, &key(0, 5), 0).is_some());
    let large = "x".repeat(MAX_ANSWER_BYTES);
    for number in 0..100 {
        done(&mut requests, &mut endpoint, &key(99, number), &large, 0);
        assert!(requests.kept_bytes <= MAX_KEPT_BYTES);
    }
    assert!(found(&mut requests, &mut endpoint, &key(99, 99), 0).is_some());
    // One that is too large is given and not kept.
    let too_large = "x".repeat(MAX_ANSWER_BYTES + 1);
    done(&mut requests, &mut endpoint, &key(98, 0), &too_large, 0);
    assert_eq!(found(&mut requests, &mut endpoint, &key(98, 0), 0), None);
}

#[test]
fn what_is_under_way_is_bounded_and_never_let_go_of() {
    let (mut requests, mut endpoint) = (Requests::default(), keeping_endpoint());
    let begin = |requests: &mut Requests, endpoint: &mut Endpoint, caller, number| {
        let (_, request) = ask(endpoint);
        let begun = requests.begin(request, &key(caller, number), None, 0);
        begun.map(|_| request).map_err(|error| error.status)
    };
    let first = begin(&mut requests, &mut endpoint, 1, 0).unwrap();
    for number in 1..100 {
        begin(&mut requests, &mut endpoint, 1, number).unwrap();
    }
    assert_eq!(begin(&mut requests, &mut endpoint, 1, 100), Err(429));
    for number in 0..150 {
        let caller = 2 + u8::try_from(number / 100).unwrap();
        begin(&mut requests, &mut endpoint, caller, number).unwrap();
    }
    assert_eq!(begin(&mut requests, &mut endpoint, 9, 0), Err(503));
    requests.body_is_known(first, [1; 16]);
    answered(&mut requests, first, "{}");
    write_down(&mut requests);
    assert!(begin(&mut requests, &mut endpoint, 9, 0).is_ok());
    // However old it is.
    assert_eq!(begin(&mut requests, &mut endpoint, 1, 1), Err(409));
    let (_, request) = ask(&mut endpoint);
    let late = requests.begin(request, &key(1, 1), None, 2 * DAY_MS);
    assert_eq!(late.map_err(|error| error.status), Err(409));
}

#[test]
fn where_much_waits_for_the_disk_nothing_more_is_begun() {
    let (mut requests, mut endpoint) = (Requests::default(), keeping_endpoint());
    let large = "x".repeat(MAX_UNWRITTEN_BYTES / 2 + 1);
    for number in 0..2 {
        let (_, request) = ask(&mut endpoint);
        requests
            .begin(request, &key(1, number), Some([1; 16]), 0)
            .unwrap();
        answered(&mut requests, request, &large);
    }
    let (_, request) = ask(&mut endpoint);
    let refused = requests.begin(request, &key(1, 2), Some([1; 16]), 0);
    assert_eq!(refused.map_err(|error| error.status), Err(503));
    write_down(&mut requests);
    assert_eq!(found(&mut requests, &mut endpoint, &key(1, 2), 0), None);
}

#[test]
fn what_was_kept_comes_back_with_its_numbers() {
    let mut endpoint = keeping_endpoint();
    let request = |number: u16, at_ms| AnsweredRequest {
        number: number.into(),
        key: key(1, number).hash,
        caller: key(1, number).caller,
        body: [1; 16],
        at_ms,
    };
    let again = AnsweredRequest {
        number: 6,
        ..request(8, 4)
    };
    let kept = vec![(request(3, 0), 10), (again, 15), (request(8, 5), 20)];
    let mut requests = Requests::restored(kept, DAY_MS);
    assert_eq!(
        found(&mut requests, &mut endpoint, &key(1, 8), DAY_MS),
        Some(8)
    );
    let gone = requests.take(0);
    let gone: Vec<u64> = gone.iter().map(AnswerChange::number).collect();
    assert_eq!(gone, [6, 3]);
    done(&mut requests, &mut endpoint, &key(1, 9), "{}", DAY_MS);
    assert!(found(&mut requests, &mut endpoint, &key(1, 9), DAY_MS) > Some(8));
    assert_eq!(requests.kept_bytes, 22);
}
