use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{json, Value};

use super::*;
use crate::frame::FrameBuilder;
use crate::socket::{encode_event, Limits, Packet};
use crate::{Args, ArgsError};

const LIMITS: Limits = Limits {
    max_attachments: 1_000,
    max_json_depth: 128,
};

fn bytes(text: &str) -> Binary {
    Binary::from(text.as_bytes())
}

fn payloads(args: &Args) -> Vec<&[u8]> {
    args.attachments().iter().map(Frame::payload).collect()
}

/// The same arguments after a way over the wire.
fn travelled(args: &Args) -> Args {
    let encoded = encode_event(&mut FrameBuilder::default(), "/", None, "e", args);
    let text = std::str::from_utf8(encoded.text.payload()).unwrap();
    let packet = Packet::decode(&text[1..], &LIMITS).unwrap();
    assert_eq!(packet.attachments, encoded.attachments.len());
    Args::received(packet.data.to_owned(), packet.args_at, encoded.attachments)
}

#[cfg(feature = "msgpack")]
fn travelled_as_msgpack(args: &Args) -> Args {
    use crate::socket::{MsgpackPacket, Parser};
    let frames = &mut FrameBuilder::default();
    let encoded = Parser::Msgpack.event(frames, "/", None, "e", args);
    assert!(encoded.attachments.is_empty());
    let read = MsgpackPacket::decode(encoded.text.payload(), &LIMITS).unwrap();
    let packet = read.packet(&LIMITS).unwrap();
    let (text, args_at) = (packet.data.to_owned(), packet.args_at);
    Args::received(text, args_at, read.attachments)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Node {
    Nothing,
    Number(i64),
    Text(String),
    Binary(Binary),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
    Record {
        data: Option<Binary>,
        next: Box<Node>,
    },
}

fn node() -> impl Strategy<Value = Node> {
    let binary = || prop::collection::vec(any::<u8>(), 0..9).prop_map(Binary::from);
    let leaf = prop_oneof![
        Just(Node::Nothing),
        any::<i64>().prop_map(Node::Number),
        ".{0,5}".prop_map(Node::Text),
        binary().prop_map(Node::Binary),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::List),
            prop::collection::btree_map(".{0,3}", inner.clone(), 0..4).prop_map(Node::Map),
            (prop::option::of(binary()), inner).prop_map(|(data, next)| Node::Record {
                data,
                next: Box::new(next)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(first in node(), second in node()) {
        let args = Args::from_values(&(&first, &second)).unwrap();
        let mut builder = Args::builder();
        builder.push(&first).unwrap().push(&second).unwrap();
        prop_assert_eq!(&builder.build(), &args);

        let back = travelled(&args);
        prop_assert_eq!(back.raw_list(), args.raw_list());
        prop_assert_eq!(back.attachments(), args.attachments());
        prop_assert_eq!(&back.get::<Node>(0).unwrap(), &first);
        prop_assert_eq!(&back.get::<Node>(1).unwrap(), &second);
        prop_assert_eq!(back.get_all::<(Node, Node)>().unwrap(), (first.clone(), second.clone()));
        let second_alone: Vec<Node> = travelled(&back.skip(1)).get_all().unwrap();
        prop_assert_eq!(&second_alone[..], std::slice::from_ref(&second));

        #[cfg(feature = "msgpack")]
        {
            let back = travelled_as_msgpack(&args);
            prop_assert_eq!(back.attachments().len(), args.attachments().len());
            prop_assert_eq!(back.get_all::<(Node, Node)>().unwrap(), (first, second));
        }
    }
}

#[test]
fn binary_values_are_numbered_in_the_order_in_which_they_appear() {
    let mut builder = Args::builder();
    builder
        .push_binary(b"0")
        .push(&(bytes("1"), [("k", bytes("2"))], Some(bytes("3"))))
        .unwrap()
        .push(&bytes("4"))
        .unwrap();
    let args = builder.build();
    let place = |number| json!({"_placeholder": true, "num": number});
    let values: Vec<Value> = args.get_all().unwrap();
    assert_eq!(
        values,
        [
            place(0),
            json!([place(1), [["k", place(2)]], place(3)]),
            place(4)
        ]
    );
    assert_eq!(payloads(&args), [b"0", b"1", b"2", b"3", b"4"]);
    assert_eq!(args.binary(2), Some(&b"4"[..]));
    assert_eq!(args.binary(1), None);
}

#[test]
fn no_byte_is_copied_on_the_way() {
    let sent = bytes("ab");
    let args = Args::one(&sent).unwrap();
    assert_eq!(args.attachments()[0].payload().as_ptr(), sent.as_ptr());
    assert_eq!(args.get::<Binary>(0).unwrap().as_ptr(), sent.as_ptr());
}

/// Types whose contents serde keeps in a buffer of its own before it knows what they are.
#[test]
fn binary_values_are_found_in_flattened_untagged_and_tagged_types() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        #[serde(flatten)]
        inner: Inner,
        either: Either,
        tagged: Tagged,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        data: Binary,
        #[serde(flatten)]
        rest: BTreeMap<String, Either>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Binary(Binary),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        One { data: Vec<Binary> },
    }
    let outer = Outer {
        inner: Inner {
            data: bytes("a"),
            rest: BTreeMap::from([("r".to_owned(), Either::Binary(bytes("b")))]),
        },
        either: Either::Binary(bytes("c")),
        tagged: Tagged::One {
            data: vec![bytes("d"), bytes("e")],
        },
    };
    let args = Args::one(&outer).unwrap();
    assert_eq!(payloads(&args), [b"a", b"b", b"c", b"d", b"e"]);
    assert_eq!(travelled(&args).get::<Outer>(0).unwrap(), outer);
    let text = Args::one("text").unwrap().get::<Either>(0).unwrap();
    assert_eq!(text, Either::Text("text".to_owned()));
}

#[test]
fn anything_but_a_placeholder_of_an_attachment_is_a_mismatch() {
    let read = |json: &str| {
        let text = format!("[{json}]");
        Args::received(text, 1, vec![Frame::binary(b"x")]).get::<Binary>(0)
    };
    for json in [
        r#"{"_placeholder":true,"num":0}"#,
        r#"{ "num" : 0, "more": [1], "_placeholder" : true }"#,
        r#"{"\u005fplaceholder":false,"_placeholder":true,"num":5,"num":0}"#,
    ] {
        assert_eq!(read(json).unwrap(), bytes("x"), "{json}");
        assert_eq!(json::placeholders(json).len(), 1, "{json}");
    }
    for json in [
        r#"{"_placeholder":true,"num":1}"#,
        r#"{"_placeholder":true,"num":-1}"#,
        r#"{"_placeholder":true,"num":"0"}"#,
        r#"{"_placeholder":true,"num":0.0}"#,
        r#"{"_placeholder":true}"#,
        r#"{"_placeholder":false,"num":0}"#,
        r#"{"_placeholder":1,"num":0}"#,
        r#"{"num":0}"#,
        "{}",
        "[true,0]",
        "[1,2]",
        "\"x\"",
        "null",
        "7",
    ] {
        assert!(
            matches!(read(json), Err(ArgsError::Mismatch(0, _))),
            "{json}"
        );
    }
    let error = read(r#"{"_placeholder":true,"num":9}"#).unwrap_err();
    assert_eq!(error.to_string(), "argument 0: there is no attachment 9");
    let error = read("7").unwrap_err().to_string();
    assert!(error.contains("expected a binary value"), "{error}");
    assert!(matches!(
        Args::one(&1).unwrap().get_all::<(Binary,)>(),
        Err(ArgsError::Mismatch(0, _))
    ));
}

#[test]
fn an_object_that_only_looks_like_a_placeholder_stays_one() {
    let value = json!({"_placeholder": false, "num": 0});
    let args = Args::from_values(&(&value, bytes("x"))).unwrap();
    assert_eq!(payloads(&args), [b"x"]);
    let read: (Value, Binary) = travelled(&args).get_all().unwrap();
    assert_eq!(read, (value, bytes("x")));
}

#[test]
fn outside_of_arguments_it_is_a_sequence_of_bytes() {
    let text = serde_json::to_string(&bytes("ab")).unwrap();
    assert_eq!(text, "[97,98]");
    assert_eq!(serde_json::from_str::<Binary>(&text).unwrap(), bytes("ab"));
    let place = r#"{"_placeholder":true,"num":0}"#;
    assert!(serde_json::from_str::<Binary>(place).is_err());
    Args::one(&bytes("ab")).unwrap().get::<Binary>(0).unwrap();
    assert!(serde_json::from_str::<Binary>(place).is_err());
    assert_eq!(serde_json::to_string(&bytes("")).unwrap(), "[]");
}

/// A format that has bytes of its own.
struct BinaryFormat(&'static [u8]);

impl<'de> Deserializer<'de> for BinaryFormat {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_bytes(self.0)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[test]
fn binary_formats_keep_their_own_bytes_inside_of_arguments_too() {
    let read = || Binary::deserialize(BinaryFormat(b"ab")).unwrap();
    assert_eq!(read(), bytes("ab"));
    assert_eq!(reading(None, read), bytes("ab"));
}

/// Writes a binary value and then does something else.
struct Then<F>(F);

impl<F: Fn() -> Option<&'static str>> Serialize for Then<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&bytes("then"))?;
        if let Some(error) = self.0() {
            return Err(serde::ser::Error::custom(error));
        }
        tuple.serialize_element(&bytes("last"))?;
        tuple.end()
    }
}

#[test]
fn what_fails_leaves_nothing_behind() {
    let mut builder = Args::builder();
    builder.push(&bytes("a")).unwrap();
    let error = builder.push(&Then(|| Some("no"))).unwrap_err();
    assert_eq!(error.to_string(), "no");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = builder.push(&Then(|| std::panic::resume_unwind(Box::new(()))));
    }));
    assert!(panicked.is_err());
    assert_eq!(serde_json::to_string(&bytes("b")).unwrap(), "[98]");
    builder.push(&bytes("b")).unwrap();
    let args = builder.build();
    assert_eq!(
        args.get_all::<Vec<Binary>>().unwrap(),
        [bytes("a"), bytes("b")]
    );
}

