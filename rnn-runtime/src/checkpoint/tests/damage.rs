//! Damaged and hostile files give a typed error in bounded memory.

use std::fs;

use super::*;

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let (_directory, path) = scratch();
    save_params(&path, &Tiny::waving(0.0)).unwrap();
    let bytes = fs::read(&path).unwrap();
    for len in 0..bytes.len() {
        assert!(
            matches!(reason(&bytes[..len]), MalformedReason::Truncated { .. }),
            "cut to {len} bytes"
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(
        reason(&longer),
        MalformedReason::TrailingData { .. }
    ));
}

#[test]
fn claimed_sizes_are_never_believed() {
    for claimed in [
        HEADER_LIMIT + 1,
        100_000_000,
        u64::MAX,
        u64::MAX - 7,
        i64::MAX as u64,
    ] {
        let mut bytes = claimed.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"{}");
        assert_eq!(
            reason(&bytes),
            MalformedReason::HeaderTooLarge {
                limit: HEADER_LIMIT,
                found: claimed
            }
        );
    }
    let huge = "18446744073709551615";
    let big = "1152921504606846975";
    for (from, to) in [
        ("[2,3]", format!("[{huge},{huge}]")),
        ("[2,3]", format!("[{huge}]")),
        ("[2,3]", "[4611686018427387904,4]".to_owned()),
        ("[2,3]", format!("[0,{huge},{huge}]")),
        ("[2,3]", "[2,4]".to_owned()),
        ("[2,3]", "[]".to_owned()),
        ("F32", "F64".to_owned()),
    ] {
        let header = tiny_header(from, &to);
        assert!(
            matches!(reason(&file_of(&header, 44)), MalformedReason::Size { .. }),
            "{header}"
        );
    }
    let header = tiny_header("[40,44]", &format!("[40,{huge}]"));
    assert!(matches!(
        reason(&file_of(&header, 44)),
        MalformedReason::Size { .. }
    ));
    // A tensor that is sound in itself but far beyond the file.
    let header = format!(r#"{{"x":{{"dtype":"U8","shape":[{big}],"data_offsets":[0,{big}]}}}}"#);
    assert!(matches!(
        reason(&file_of(&header, 44)),
        MalformedReason::Truncated { .. }
    ));
    let header = r#"{"x":{"dtype":"U8","shape":[0,9223372036854775807],"data_offsets":[0,0]}}"#;
    assert!(matches!(
        load_bytes(&file_of(header, 0)),
        Err(CheckpointError::Mismatch { .. })
    ));
}

#[test]
fn tensors_may_not_overlap_or_leave_holes() {
    for (from, to) in [
        ("[24,32]", "[20,28]"),
        ("[24,32]", "[0,8]"),
        ("[24,32]", "[28,36]"),
        ("[0,24]", "[4,28]"),
        ("[32,40]", "[24,32]"),
        ("[40,44]", "[44,48]"),
    ] {
        let header = tiny_header(from, to);
        assert!(
            matches!(
                reason(&file_of(&header, 48)),
                MalformedReason::Offsets { .. }
            ),
            "{header}"
        );
    }
    let header = tiny_header("[24,32]", "[24,8]");
    assert!(matches!(
        reason(&file_of(&header, 44)),
        MalformedReason::Header(_) | MalformedReason::Offsets { .. }
    ));
}

