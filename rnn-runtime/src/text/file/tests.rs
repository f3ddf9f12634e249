use std::fs;

use proptest::prelude::*;

use super::*;
use crate::text::{ByteVocab, ContinuousText};

type Copied = (Array2<u32>, Array2<u32>, Vec<usize>, bool);

fn copied(chunk: Chunk<'_>) -> Copied {
    let Chunk {
        inputs,
        targets,
        lengths,
        starts_pass,
        ..
    } = chunk;
    (
        inputs.to_owned(),
        targets.to_owned(),
        lengths.to_vec(),
        starts_pass,
    )
}

fn in_file(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn same(whole: &mut ContinuousText, file: &mut FileText) {
    assert_eq!(whole.chunks() as u64, file.chunks());
    for _ in 0..2 * whole.chunks() + 2 {
        let expected = whole.next_chunk().map(copied);
        assert_eq!(file.next_chunk().unwrap().map(copied), expected);
    }
    assert_eq!(whole.passes(), file.passes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn chunks_are_those_of_the_text_in_memory(
        text in "[abé多\u{10ffff}\n]{7,60}",
        batch in 1..6_usize,
        steps in 1..9_usize,
    ) {
        let (_folder, path) = in_file(text.as_bytes());
        let vocabulary = CharVocab::from_text(&text);
        prop_assert_eq!(&CharVocab::from_file(&path).unwrap(), &vocabulary);
        let mut whole = ContinuousText::new(vocabulary.encode(&text).unwrap(), batch, steps).unwrap();
        same(&mut whole, &mut FileText::characters(&path, vocabulary, batch, steps).unwrap());
        let mut whole = ContinuousText::new(ByteVocab.encode(&text), batch, steps).unwrap();
        same(&mut whole, &mut FileText::bytes(&path, batch, steps).unwrap());
    }
}

#[test]
fn characters_across_pieces_are_whole() {
    // Three bytes each, so that pieces of 2^16 bytes end within one.
    let text = "多".repeat(PIECE) + "é";
    let (_folder, path) = in_file(text.as_bytes());
    let vocabulary = CharVocab::from_file(&path).unwrap();
    let mut whole = ContinuousText::new(vocabulary.encode(&text).unwrap(), 3, 1000).unwrap();
    let mut file = FileText::characters(&path, vocabulary, 3, 1000).unwrap();
    same(&mut whole, &mut file);
    assert!(file.piece.capacity() <= 2 * 4 * 1001);
}

#[test]
fn a_text_resumes_at_every_chunk() {
    let text = "to bé or not to bé, that is the question 多";
    let (_folder, path) = in_file(text.as_bytes());
    let open = || FileText::characters(&path, CharVocab::from_text(text), 3, 4).unwrap();
    let mut whole = open();
    for _ in 0..9 {
        let cursor: FileCursor = whole.cursor().to_string().parse().unwrap();
        assert_eq!(cursor, whole.cursor());
        let mut resumed = open();
        resumed.resume(&cursor).unwrap();
        let expected = whole.next_chunk().unwrap().map(copied);
        assert_eq!(resumed.next_chunk().unwrap().map(copied), expected);
    }
    let mut other = FileText::bytes(&path, 2, 4).unwrap();
    let error = other.resume(&whole.cursor()).unwrap_err();
    assert!(
        matches!(
            error,
            TextError::Cursor {
                what: "number of streams",
                ..
            }
        ),
        "{error}"
    );
    let far = FileCursor {
        chunk: 99,
        ..whole.cursor()
    };
    assert!(whole.resume(&far).is_err());
    for bad in ["", "1/2/3/4", "1/2/3/4/5/x"] {
        assert!(bad.parse::<FileCursor>().is_err(), "{bad}");
    }
    // Offsets that are no place of the file lead to an error, not to other tokens.
    let wrong = FileCursor {
        offsets: vec![1 << 40; 3],
        ..open().cursor()
    };
    let mut text = open();
    text.resume(&wrong).unwrap();
    assert!(matches!(
        text.next_chunk(),
        Err(FileTextError::Changed { .. })
    ));
}

#[test]
fn what_is_no_text_is_named() {
    let (_folder, path) = in_file(b"ab\xffc");
    let error = CharVocab::from_file(&path).unwrap_err();
    assert!(
        matches!(error, FileTextError::NotUtf8 { position: 2, .. }),
        "{error}"
    );
    let (_folder, path) = in_file("ab\u{e9}".as_bytes().split_last().unwrap().1);
    assert!(matches!(
        CharVocab::from_file(&path),
        Err(FileTextError::NotUtf8 { position: 2, .. })
    ));
    let (_folder, path) = in_file(b"abc");
    let error = FileText::characters(&path, CharVocab::from_text("ab"), 1, 2).unwrap_err();
    assert!(
        error.to_string().starts_with("character 'c' at byte 2"),
        "{error}"
    );
    assert!(FileText::bytes(&path, 3, 2).is_err());
    assert!(FileText::bytes(&path, 0, 2).is_err());
    assert!(matches!(
        FileText::bytes("/nowhere", 1, 2),
        Err(FileTextError::Io { .. })
    ));
    let mut text = FileText::bytes(&path, 1, 2).unwrap();
    fs::write(&path, b"a").unwrap();
    assert!(matches!(
        text.next_chunk(),
        Err(FileTextError::Changed { .. })
    ));
}
