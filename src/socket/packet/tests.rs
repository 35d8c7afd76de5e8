use super::*;
use crate::frame::FrameBuilder;
use crate::socket::ConnectError;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    max_attachments: 10,
    max_json_depth: 128,
};

fn decode(text: &str) -> Result<Packet<'_>, PacketError> {
    Packet::decode(text, &LIMITS)
}

fn text_of(frame: &Frame) -> &str {
    std::str::from_utf8(frame.payload()).unwrap()
}

#[test]
fn reads_the_packets_of_the_protocol_page() {
    let connect = decode("0/admin,{\"token\":\"123\"}").unwrap();
    assert_eq!(
        (connect.kind, connect.namespace, connect.data),
        (Kind::Connect, "/admin", "{\"token\":\"123\"}")
    );
    let event = decode("2/admin,456[\"project:delete\",123]").unwrap();
    assert_eq!(
        (event.namespace, event.id, event.name),
        ("/admin", Some(456), Some("project:delete"))
    );
    assert_eq!(&event.data[event.args_at..], "123]");
    let binary = decode("51-/admin,456[\"x\",{\"_placeholder\":true,\"num\":0}]").unwrap();
    assert_eq!((binary.kind, binary.attachments), (Kind::BinaryEvent, 1));
    let ack = decode("3/admin,456[]").unwrap();
    assert_eq!(
        (ack.kind, ack.id, &ack.data[ack.args_at..]),
        (Kind::Ack, Some(456), "]")
    );
    let disconnect = decode("1/admin,").unwrap();
    assert_eq!(
        (disconnect.kind, disconnect.namespace),
        (Kind::Disconnect, "/admin")
    );
    assert_eq!(decode("0/a/b?c=d,{}").unwrap().namespace, "/a/b?c=d");
    assert_eq!(decode("0/a").unwrap().namespace, "/a");
    assert_eq!(decode("2[\"a\"]").unwrap().args_at, 4);
    let spaced = decode("2[ \"a\" , [ \"b\" ] , 1 ] ").unwrap();
    assert_eq!(spaced.name, Some("a"));
    assert_eq!(&spaced.data[spaced.args_at..], "[ \"b\" ] , 1 ]");
    assert_eq!(decode("2[ \"a\" ]").unwrap().args_at, 6);
}

#[test]
fn takes_what_the_reference_takes_though_it_looks_odd() {
    assert_eq!(decode("0 ").unwrap().kind, Kind::Connect);
    assert_eq!(decode("01").unwrap().kind, Kind::Connect);
    assert_eq!(decode("2[1,2]").unwrap().name, None);
    assert_eq!(decode("3[]").unwrap().id, None);
}

#[test]
fn refuses_what_breaks_the_protocol() {
    use PacketError::*;
    for (text, error) in [
        ("", UnknownType),
        ("7", UnknownType),
        ("9[]", UnknownType),
        ("ü", UnknownType),
        ("0[]", BadPayload),
        ("0\"x\"", BadPayload),
        ("0{", BadJson),
        ("0,", BadJson),
        ("1{}", BadPayload),
        ("2", BadPayload),
        ("2{}", BadPayload),
        ("2[]", BadPayload),
        ("2[{}]", BadPayload),
        ("2[null]", BadPayload),
        ("2[\"a\"", BadJson),
        ("2[\"connect\"]", ReservedEvent),
        ("2[\"disconnecting\"]", ReservedEvent),
        ("2[\"\\u0063onnect\"]", ReservedEvent),
        ("3{}", BadPayload),
        ("4{\"message\":\"x\"}", BadPayload),
        ("5[\"a\"]", BadAttachmentCount),
        ("5-[\"a\"]", BadAttachmentCount),
        ("5+1-[\"a\"]", BadAttachmentCount),
        ("511-[\"a\"]", TooManyAttachments),
        ("599999999999999999999999-[\"a\"]", TooManyAttachments),
        ("299999999999999999999[\"a\"]", BadId),
    ] {
        assert_eq!(decode(text), Err(error), "{text}");
    }
    let deep = format!("2[\"a\",{}{}]", "[".repeat(200), "]".repeat(200));
    assert_eq!(decode(&deep), Err(TooDeep));
}

