//! What a host keeps with its sockets and sessions, by type.

use std::any::Any;
use std::fmt;

/// Values of different types, at most one of each.
#[derive(Default)]
pub(crate) struct Data(Vec<Box<dyn Any + Send>>);

impl Data {
    pub fn get<T: Any + Send>(&self) -> Option<&T> {
        self.0.iter().find_map(|value| value.downcast_ref())
    }

    pub fn get_mut<T: Any + Send>(&mut self) -> Option<&mut T> {
        self.0.iter_mut().find_map(|value| value.downcast_mut())
    }

    /// Puts in a value, in place of one of the same type.
    pub fn insert<T: Any + Send>(&mut self, value: T) {
        match self.get_mut() {
            Some(place) => *place = value,
            None => {
                // One is what most hosts keep.
                self.0.reserve_exact(1);
                self.0.push(Box::new(value));
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over others, each in place of one of the same type.
    pub fn extend(&mut self, newer: Data) {
        for value in newer.0 {
            let kind = (*value).type_id();
            self.0.retain(|known| (**known).type_id() != kind);
            self.0.push(value);
        }
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Data").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_value_of_each_type() {
        let mut data = Data::default();
        assert_eq!(data.get::<u8>(), None);
        data.insert(1_u8);
        data.insert("one");
        data.insert(2_u8);
        assert_eq!((data.get(), data.get()), (Some(&2_u8), Some(&"one")));
        *data.get_mut::<u8>().unwrap() += 1;
        let mut newer = Data::default();
        newer.insert("two");
        newer.insert(4_u16);
        data.extend(newer);
        assert_eq!((data.get(), data.get()), (Some(&3_u8), Some(&"two")));
        assert_eq!((data.get(), data.0.len()), (Some(&4_u16), 3));
    }
}
