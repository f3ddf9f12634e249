use super::*;

// RFC 3720, B.4: the checksums of 32 zeros, of 32 ones, and of 0 to 31; masked by hand.
#[test]
fn checksums_are_those_of_the_standard() {
    let mask = |sum: u32| sum.rotate_right(15).wrapping_add(0xa282_ead8);
    let counting: Vec<u8> = (0..32).collect();
    for (bytes, sum) in [
        (vec![0x00; 32], 0x8a91_36aa),
        (vec![0xff; 32], 0x62a8_ab43),
        (counting, 0x46dd_794e),
        (b"123456789".to_vec(), 0xe306_9283),
    ] {
        assert_eq!(framing::masked(&bytes), mask(sum), "{bytes:?}");
    }
}

#[test]
fn a_scalar_is_these_bytes() {
    let event = Event::values(1.5, 300, &[("loss", Value::Scalar(2.5))]);
    let expected = [
        b"\x09".as_slice(),
        &1.5_f64.to_le_bytes(),  // wall_time = 1.5
        b"\x10\xac\x02",         // step = 300
        b"\x2a\x0d\x0a\x0b",     // summary { value {
        b"\x0a\x04loss",         // tag = "loss"
        b"\x15\x00\x00\x20\x40", // simple_value = 2.5 } }
    ];
    assert_eq!(event.bytes(), expected.concat());
}

#[test]
fn a_file_is_its_version_and_whole_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::new(folder.path().join("board"));
    board.clock = || 1e9;
    assert!(matches!(
        board.scalar("loss", 1, 2.5),
        Err(LogError::NotStarted { .. })
    ));
    board.start(7).unwrap();
    let record = StepRecord {
        step: 8,
        loss: 2.5,
        gradient_norm: Some(0.5),
        parameter_norms: vec![("W".into(), 0.25)],
        ..StepRecord::default()
    };
    board.step(&record).unwrap();
    board.end().unwrap();
    let path = board.path().unwrap().to_owned();
    assert!(
        path.to_string_lossy()
            .contains("events.out.tfevents.1000000000."),
        "{path:?}"
    );
    let (mut bytes, mut records) = (fs::read(&path).unwrap(), Vec::new());
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at(12);
        let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
        assert_eq!(framing::masked(&head[..8]).to_le_bytes(), head[8..]);
        let (record, rest) = rest.split_at(length);
        assert_eq!(framing::masked(record).to_le_bytes(), rest[..4]);
        records.push(record.to_vec());
        bytes = rest[4..].to_vec();
    }
    assert_eq!(records.len(), 3);
    assert!(records[0].ends_with(b"\x1a\x0dbrain.Event:2"));
    assert!(
        records[1].ends_with(b"\x10\x08\x3a\x02\x08\x01"),
        "steps from 8 on are forgotten"
    );
    for tag in ["loss", "learning_rate", "gradient_norm", "gradient_norm/W"] {
        let tag = [&[0x0a, tag.len() as u8], tag.as_bytes()].concat();
        assert!(
            records[2].windows(tag.len()).any(|bytes| bytes == tag),
            "{tag:?}"
        );
    }
    // A second run of the same second has a file of its own.
    board.start(0).unwrap();
    assert_ne!(board.path().unwrap(), path);
}

#[test]
fn a_histogram_counts_what_is_finite() {
    let histogram = event::Histogram::of([0.0, 1.0, 1.0, f32::NAN, 3.0]);
    let event = Event::values(0.0, 1, &[("W", Value::Histogram(histogram))]);
    let number = |number: f64| number.to_le_bytes();
    let expected = [
        [&[0x09][..], &number(0.0)].concat(),
        [&[0x11][..], &number(3.0)].concat(),
        [&[0x19][..], &number(4.0)].concat(),
        [&[0x21][..], &number(5.0)].concat(),
        [&[0x29][..], &number(11.0)].concat(),
    ];
    let expected = expected.concat();
    assert!(
        event
            .bytes()
            .windows(expected.len())
            .any(|bytes| bytes == expected)
    );
    // Of nothing, and of one number, too.
    for values in [vec![], vec![2.0; 5]] {
        let _ = Event::values(
            0.0,
            1,
            &[("W", Value::Histogram(event::Histogram::of(values)))],
        );
    }
}
