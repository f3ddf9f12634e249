//! Records in a file, as TensorFlow frames them.
//!
//! ```text
//! 8 bytes   length n, little endian
//! 4 bytes   masked CRC-32C of these 8
//! n bytes   the record
//! 4 bytes   masked CRC-32C of the record
//! ```
//!
//! **Invariant:** what is written passes the checks of TensorFlow's reader.

use std::io::{self, Write};

use crc::{CRC_32_ISCSI, Crc};

const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// A checksum of bytes that may hold checksums themselves.
pub(super) fn masked(bytes: &[u8]) -> u32 {
    let sum = CASTAGNOLI.checksum(bytes);
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

pub(super) fn write(target: &mut impl Write, record: &[u8]) -> io::Result<()> {
    let length = (record.len() as u64).to_le_bytes();
    target.write_all(&length)?;
    target.write_all(&masked(&length).to_le_bytes())?;
    target.write_all(record)?;
    target.write_all(&masked(record).to_le_bytes())
}
