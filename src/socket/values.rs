//! Arguments out of values and values out of arguments, by the shape of their types alone.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::ser::{Impossible, Serializer};
use serde::Serialize;

use super::arg_list::ArgList;
use super::{Args, ArgsError};

/// What can be emitted: [`Args`], and everything that serde can write.
///
/// A tuple is several arguments, as is an array; `()` is none; anything else is one, `Vec` and structs included. What would be
/// several and shall be one goes into a tuple of one: `((1, 2),)`.
///
/// ```
/// use pulsewheel::IntoArgs;
///
/// let texts = |args: pulsewheel::Args| args.iter_raw().map(str::to_owned).collect::<Vec<_>>();
/// assert_eq!(texts(("ada", 36).into_args()?), ["\"ada\"", "36"]);
/// assert_eq!(texts(vec![1, 2].into_args()?), ["[1,2]"]);
/// assert_eq!(texts(((1, 2),).into_args()?), ["[1,2]"]);
/// assert!(().into_args()?.is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
pub trait IntoArgs: Sized {
    /// The arguments, or why they have no JSON text.
    fn into_args(self) -> Result<Args, serde_json::Error>;

    /// Does something with the arguments. What is there already is not copied for it.
    fn with_args<R>(self, act: impl FnOnce(&Args) -> R) -> Result<R, serde_json::Error> {
        Ok(act(&self.into_args()?))
    }
}

impl IntoArgs for Args {
    fn into_args(self) -> Result<Args, serde_json::Error> {
        Ok(self)
    }
}

impl IntoArgs for &Args {
    fn into_args(self) -> Result<Args, serde_json::Error> {
        Ok(self.clone())
    }

    fn with_args<R>(self, act: impl FnOnce(&Args) -> R) -> Result<R, serde_json::Error> {
        Ok(act(self))
    }
}

impl<T: Serialize> IntoArgs for T {
    fn into_args(self) -> Result<Args, serde_json::Error> {
        write(String::new, &self)
    }

    /// They are written where those before them were, so that what is emitted one after the other needs no memory of its own.
    fn with_args<R>(self, act: impl FnOnce(&Args) -> R) -> Result<R, serde_json::Error> {
        const KEPT_BYTES: usize = 4096;
        let args = write(|| SPARE_TEXT.take(), &self)?;
        let result = act(&args);
        let mut text = args.into_text();
        if (1..=KEPT_BYTES).contains(&text.capacity()) {
            text.clear();
            SPARE_TEXT.set(text);
        }
        Ok(result)
    }
}

thread_local! {
    /// Memory for the next arguments.
    static SPARE_TEXT: Cell<String> = const { Cell::new(String::new()) };
}

fn write(
    memory: impl FnOnce() -> String,
    value: &impl Serialize,
) -> Result<Args, serde_json::Error> {
    match value.serialize(ShapeOf) {
        Err(Shape::Several) => Args::write_several(memory(), value),
        Err(Shape::Nothing) => Ok(Args::none()),
        Err(Shape::One) => Args::write_one(memory(), value),
        Ok(never) => match never {},
    }
}

/// What arguments can be read as: [`Args`], and everything that serde can read.
///
/// A tuple takes the first arguments, as an array does; `()` takes none; anything else is the first one. Further arguments are
/// ignored, as a handler in JavaScript does; an `Option` is `None` where there is none, in a tuple too.
///
/// ```
/// use pulsewheel::{Args, FromArgs};
///
/// let args = Args::from_values(&("ada", 36))?;
/// assert_eq!(<(String, u8)>::from_args(&args)?, ("ada".to_owned(), 36));
/// assert_eq!(String::from_args(&args)?, "ada");
/// assert_eq!(Option::<u8>::from_args(&Args::none())?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait FromArgs: Sized {
    /// The value, or which argument is not what it should be.
    fn from_args(args: &Args) -> Result<Self, ArgsError>;
}

impl FromArgs for Args {
    fn from_args(args: &Args) -> Result<Self, ArgsError> {
        Ok(args.clone())
    }
}

