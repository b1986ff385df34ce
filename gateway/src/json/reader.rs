//! The deserializer over a parsed document, with Go's habits.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::short;

/// A value about to be read.
pub(super) struct Reader(pub(super) Value);

/// What did not fit, in words for whoever wrote the file.
#[derive(Debug)]
pub(super) struct Misfit(String);

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    /// Reached by numbers beyond the range of their field only: other types are told apart here.
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Unsigned(number) => number.to_string(),
            Unexpected::Signed(number) => number.to_string(),
            other => other.to_string(),
        };
        Self(format!("expected a whole number of type {expected}, found {found}"))
    }

    /// The keys were brought to lower case, so a second one had another spelling.
    fn duplicate_field(key: &'static str) -> Self {
        Self(format!("the key {key} stands twice, in two spellings"))
    }
}

impl<'de> IntoDeserializer<'de, Misfit> for Reader {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Reader {
    fn misfit<T>(self, expected: &str) -> Result<T, Misfit> {
        Err(Misfit(format!("expected {expected}, found {}", short(&self.0))))
    }

    fn whole<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Value::Number(number) = &self.0 else {
            return match self.0 {
                Value::Null => visitor.visit_u64(0),
                _ => self.misfit("a whole number"),
            };
        };
        if let Some(number) = number.as_u64() {
            return visitor.visit_u64(number);
        }
        match number.as_i64() {
            Some(number) => visitor.visit_i64(number),
            None => self.misfit("a whole number"),
        }
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_str(""),
            Value::String(text) => visitor.visit_string(text),
            _ => self.misfit("text"),
        }
    }
}

macro_rules! whole {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.whole(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Misfit;

    whole! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(on) => visitor.visit_bool(on),
            Value::Number(ref number) if number.is_f64() => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            Value::Number(_) => self.whole(visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_bool(false),
            Value::Bool(on) => visitor.visit_bool(on),
            _ => self.misfit("true or false"),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.0 {
            Value::Null => visitor.visit_f64(0.0),
            Value::Number(number) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            _ => self.misfit("a number"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.text(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let items = match self.0 {
            Value::Null => Vec::new(),
            Value::Array(items) => items,
            _ => return self.misfit("a list"),
        };
        visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Reader)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let members = match self.0 {
            Value::Null => serde_json::Map::new(),
            Value::Object(members) => members,
            _ => return self.misfit("an object"),
        };
        let members = members.into_iter().map(|(key, value)| (key, Reader(value)));
        visitor.visit_map(MapDeserializer::new(members))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let members = match self.0 {
            Value::Null => serde_json::Map::new(),
            Value::Object(members) => members,
            _ => return self.misfit("an object"),
        };
        let known = members
            .into_iter()
            .map(|(key, value)| (key.to_ascii_lowercase(), value))
            .filter(|(key, value)| fields.contains(&key.as_str()) && !value.is_null())
            .map(|(key, value)| (key, Reader(value)));
        visitor.visit_map(MapDeserializer::new(known))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    // Go's decoder knows none of these, and neither do our structs.
    forward_to_deserialize_any! {
        i128 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct
        enum identifier ignored_any
    }
}