#[test]
fn placeholders_must_name_attachments() {
    assert!(check_placeholders(r#"["x",{"_placeholder":true,"num":1}]"#, 2).is_ok());
    assert!(check_placeholders(r#"["x",{"_placeholder":false,"num":7}]"#, 2).is_ok());
    for num in ["2", "-1", "\"0\"", "null", "0.5"] {
        let data = format!(r#"["x",{{"_placeholder":true,"num":{num}}}]"#);
        assert_eq!(
            check_placeholders(&data, 2),
            Err(PacketError::BadPlaceholder),
            "{num}"
        );
    }
}

#[test]
fn writes_what_servers_send() {
    let mut frames = FrameBuilder::default();
    let id = crate::id::Secret::draw(&mut |bytes| bytes.fill(0)).id(0);
    assert_eq!(
        text_of(&encode_connect(&mut frames, "/", Some(id), None)),
        r#"40{"sid":"AAAAAAAAAAAAAAAAAAAA"}"#
    );
    assert_eq!(
        text_of(&encode_connect_error(
            &mut frames,
            "/x",
            &ConnectError::new("Invalid namespace"),
            false
        )),
        r#"44/x,{"message":"Invalid namespace"}"#
    );
    assert_eq!(text_of(&encode_disconnect(&mut frames, "/")), "41");
    assert_eq!(text_of(&encode_disconnect(&mut frames, "/x")), "41/x,");
    let event = encode_event(&mut frames, "/x", Some(7), "a\"b", &Args::one(&5).unwrap());
    assert_eq!(text_of(&event.text), r#"42/x,7["a\"b",5]"#);
    let bare = encode_event(&mut frames, "/", None, "a", &Args::none());
    assert_eq!(text_of(&bare.text), r#"42["a"]"#);
    let ack = encode_ack(&mut frames, "/", 3, &Args::none());
    assert_eq!(text_of(&ack.text), "433[]");
}

#[test]
fn attachments_follow_their_places() {
    let mut frames = FrameBuilder::default();
    let mut builder = Args::builder();
    builder
        .push_binary(b"a")
        .push(&1)
        .unwrap()
        .push_binary(b"b");
    let args = builder.build();
    let both = encode_event(&mut frames, "/", None, "x", &args);
    assert_eq!(
        text_of(&both.text),
        r#"452-["x",{"_placeholder":true,"num":0},1,{"_placeholder":true,"num":1}]"#
    );
    let second = encode_event(&mut frames, "/", None, "x", &args.clone().skip(1));
    assert_eq!(
        text_of(&second.text),
        r#"451-["x",1,{"_placeholder":true,"num":0}]"#
    );
    assert_eq!(second.attachments[0].payload(), b"b");
    let neither = encode_event(&mut frames, "/", None, "x", &args.skip(3));
    assert_eq!(text_of(&neither.text), r#"42["x"]"#);
}

#[test]
fn an_attachment_in_several_places_travels_once() {
    let place = |number: usize| serde_json::json!({"_placeholder": true, "num": number});
    let mut builder = Args::builder();
    builder.push_binary(b"a").push_binary(b"b");
    builder
        .push(&[place(1), place(0), place(1)])
        .expect("JSON has a JSON text");
    let event = encode_event(
        &mut FrameBuilder::default(),
        "/",
        None,
        "x",
        &builder.build().skip(2),
    );
    assert_eq!(
        text_of(&event.text),
        r#"452-["x",[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]]"#
    );
    assert_eq!(
        event.attachments,
        [Frame::binary(b"b"), Frame::binary(b"a")]
    );
}

proptest! {
    #[test]
    fn events_survive_the_round_trip(
        namespace in "/[^,]*", id in any::<Option<u64>>(), name in ".*", values in prop::collection::vec(any::<i64>(), 0..5)
    ) {
        let mut builder = Args::builder();
        for value in &values {
            builder.push(value).unwrap();
        }
        let encoded = encode_event(&mut FrameBuilder::default(), &namespace, id, &name, &builder.build());
        let text = text_of(&encoded.text);
        let packet = decode(&text[1..]);
        if is_reserved(&name) {
            prop_assert_eq!(packet, Err(PacketError::ReservedEvent));
        } else {
            let packet = packet.unwrap();
            prop_assert_eq!(packet.namespace, namespace);
            prop_assert_eq!(packet.id, id);
            let quoted = format!("\"{}\"", packet.name.unwrap());
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), name);
            let args = Args::received(packet.data.to_owned(), packet.args_at, Vec::new());
            let read: Vec<i64> = (0..args.len()).map(|i| args.get(i).unwrap()).collect();
            prop_assert_eq!(read, values);
        }
    }

    #[test]
    fn no_text_makes_the_decoder_panic(text in "[0-9]?[0-9-]*(/[a-z?]*,?)?[0-9]*[\\[{]?.*") {
        let _ = decode(&text);
    }
}
