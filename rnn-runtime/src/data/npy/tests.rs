//! Files as NumPy writes them, and those that it does not.

use ndarray::{Array0, Array2, Array3, array};
use proptest::prelude::*;

use super::*;

fn bytes_of(descriptor: &str, shape: &str, order: &str, data: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': {descriptor}, 'fortran_order': {order}, 'shape': {shape}, }}")
            .into_bytes();
    header.resize((10 + header.len()).next_multiple_of(64) - 11, b' ');
    header.push(b'\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header);
    bytes.extend(data);
    bytes
}

#[test]
fn arrays_of_any_strides_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let x = Array3::from_shape_fn((2, 3, 4), |(a, b, c)| (a * 100 + b * 10 + c) as f32 - 0.5);
    write_npy(&path, x.view()).unwrap();
    assert_eq!(read_npy::<f32>(&path).unwrap(), x.view().into_dyn());
    let turned = x.view().permuted_axes([2, 0, 1]);
    write_npy(&path, turned).unwrap();
    assert_eq!(
        read_npy::<f64>(&path).unwrap(),
        turned.mapv(f64::from).into_dyn()
    );
    let transposed = x.view().reversed_axes();
    write_npy(&path, transposed).unwrap();
    assert_eq!(read_npy::<f32>(&path).unwrap(), transposed.into_dyn());
    write_npy(&path, Array0::from_elem((), 7_u32).view()).unwrap();
    assert_eq!(
        read_npy::<u32>(&path).unwrap(),
        Array0::from_elem((), 7).into_dyn()
    );
    write_npy(&path, Array2::<f32>::zeros((0, 3)).view()).unwrap();
    assert_eq!(read_npy::<f32>(&path).unwrap().shape(), [0, 3]);
}

/// Bytes as `numpy.save` writes them for `numpy.array([[1, -2], [3, 4]], dtype)`.
#[test]
fn every_type_of_numbers_is_read() {
    let values = [1.0_f64, -2.0, 3.0, 4.0];
    let expected = array![[1.0_f32, -2.0], [3.0, 4.0]].into_dyn();
    let f4: Vec<u8> = values
        .iter()
        .flat_map(|v| (*v as f32).to_be_bytes())
        .collect();
    let f8: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let i2: Vec<u8> = values
        .iter()
        .flat_map(|v| (*v as i16).to_le_bytes())
        .collect();
    let i8: Vec<u8> = values
        .iter()
        .flat_map(|v| (*v as i64).to_be_bytes())
        .collect();
    let i1: Vec<u8> = values
        .iter()
        .flat_map(|v| (*v as i8).to_le_bytes())
        .collect();
    for (descriptor, data) in [
        ("'>f4'", f4),
        ("'<f8'", f8),
        ("'<i2'", i2),
        ("'>i8'", i8),
        ("'|i1'", i1.clone()),
    ] {
        let found = decode::<f32>(&bytes_of(descriptor, "(2, 2)", "False", &data)).unwrap();
        assert_eq!(found, expected, "{descriptor}");
    }
    let columns = decode::<f32>(&bytes_of("'|i1'", "(2, 2)", "True", &i1)).unwrap();
    assert_eq!(columns, array![[1.0, 3.0], [-2.0, 4.0]].into_dyn());
    let bits = decode::<u32>(&bytes_of("'|b1'", "(3,)", "False", &[1, 0, 1])).unwrap();
    assert_eq!(bits, array![1, 0, 1].into_dyn());
}

#[test]
fn values_out_of_range_are_named() {
    let error = decode::<u32>(&bytes_of("'|i1'", "(2,)", "False", &[1, 254])).unwrap_err();
    assert_eq!(
        error,
        "expected a whole number from 0 to 4294967295 at position 1, found -2"
    );
    let half = 0.5_f64.to_le_bytes();
    assert!(decode::<u32>(&bytes_of("'<f8'", "(1,)", "False", &half)).is_err());
    let large = 1e300_f64.to_le_bytes();
    let error = decode::<f32>(&bytes_of("'<f8'", "()", "False", &large)).unwrap_err();
    assert!(
        error.starts_with("expected a number in the range of f32 at position 0"),
        "{error}"
    );
    let infinite = f64::INFINITY.to_le_bytes();
    assert!(decode::<f32>(&bytes_of("'<f8'", "()", "False", &infinite)).unwrap()[[]].is_infinite());
}

#[test]
fn damaged_files_are_errors_before_anything_is_allocated() {
    let huge = "(4611686018427387904, 8)";
    let empty = "(0, 9223372036854775807, 9223372036854775807)";
    let nested = "(".repeat(60_000);
    for (descriptor, shape, data, error) in [
        (
            "'<f4'",
            "(2, 2)",
            15,
            "expected 16 bytes for the shape [2, 2], found 15",
        ),
        ("'<f4'", "(2, 2)", 17, "expected 16 bytes"),
        (
            "'<f4'",
            "(1000000000000,)",
            8,
            "expected 4000000000000 bytes",
        ),
        ("'<f4'", huge, 8, "expected more bytes than can be counted"),
        ("'<f4'", empty, 0, "expected more bytes than can be counted"),
        (
            "'<U4'",
            "(1,)",
            16,
            "expected an array of numbers, found the type `<U4`",
        ),
        (
            "'|O'",
            "(1,)",
            8,
            "expected an array of numbers, found the type `|O`",
        ),
        ("'<c8'", "(1,)", 8, "expected an array of numbers"),
        ("[('a', '<f4')]", "(1,)", 4, "expected an array of numbers"),
        ("''", "(1,)", 4, ""),
        ("'é4'", "(1,)", 4, ""),
        ("'<f4'", "(-1,)", 4, ""),
        ("'<f4'", "7", 4, ""),
        ("'<f4'", &nested[..], 4, "expected at most 8 brackets"),
    ] {
        let found =
            decode::<f32>(&bytes_of(descriptor, shape, "False", &vec![0; data])).unwrap_err();
        assert!(
            found.starts_with(error),
            "{descriptor} {shape:.40}: {found}"
        );
    }
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    assert!(
        decode::<f32>(&long)
            .unwrap_err()
            .contains("expected a header of at most")
    );
    assert!(decode::<f32>(b"\x93NUMPY\x01").is_err());
    assert!(matches!(
        read_npy::<f32>("/nowhere/x.npy"),
        Err(FileError::Io { .. })
    ));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0..90_usize, byte in any::<u8>(), cut in 0..90_usize) {
        let mut bytes = bytes_of("'<f4'", "(2, 1)", "False", &[0; 8]);
        let place = at.min(bytes.len() - 1);
        bytes[place] = byte;
        let _ = decode::<f32>(&bytes);
        let _ = decode::<u32>(&bytes[..cut.min(bytes.len())]);
    }
}
