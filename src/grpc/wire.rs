//! As much of protobuf's [wire format](https://protobuf.dev/programming-guides/encoding/) as details of a status need: pure,
//! and instead of a code generator.

/// Numbers of a message's fields, and how a field is written.
const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
const BYTES: u32 = 2;
const FIXED_32: u32 = 5;

/// A message in the making.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A number. Zero is what a field says that is left out.
    pub(super) fn number(mut self, field: u32, value: u64) -> Self {
        if value != 0 {
            self.varint(u64::from(field << 3 | VARINT));
            self.varint(value);
        }
        self
    }

    /// Text, bytes, or a message in the message.
    pub(super) fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.varint(u64::from(field << 3 | BYTES));
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Seven bits a byte, the lowest first.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, by their numbers. It ends at the first byte that makes no sense: what comes from a stranger is
/// read as far as it goes.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// What every `field` holds that is written as bytes.
    pub(super) fn bytes_of(self, field: u32) -> impl Iterator<Item = &'a [u8]> {
        self.filter_map(move |(number, value)| match value {
            Value::Bytes(bytes) if number == field => Some(bytes),
            _ => None,
        })
    }

    /// What the last `field` holds that is written as a number, or zero: of several the last counts.
    pub(super) fn number_of(self, field: u32) -> u64 {
        self.filter_map(|(number, value)| match value {
            Value::Number(value) if number == field => Some(value),
            _ => None,
        })
        .last()
        .unwrap_or(0)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let tag = u32::try_from(self.varint()?).ok()?;
        let value = match tag & 7 {
            VARINT => Value::Number(self.varint()?),
            BYTES => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            // Nothing that we know is written so; it is stepped over.
            FIXED_64 => Value::Bytes(self.take(8)?),
            FIXED_32 => Value::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec(1u64.., 1..5), texts: Vec<Vec<u8>>) {
            let mut message = Message::default();
            for number in &numbers {
                message = message.number(1, *number);
            }
            for text in &texts {
                message = message.bytes(536_870_911, text);
            }
            let bytes = message.into_bytes();
            prop_assert_eq!(Fields(&bytes).number_of(1), *numbers.last().expect("one"));
            prop_assert_eq!(Fields(&bytes).count(), numbers.len() + texts.len());
            prop_assert_eq!(Fields(&bytes).bytes_of(536_870_911).collect::<Vec<_>>(), texts);
        }

        #[test]
        fn whatever_comes_reading_it_ends(bytes: Vec<u8>) {
            prop_assert!(Fields(&bytes).count() <= bytes.len());
        }
    }

    /// Else what comes after a field that we do not know would be read from the middle of it.
    #[test]
    fn a_number_of_a_fixed_width_is_stepped_over() {
        let known = Message::default().number(1, 5).into_bytes();
        for (tag, width) in [(0x15, 4), (0x11, 8)] {
            let bytes = [&[tag], &[0x7f; 8][..width], &known].concat();
            assert_eq!(Fields(&bytes).number_of(1), 5, "{width} bytes");
        }
    }

    #[test]
    fn a_length_beyond_the_end_ends_the_message() {
        let whole = Message::default().number(1, 5).bytes(2, b"text").into_bytes();
        let fields = |bytes| Fields(bytes).collect::<Vec<_>>();
        assert_eq!(fields(&whole), [(1, Value::Number(5)), (2, Value::Bytes(b"text"))]);
        assert_eq!(fields(&whole[..whole.len() - 1]), [(1, Value::Number(5))]);
        assert_eq!(fields(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), [], "2^64 bytes");
        assert_eq!(fields(&[0x80; 11]), [], "a number without an end");
        assert_eq!(fields(&[0x0b, 0x0c]), [], "groups are long gone");
    }
}
