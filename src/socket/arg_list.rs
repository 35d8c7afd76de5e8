//! A list of arguments, read as one value.

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{forward_to_deserialize_any, Deserialize};
use serde_json::Error;

use super::ArgsError;

/// Reads JSON texts as the elements of a sequence, and remembers how far it has come.
///
/// Each text gets a reader of its own, so that the nesting which `serde_json` can take is there for each argument.
pub(super) struct ArgList<I> {
    texts: I,
    /// How many have been read.
    count: usize,
    /// Whether one more has been asked for than there are.
    is_at_end: bool,
    /// Whether the type has to have so many.
    is_fixed: bool,
    /// Whether that was by such a type.
    is_short: bool,
}

impl<I> ArgList<I> {
    pub(super) fn new(texts: I) -> Self {
        ArgList {
            texts,
            count: 0,
            is_at_end: false,
            is_fixed: false,
            is_short: false,
        }
    }

    /// All of them as one value. A type that wants fewer leaves the rest alone.
    pub(super) fn read<'de, T: Deserialize<'de>>(mut self) -> Result<T, ArgsError>
    where
        I: Iterator<Item = &'de str>,
    {
        T::deserialize(&mut self).map_err(|error| self.error(error))
    }

    /// What an error while reading says of the arguments.
    pub(super) fn error(&self, error: Error) -> ArgsError {
        if self.is_short {
            ArgsError::Missing(self.count)
        } else {
            ArgsError::Mismatch(self.count, error)
        }
    }

    fn read_fixed<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error>
    where
        I: Iterator<Item = &'de str>,
    {
        self.is_fixed = true;
        let result = visitor.visit_seq(&mut *self);
        self.is_short = result.is_err() && self.is_at_end;
        result
    }
}

impl<'de, I: Iterator<Item = &'de str>> SeqAccess<'de> for &mut ArgList<I> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(text) = self.texts.next() else {
            self.is_at_end = true;
            if !self.is_fixed {
                return Ok(None);
            }
            let value = seed.deserialize(Absent)?;
            self.count += 1;
            return Ok(Some(value));
        };
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = seed.deserialize(&mut reader)?;
        reader.end()?;
        self.count += 1;
        Ok(Some(value))
    }
}

impl<'de, I: Iterator<Item = &'de str>> Deserializer<'de> for &mut ArgList<I> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.read_fixed(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.read_fixed(visitor)
    }

    /// A struct's fields are the arguments in their order.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.read_fixed(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// The empty tuple wants none.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit_struct seq map
        enum identifier ignored_any
    }
}

/// An argument that is not there: `None` for whoever can do without.
struct Absent;

impl<'de> Deserializer<'de> for Absent {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("there is no such argument"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::{Args, ArgsError};

    fn args() -> Args {
        Args::received(r#"["name", 1 ,"two",[3]]"#.to_owned(), 9, Vec::new())
    }

    #[test]
    fn a_tuple_takes_the_first_arguments() {
        let args = args();
        assert_eq!(
            args.get_all::<(u8, String, [u8; 1])>().unwrap(),
            (1, "two".to_owned(), [3])
        );
        assert_eq!(args.get_all::<(u8, &str)>().unwrap(), (1, "two"));
        assert_eq!(args.get_all::<(u8,)>().unwrap(), (1,));
        args.get_all::<()>().unwrap();
        Args::none().get_all::<()>().unwrap();
    }

    #[test]
    fn an_argument_that_is_not_there_is_none_where_it_may_be() {
        let (number, text, list, more): (u8, Option<String>, Vec<u8>, Option<u8>) =
            args().get_all().unwrap();
        assert_eq!(
            (number, text.as_deref(), list, more),
            (1, Some("two"), vec![3], None)
        );
        let none: (Option<u8>, Option<u8>) = Args::none().get_all().unwrap();
        assert_eq!(none, (None, None));
        let missing = Args::none().get_all::<(Option<u8>, u8)>();
        assert!(matches!(missing, Err(ArgsError::Missing(1))));
    }

    #[test]
    fn a_vec_takes_all_arguments() {
        let values: Vec<serde_json::Value> = args().get_all().unwrap();
        assert_eq!(serde_json::Value::from(values), args_value());
        assert!(Args::none().get_all::<Vec<u8>>().unwrap().is_empty());
        let after: Vec<(u8,)> = args().skip(2).get_all().unwrap();
        assert_eq!(after, [(3,)]);
    }

    fn args_value() -> serde_json::Value {
        serde_json::json!([1, "two", [3]])
    }

    #[test]
    fn a_struct_takes_arguments_in_the_order_of_its_fields() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Two {
            number: u8,
            text: String,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Around(Two);
        let two = Two {
            number: 1,
            text: "two".to_owned(),
        };
        assert_eq!(args().get_all::<Around>().unwrap(), Around(two));
    }

    #[test]
    fn an_error_names_the_argument() {
        let args = args();
        let missing = args.get_all::<(u8, String, Vec<u8>, u8)>();
        assert!(matches!(missing, Err(ArgsError::Missing(3))));
        assert!(matches!(
            Args::none().get_all::<(u8,)>(),
            Err(ArgsError::Missing(0))
        ));
        let mismatch = args.get_all::<(u8, u8, Vec<u8>, u8)>();
        assert!(matches!(mismatch, Err(ArgsError::Mismatch(1, _))));
        assert!(matches!(
            args.get_all::<Vec<u8>>(),
            Err(ArgsError::Mismatch(1, _))
        ));
        assert!(matches!(
            args.get_all::<u8>(),
            Err(ArgsError::Mismatch(0, _))
        ));
    }

    #[test]
    fn each_argument_may_be_nested_as_deep_as_a_packet() {
        let mut nested = serde_json::json!(1);
        for _ in 0..126 {
            nested = serde_json::json!([nested]);
        }
        let values = (&nested, &nested);
        let args = Args::from_values(&values).unwrap();
        let read: (serde_json::Value, serde_json::Value) = args.get_all().unwrap();
        assert_eq!((&read.0, &read.1), values);
    }
}