#[test]
fn names_may_not_repeat() {
    for (from, to, name) in [
        (r#""cell.b""#, r#""cell.W""#, "cell.W"),
        (
            r#""cell.b":"#,
            r#""cell.W":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"cell.b":"#,
            "cell.W",
        ),
        (r#""cell.b""#, r#""cell\u002eW""#, "cell.W"),
        (r#"{"a":"b"}"#, r#"{"a":"b","a":"b"}"#, "a"),
        (
            r#""cell.b":"#,
            r#""__metadata__":{},"cell.b":"#,
            "__metadata__",
        ),
        (
            r#""cell.b":"#,
            r#""empty":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"empty":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"cell.b":"#,
            "empty",
        ),
    ] {
        let header = tiny_header(from, to);
        assert_eq!(
            reason(&file_of(&header, 44)),
            MalformedReason::DuplicateName(name.to_owned()),
            "{header}"
        );
    }
}

#[test]
fn headers_that_are_not_the_right_json_are_refused() {
    let deep = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    let deep_object = r#"{"x":"#.repeat(100_000);
    for header in [
        "",
        "{",
        "[]",
        "null",
        "1",
        "{} x",
        "\u{0}",
        &deep,
        &deep_object,
        &tiny_header(r#""F32""#, r#""F33""#),
        &tiny_header(r#""F32""#, "32"),
        &tiny_header("[2,3]", "[2,-3]"),
        &tiny_header("[2,3]", "[2,3.5]"),
        &tiny_header("[2,3]", "[2,1e30]"),
        &tiny_header("[2,3]", "null"),
        &tiny_header("[2,3]", "[2,18446744073709551616]"),
        &tiny_header("[0,24]", "[0,24,48]"),
        &tiny_header("[0,24]", "[0]"),
        &tiny_header(r#""shape":[2,3],"#, ""),
        &tiny_header(r#""shape":[2,3],"#, r#""shape":[2,3],"shape":[2,3],"#),
        &tiny_header(r#"{"a":"b"}"#, r#"{"a":1}"#),
        &tiny_header(r#"{"a":"b"}"#, r#"{"a":{"b":"c"}}"#),
        &tiny_header(r#"{"a":"b"}"#, "[]"),
    ] {
        let shown: String = header.chars().take(80).collect();
        assert!(
            matches!(reason(&file_of(header, 44)), MalformedReason::Header(_)),
            "{shown}"
        );
    }
    let mut bytes = file_of(&tiny_header("cell.W", "cell.?"), 44);
    let at = bytes.iter().position(|&byte| byte == b'?').unwrap();
    bytes[at] = 0xff;
    assert!(matches!(reason(&bytes), MalformedReason::Header(_)));
}

#[test]
fn damage_to_any_byte_of_the_header_never_panics() {
    let (_directory, path) = scratch();
    let params = Tiny::waving(0.0);
    save_params(&path, &params).unwrap();
    let good = fs::read(&path).unwrap();
    let header = good.len() - 44;
    let (mut refused, mut accepted) = (0, 0);
    for at in 0..header {
        for byte in [
            0,
            b'"',
            b'{',
            b'}',
            b'[',
            b',',
            b'9',
            b'-',
            0xff,
            good[at] ^ 1,
        ] {
            if byte == good[at] {
                continue;
            }
            let mut bytes = good.clone();
            bytes[at] = byte;
            match load_bytes(&bytes) {
                Err(_) => refused += 1,
                // Only damage to the metadata or the padding is accepted, and the tensors are as they were.
                Ok(loaded) => {
                    assert_eq!(loaded, params);
                    accepted += 1;
                }
            }
        }
    }
    assert!(
        refused > 20 * accepted,
        "{refused} refused, {accepted} accepted"
    );
}

#[test]
fn a_million_names_are_refused_and_a_hundred_thousand_are_listed() {
    let header = |count: usize| {
        let entry =
            |k: usize| format!(r#""n{k}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#);
        format!(
            "{{{}}}",
            (0..count).map(entry).collect::<Vec<_>>().join(",")
        )
    };
    assert!(matches!(
        reason(&file_of(&header(1_000_000), 0)),
        MalformedReason::HeaderTooLarge { .. }
    ));
    match load_bytes(&file_of(&header(100_000), 0)) {
        Err(CheckpointError::Mismatch { mismatch, .. }) => {
            assert_eq!(
                (mismatch.unexpected.len(), mismatch.missing.len()),
                (100_000, 4)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn damaged_states_are_refused_whole() {
    let with = |key: &str, value: &str| {
        let metadata = format!(r#"{{"{key}":"{value}"}}"#);
        load_bytes(&file_of(&tiny_header(r#"{"a":"b"}"#, &metadata), 44)).map(|_| ())
    };
    assert!(with("rnn.format", "1").is_ok());
    for (key, value) in [
        ("rnn.format", "2"),
        ("rnn.steps", "-1"),
        ("rnn.rng.sample", "0/0/0"),
    ] {
        assert!(
            matches!(with(key, value), Err(CheckpointError::State { .. })),
            "{key}"
        );
    }
}

#[test]
fn state_tensors_must_have_the_shape_of_a_parameter() {
    let with = |tensor: &str, entry: &str, data: usize| {
        let metadata = r#"{"rnn.optimizer":"adam"}"#;
        let header = tiny_header(r#"{"a":"b"}"#, metadata);
        let header = format!(r#"{},"{tensor}":{entry}}}"#, &header[..header.len() - 1]);
        load_bytes(&file_of(&header, 44 + data))
    };
    let two = r#"{"dtype":"F32","shape":[2],"data_offsets":[44,52]}"#;
    assert!(with("optimizer/m/readout", two, 8).is_ok());
    for (tensor, entry, data) in [
        ("optimizer/m/other", two, 8),
        ("optimizer/m", two, 8),
        ("optimizer/m/cell.W", two, 8),
        (
            "optimizer/m/readout",
            r#"{"dtype":"I32","shape":[2],"data_offsets":[44,52]}"#,
            8,
        ),
    ] {
        let found = with(tensor, entry, data);
        assert!(
            matches!(found, Err(CheckpointError::Mismatch { .. })),
            "{tensor}: {found:?}"
        );
    }
    let slots: Vec<String> = (0..9)
        .map(|k| {
            format!(
                r#""optimizer/{k}/scale":{{"dtype":"F32","shape":[],"data_offsets":[{},{}]}}"#,
                44 + 4 * k,
                48 + 4 * k
            )
        })
        .collect();
    let header = tiny_header(r#"{"a":"b"}"#, r#"{"rnn.optimizer":"adam"}"#);
    let header = format!("{},{}}}", &header[..header.len() - 1], slots.join(","));
    assert!(matches!(
        load_bytes(&file_of(&header, 80)),
        Err(CheckpointError::State { .. })
    ));
}

#[test]
fn other_tensors_of_a_run_are_bounded() {
    let (_directory, path) = scratch();
    // Just too many numbers for a model of eleven, in a sparse file.
    let count = RUN_SCALARS + 12;
    let header = tiny_header(r#""a":"b""#, r#""rnn.format":"1""#);
    let (at, end) = (44, 44 + 4 * count);
    let entry = format!(
        r#","run/carried/h":{{"dtype":"F32","shape":[{count}],"data_offsets":[{at},{end}]}}}}"#
    );
    let header = header.strip_suffix('}').unwrap().to_owned() + &entry;
    fs::write(&path, file_of(&header, 44)).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    let mut params = Tiny::counting();
    let error = load(&path, &mut params).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`{}`: expected at most {} numbers in the tensors of a run, found {count}",
            path.display(),
            count - 1
        )
    );
    assert_eq!(params, Tiny::counting());
    // Without the mark of this format it is a parameter that the model does not have.
    let foreign = header.replace("rnn.format", "format");
    let mut bytes = file_of(&foreign, 44);
    bytes.truncate(8 + foreign.len() + 44);
    fs::write(&path, &bytes).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len((8 + foreign.len() + end) as u64).unwrap();
    let error = load(&path, &mut params).unwrap_err();
    assert!(
        error.to_string().contains("unexpected `run/carried/h`"),
        "{error}"
    );
}