impl<T: DeserializeOwned> FromArgs for T {
    fn from_args(args: &Args) -> Result<Self, ArgsError> {
        args.reading(|args| {
            let mut values = Values {
                args,
                list: ArgList::new(args.iter_raw()),
                is_missing: false,
            };
            T::deserialize(&mut values).map_err(|error| match values.is_missing {
                true => ArgsError::Missing(0),
                false => values.list.error(error),
            })
        })
    }
}

/// How many arguments a value is. No value is ever written: each is an "error" that says what it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Nothing,
    One,
    Several,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Shape {}

impl serde::ser::Error for Shape {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        // Writing it in earnest fails in the same way, and says why.
        Shape::One
    }
}

struct ShapeOf;

type Never = Impossible<Infallible, Shape>;

/// Methods for what is one argument.
macro_rules! one {
    ($($method:ident($($type:ty),*) -> $out:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<$out, Shape> {
            Err(Shape::One)
        })*
    };
}

impl Serializer for ShapeOf {
    type Ok = Infallible;
    type Error = Shape;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    one! {
        serialize_bool(bool) -> Infallible;
        serialize_i8(i8) -> Infallible;
        serialize_i16(i16) -> Infallible;
        serialize_i32(i32) -> Infallible;
        serialize_i64(i64) -> Infallible;
        serialize_u8(u8) -> Infallible;
        serialize_u16(u16) -> Infallible;
        serialize_u32(u32) -> Infallible;
        serialize_u64(u64) -> Infallible;
        serialize_i128(i128) -> Infallible;
        serialize_u128(u128) -> Infallible;
        serialize_f32(f32) -> Infallible;
        serialize_f64(f64) -> Infallible;
        serialize_char(char) -> Infallible;
        serialize_str(&str) -> Infallible;
        serialize_bytes(&[u8]) -> Infallible;
        serialize_none() -> Infallible;
        serialize_unit_struct(&'static str) -> Infallible;
        serialize_unit_variant(&'static str, u32, &'static str) -> Infallible;
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(&'static str, usize) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }

    fn serialize_unit(self) -> Result<Infallible, Shape> {
        Err(Shape::Nothing)
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, Shape> {
        Err(Shape::Several)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Infallible, Shape> {
        Err(Shape::One)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<Infallible, Shape> {
        Err(Shape::One)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Infallible, Shape> {
        Err(Shape::One)
    }
}

/// Reads a tuple as the list of arguments, and any other type as the first of them.
struct Values<'a, I> {
    args: &'a Args,
    list: ArgList<I>,
    /// There is no first argument, and it was asked for.
    is_missing: bool,
}

impl<'a, I> Values<'a, I> {
    fn first<T>(
        &mut self,
        read: impl FnOnce(
            &mut serde_json::Deserializer<serde_json::de::StrRead<'a>>,
        ) -> Result<T, serde_json::Error>,
    ) -> Result<T, serde_json::Error> {
        let Some(text) = self.args.raw(0) else {
            self.is_missing = true;
            return Err(serde::de::Error::custom("there is no argument"));
        };
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = read(&mut reader)?;
        reader.end()?;
        Ok(value)
    }
}

/// Methods for types that are the first argument.
macro_rules! first {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {
        $(fn $method<V: Visitor<'de>>(
            self,
            $($name: $type,)*
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            self.first(|reader| reader.$method($($name,)* visitor))
        })*
    };
}

impl<'de, I: Iterator<Item = &'de str>> Deserializer<'de> for &mut Values<'de, I> {
    type Error = serde_json::Error;

    first! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.args.raw(0) {
            None => visitor.visit_none(),
            Some(_) => self.first(|reader| reader.deserialize_option(visitor)),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.list.deserialize_tuple(length, visitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::Binary;

    fn texts(value: impl IntoArgs) -> Vec<String> {
        let args = value.into_args().unwrap();
        args.iter_raw().map(str::to_owned).collect()
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Named {
        id: u8,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(u8, u8);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New((u8, u8));

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Choice {
        Plain,
        With(u8),
    }

    #[test]
    fn tuples_and_arrays_are_several_arguments_and_all_else_is_one() {
        assert!(texts(()).is_empty());
        assert_eq!(texts((1, "two", [3])), ["1", "\"two\"", "[3]"]);
        assert_eq!(texts([1, 2]), ["1", "2"]);
        let borrowed = &(1, 2);
        assert_eq!(texts(borrowed), ["1", "2"]);
        assert_eq!(texts(vec![1, 2]), ["[1,2]"]);
        assert_eq!(texts(&[1, 2][..]), ["[1,2]"]);
        assert_eq!(texts(Named { id: 1 }), ["{\"id\":1}"]);
        assert_eq!(texts(Pair(1, 2)), ["[1,2]"]);
        assert_eq!(texts(New((1, 2))), ["[1,2]"]);
        assert_eq!(texts((None::<u8>,)), ["null"]);
        assert_eq!(texts(None::<u8>), ["null"]);
        assert_eq!(texts(Some((1, 2))), ["[1,2]"]);
        assert_eq!(texts("text"), ["\"text\""]);
        assert_eq!(texts(true), ["true"]);
        assert_eq!(texts(Choice::Plain), ["\"Plain\""]);
        assert_eq!(texts(Choice::With(1)), ["{\"With\":1}"]);
        let args = Args::from_values(&(1, 2)).unwrap();
        assert_eq!(texts(&args), texts(args));
    }

    #[test]
    fn binary_values_travel_as_attachments_both_ways() {
        let args = (Binary::from(b"ab"), 1).into_args().unwrap();
        assert_eq!(args.attachments().len(), 1);
        let (bytes, number) = <(Binary, u8)>::from_args(&args).unwrap();
        assert_eq!((&bytes[..], number), (&b"ab"[..], 1));
        assert_eq!(&Binary::from_args(&args).unwrap()[..], b"ab");
    }

    #[test]
    fn arguments_that_are_lent_are_the_same_as_those_that_are_given() {
        let long = "x".repeat(10_000);
        for _ in 0..2 {
            let inner = (1, "two").with_args(|outer| {
                let inner = (&long).with_args(|args| args.raw_list().len()).unwrap();
                assert_eq!(outer.raw_list(), "1,\"two\"");
                inner
            });
            assert_eq!(inner.unwrap(), long.len() + 2);
            ().with_args(|args| assert!(args.is_empty())).unwrap();
            let bytes = Binary::from(b"ab");
            let count = bytes.with_args(|args| args.attachments().len());
            assert_eq!(count.unwrap(), 1);
        }
    }

    #[test]
    fn what_has_no_json_text_is_an_error() {
        let map: std::collections::BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
        assert!(map.into_args().is_err());
    }

    #[test]
    fn values_are_read_by_their_types() {
        let args = (Named { id: 1 }, 2, "three").into_args().unwrap();
        assert_eq!(Named::from_args(&args).unwrap(), Named { id: 1 });
        let read = <(Named, u8)>::from_args(&args).unwrap();
        assert_eq!(read, (Named { id: 1 }, 2));
        <()>::from_args(&args).unwrap();
        assert_eq!(Args::from_args(&args).unwrap(), args);
        let some = Option::<Named>::from_args(&args).unwrap();
        assert_eq!(some, Some(Named { id: 1 }));
        assert_eq!(Option::<u8>::from_args(&Args::none()).unwrap(), None);
        let list = vec![1, 2].into_args().unwrap();
        assert_eq!(Vec::<u8>::from_args(&list).unwrap(), [1, 2]);
        assert_eq!(Pair::from_args(&list).unwrap(), Pair(1, 2));
        assert_eq!(New::from_args(&list).unwrap(), New((1, 2)));
        for choice in [Choice::Plain, Choice::With(1)] {
            let args = (&choice).into_args().unwrap();
            assert_eq!(Choice::from_args(&args).unwrap(), choice);
        }
    }

    #[test]
    fn an_error_names_the_argument() {
        let args = (1, "two").into_args().unwrap();
        let mismatch = <(u8, u8)>::from_args(&args);
        assert!(matches!(mismatch, Err(ArgsError::Mismatch(1, _))));
        let missing = <(u8, String, u8)>::from_args(&args);
        assert!(matches!(missing, Err(ArgsError::Missing(2))));
        let mismatch = String::from_args(&args);
        assert!(matches!(mismatch, Err(ArgsError::Mismatch(0, _))));
        let missing = String::from_args(&Args::none());
        assert!(matches!(missing, Err(ArgsError::Missing(0))));
    }
}