#[test]
fn arguments_can_be_written_and_read_while_others_are_written() {
    let inner = || {
        let args = Args::one(&[bytes("i"), bytes("j")]).unwrap();
        assert_eq!(payloads(&args), [b"i", b"j"]);
        let read: Vec<Binary> = args.get(0).unwrap();
        assert_eq!(read, [bytes("i"), bytes("j")]);
        None
    };
    let args = Args::from_values(&(bytes("first"), Then(inner))).unwrap();
    let read: (Binary, [Binary; 2]) = args.get_all().unwrap();
    assert_eq!(read, (bytes("first"), [bytes("then"), bytes("last")]));
}

#[test]
fn arguments_can_be_written_and_read_while_others_are_read() {
    #[derive(Deserialize)]
    #[serde(from = "Binary")]
    struct Nested(Binary);
    impl From<Binary> for Nested {
        fn from(read: Binary) -> Self {
            let args = Args::one(&[bytes("inner")]).unwrap();
            assert_eq!(args.get::<[Binary; 1]>(0).unwrap(), [bytes("inner")]);
            assert_eq!(serde_json::to_string(&bytes("b")).unwrap(), "[98]");
            Nested(read)
        }
    }
    let args = Args::from_values(&(bytes("a"), bytes("b"))).unwrap();
    let (first, second): (Nested, Nested) = args.get_all().unwrap();
    assert_eq!((first.0, second.0), (bytes("a"), bytes("b")));
}

