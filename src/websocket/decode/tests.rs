use super::*;

const LIMIT: usize = 1000;

/// A frame of a client, with this first byte; the second byte and what follows it are of the fewest bytes possible.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = match length {
        0..=125 => vec![first, 0x80 | length as u8],
        126..=0xffff => vec![first, 0xfe, (length >> 8) as u8, length as u8],
        _ => [&[first, 0xff][..], &(length as u64).to_be_bytes()].concat(),
    };
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend_from_slice(&mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

/// The outcome of a single frame given to a new decoder.
fn decode_one(mut input: Vec<u8>) -> Result<(), Failure> {
    match Decoder::default().decode(&mut input, LIMIT)? {
        Decoded::Complete { consumed, .. } => assert_eq!(consumed, input.len()),
        Decoded::Incomplete { needed } => panic!("{needed} bytes needed"),
    }
    Ok(())
}

#[test]
fn the_example_of_the_rfc_is_a_text() {
    let mut input = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58rest";
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&mut input, LIMIT).unwrap();
    assert_eq!(
        decoded,
        Decoded::Complete {
            consumed: 11,
            message: Some(Message::Text("Hello"))
        }
    );
    assert_eq!(&input[11..], b"rest");
}

#[test]
fn each_kind_of_message_is_recognised() {
    let reason = CloseReason {
        code: 4001,
        reason: "bye",
    };
    for (mut input, message) in [
        (frame(0x81, "grün".as_bytes()), Message::Text("grün")),
        (frame(0x81, b""), Message::Text("")),
        (frame(0x82, b"\xff\0"), Message::Binary(b"\xff\0")),
        (frame(0x89, b"ping"), Message::Ping(b"ping")),
        (frame(0x89, &[1; 125]), Message::Ping(&[1; 125])),
        (frame(0x8a, b""), Message::Pong(b"")),
        (frame(0x88, b""), Message::Close(None)),
        (frame(0x88, b"\x0f\xa1bye"), Message::Close(Some(reason))),
    ] {
        let consumed = input.len();
        let mut decoder = Decoder::default();
        let decoded = decoder.decode(&mut input, LIMIT);
        assert_eq!(
            decoded,
            Ok(Decoded::Complete {
                consumed,
                message: Some(message)
            })
        );
    }
}

#[test]
fn what_is_not_utf8_is_refused() {
    let bytes: [(u8, &[u8]); 4] = [
        (0x81, b"\xff"),
        (0x81, b"caf\xc3"),
        (0x81, b"\xed\xa0\x80"),
        (0x88, b"\x03\xe8\xc3"),
    ];
    for (first, payload) in bytes {
        assert_eq!(
            decode_one(frame(first, payload)),
            Err(Failure::InvalidUtf8),
            "{payload:02x?}"
        );
    }
}

#[test]
fn every_failure_has_its_close_code() {
    assert_eq!(Failure::Protocol("").close_code(), 1002);
    assert_eq!(Failure::InvalidUtf8.close_code(), 1007);
    assert_eq!(Failure::TooBig.close_code(), 1009);
}

#[test]
fn only_close_codes_that_may_be_sent_are_taken() {
    assert_eq!(
        decode_one(frame(0x88, b"\x03")),
        Err(Failure::Protocol("half a close code"))
    );
    for code in 0..=u16::MAX {
        let may_be_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        assert_eq!(
            decode_one(frame(0x88, &code.to_be_bytes())).is_ok(),
            may_be_sent,
            "{code}"
        );
    }
}

#[test]
fn the_limit_is_judged_by_the_header_alone() {
    let header = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
    for length in [100_001, 1 << 32, i64::MAX as u64] {
        let outcome = Decoder::default()
            .decode(&mut header(length), 100_000)
            .map(|_| ());
        assert_eq!(outcome, Err(Failure::TooBig), "{length}");
    }
    let mut decoder = Decoder::default();
    assert_eq!(
        decoder.decode(&mut header(100_000), 100_000),
        Ok(Decoded::Incomplete { needed: 100_014 })
    );
    let mut nothing = Decoder::default();
    assert_eq!(
        nothing.decode(&mut frame(0x81, b"x"), 0).map(|_| ()),
        Err(Failure::TooBig)
    );
    assert!(nothing
        .decode(&mut frame(0x89, b"control frames have their own limit"), 0)
        .is_ok());
    let mut boundless = Decoder::default();
    let needed = usize::try_from(i64::MAX).map_or(usize::MAX, |length| length.saturating_add(14));
    assert_eq!(
        boundless.decode(&mut header(i64::MAX as u64), usize::MAX),
        Ok(Decoded::Incomplete { needed })
    );
}

