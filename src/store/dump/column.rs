//! Values of a stream: `0` is NULL, `1` a whole number, `2` a text, `3` a blob.

use crate::error::{Error, Result};

/// A value as it stands in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// What a column may hold.
pub(crate) trait Column: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn of(value: Value) -> Option<Self>;
    /// Puts a value that is not NULL as PostgreSQL tells it in binary.
    fn relay(told: &[u8], out: &mut Vec<u8>) -> Result<()>;
    /// For a column that the stream does not have, because it was written before there was one.
    fn absent() -> Self;
}

/// Puts a number in as many bytes as it needs, seven bits in each.
pub(super) fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

/// Puts a text (2) or blob (3) behind its length.
pub(super) fn bytes(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn exactly<const N: usize>(told: &[u8]) -> Result<[u8; N]> {
    told.try_into().map_err(|_| Error::Corrupt("a number of another width than its column".into()))
}

impl Column for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(1);
        // Zigzag: small numbers of either sign are short.
        varint((self << 1 ^ self >> 63).cast_unsigned(), out);
    }

    fn of(value: Value) -> Option<Self> {
        if let Value::Int(number) = value { Some(number) } else { None }
    }

    fn relay(told: &[u8], out: &mut Vec<u8>) -> Result<()> {
        Self::from_be_bytes(exactly(told)?).put(out);
        Ok(())
    }

    fn absent() -> Self {
        0
    }
}

macro_rules! small {
    ($($type:ty),+) => {$(
        impl Column for $type {
            fn put(&self, out: &mut Vec<u8>) {
                i64::from(*self).put(out);
            }

            fn of(value: Value) -> Option<Self> {
                i64::of(value)?.try_into().ok()
            }

            fn relay(told: &[u8], out: &mut Vec<u8>) -> Result<()> {
                Self::from_be_bytes(exactly(told)?).put(out);
                Ok(())
            }

            fn absent() -> Self {
                0
            }
        }
    )+};
}
small!(i16, i32);

impl Column for bool {
    fn put(&self, out: &mut Vec<u8>) {
        i64::from(*self).put(out);
    }

    fn of(value: Value) -> Option<Self> {
        i64::of(value).map(|number| number != 0)
    }

    fn relay(told: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let [byte] = exactly(told)?;
        (byte != 0).put(out);
        Ok(())
    }

    fn absent() -> Self {
        false
    }
}

impl Column for String {
    fn put(&self, out: &mut Vec<u8>) {
        bytes(2, self.as_bytes(), out);
    }

    fn of(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text) } else { None }
    }

    fn relay(told: &[u8], out: &mut Vec<u8>) -> Result<()> {
        bytes(2, told, out);
        Ok(())
    }

    fn absent() -> Self {
        Self::new()
    }
}

impl Column for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        bytes(3, self, out);
    }

    fn of(value: Value) -> Option<Self> {
        if let Value::Bytes(bytes) = value { Some(bytes) } else { None }
    }

    fn relay(told: &[u8], out: &mut Vec<u8>) -> Result<()> {
        bytes(3, told, out);
        Ok(())
    }

    fn absent() -> Self {
        Self::new()
    }
}

impl<C: Column> Column for Option<C> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.put(out),
            None => out.push(0),
        }
    }

    fn of(value: Value) -> Option<Self> {
        if value == Value::Null { Some(None) } else { C::of(value).map(Some) }
    }

    fn relay(told: &[u8], out: &mut Vec<u8>) -> Result<()> {
        C::relay(told, out)
    }

    fn absent() -> Self {
        None
    }
}