#[test]
fn bytes_that_would_be_lost_are_an_error() {
    struct InText;
    impl Serialize for InText {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&serde_json::to_string(&bytes("x")).unwrap())
        }
    }
    let mut builder = Args::builder();
    assert!(builder.push(&InText).is_err());
    assert_eq!(builder.build(), Args::builder().build());

    #[derive(Serialize)]
    #[serde(untagged)]
    enum Deep {
        More([Box<Deep>; 1]),
        End(Binary),
    }
    let deep = |levels| {
        (0..levels).fold(Deep::End(bytes("x")), |inner, _| {
            Deep::More([Box::new(inner)])
        })
    };
    assert!(Args::one(&deep(127)).is_err());
    assert_eq!(
        travelled(&Args::one(&deep(126)).unwrap())
            .attachments()
            .len(),
        1
    );
}

#[test]
fn values_that_are_no_list_are_no_arguments() {
    assert_eq!(Args::from_values(&()).unwrap(), Args::none());
    assert!(Args::from_values(&[0u8; 0]).unwrap().is_empty());
    let args = Args::from_values(&vec![1, 2]).unwrap();
    assert_eq!(args.iter_raw().collect::<Vec<_>>(), ["1", "2"]);
    for value in [json!({"a": 1}), json!("[1]"), json!(1)] {
        assert!(Args::from_values(&value).is_err(), "{value}");
    }
}

#[test]
fn bytes_compare_and_print_by_their_contents() {
    assert_eq!(Binary::default(), Binary::from(Vec::new()));
    assert_ne!(bytes("a"), bytes("b"));
    assert_eq!(format!("{:?}", Binary::from(b"a\"\xff")), r#"b"a\"\xff""#);
    assert_eq!(Vec::from(bytes("ab")), b"ab");
    let set = std::collections::HashSet::from([bytes("a"), bytes("a")]);
    assert_eq!(set.len(), 1);
}