#[test]
fn the_limit_holds_for_the_sum_of_the_fragments() {
    let mut decoder = Decoder::default();
    for first in [0x02, 0x00] {
        let mut fragment = frame(first, &[7; 400]);
        assert_eq!(
            decoder.decode(&mut fragment, LIMIT),
            Ok(Decoded::Complete {
                consumed: 408,
                message: None
            })
        );
    }
    let kept = decoder.fragments.as_ref().unwrap().payload.capacity();
    assert!(
        kept <= LIMIT,
        "{kept} bytes for a message of at most {LIMIT}"
    );
    let mut header = frame(0x80, &[7; 201])[..8].to_vec();
    assert_eq!(decoder.decode(&mut header, LIMIT), Err(Failure::TooBig));
    let mut exact = frame(0x80, &[7; 200]);
    let decoded = decoder.decode(&mut exact, LIMIT);
    assert_eq!(
        decoded,
        Ok(Decoded::Complete {
            consumed: 208,
            message: Some(Message::Binary(&[7; 1000]))
        })
    );
}

#[test]
fn empty_fragments_do_not_go_on_for_ever() {
    let mut decoder = Decoder::default();
    assert!(decoder.decode(&mut frame(0x01, b""), LIMIT).is_ok());
    let outcome =
        (0..2 * MAX_FRAGMENTS).find_map(|_| decoder.decode(&mut frame(0x00, b""), LIMIT).err());
    assert_eq!(outcome, Some(Failure::TooBig));
    assert_eq!(decoder.fragments.unwrap().count, MAX_FRAGMENTS);
}

#[test]
fn fragments_come_in_order_or_not_at_all() {
    let beginning = "a continuation without a beginning";
    let end = "a new message before the last one has ended";
    for (frames, rule) in [
        (vec![0x80], beginning),
        (vec![0x00], beginning),
        (vec![0x81, 0x80], beginning),
        (vec![0x01, 0x80, 0x00], beginning),
        (vec![0x01, 0x81], end),
        (vec![0x01, 0x00, 0x89, 0x02], end),
        (vec![0x02, 0x01], end),
    ] {
        let mut decoder = Decoder::default();
        let (last, good) = frames.split_last().unwrap();
        for first in good {
            assert!(decoder.decode(&mut frame(*first, b""), LIMIT).is_ok());
        }
        assert_eq!(
            decoder.decode(&mut frame(*last, b""), LIMIT),
            Err(Failure::Protocol(rule)),
            "{frames:02x?}"
        );
    }
}

#[test]
fn a_fragment_may_cut_a_character_but_not_break_one() {
    let euro = "€".as_bytes();
    let mut decoder = Decoder::default();
    assert!(decoder.decode(&mut frame(0x01, &euro[..1]), LIMIT).is_ok());
    assert!(decoder.decode(&mut frame(0x00, b""), LIMIT).is_ok());
    assert!(decoder.decode(&mut frame(0x00, &euro[1..2]), LIMIT).is_ok());
    let mut last = frame(0x80, &euro[2..]);
    let decoded = decoder.decode(&mut last, LIMIT);
    assert_eq!(
        decoded,
        Ok(Decoded::Complete {
            consumed: 7,
            message: Some(Message::Text("€"))
        })
    );

    let mut broken = Decoder::default();
    assert!(broken.decode(&mut frame(0x01, &euro[..2]), LIMIT).is_ok());
    assert_eq!(
        broken.decode(&mut frame(0x00, b"x"), LIMIT),
        Err(Failure::InvalidUtf8)
    );

    let mut unfinished = Decoder::default();
    assert!(unfinished
        .decode(&mut frame(0x01, &euro[..2]), LIMIT)
        .is_ok());
    assert_eq!(
        unfinished.decode(&mut frame(0x80, b""), LIMIT),
        Err(Failure::InvalidUtf8)
    );
}

#[test]
fn a_whole_message_is_handed_out_where_it_was_read() {
    let mut input = frame(0x81, b"in place");
    let range = input.as_ptr_range();
    let mut decoder = Decoder::default();
    let Ok(Decoded::Complete {
        message: Some(Message::Text(text)),
        ..
    }) = decoder.decode(&mut input, LIMIT)
    else {
        panic!("it is a text");
    };
    assert!(range.contains(&text.as_ptr()));
    assert!(decoder.fragments.is_none());
}

#[test]
fn an_idle_decoder_is_one_pointer_to_nothing() {
    assert_eq!(size_of::<Decoder>(), size_of::<usize>());
    let mut decoder = Decoder::default();
    assert!(decoder.decode(&mut frame(0x02, &[1; 500]), LIMIT).is_ok());
    decoder.release();
    assert!(decoder.fragments.is_some(), "the message is not complete");
    assert!(decoder.decode(&mut frame(0x80, &[2; 500]), LIMIT).is_ok());
    decoder.release();
    assert!(decoder.fragments.is_none());
}
