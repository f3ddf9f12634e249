//! Vocabularies of bytes and of characters.
//!
//! **Invariant:** the tokens of a vocabulary of `V` entries are `0..V`, and their order depends on the set of
//! characters alone, not on their order in the text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::error::TextError;

/// Bytes as tokens: 256 of them, whatever the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteVocab;

impl ByteVocab {
    /// Number of tokens.
    pub const SIZE: usize = 256;

    /// The bytes of `text`.
    pub fn encode(self, text: impl AsRef<[u8]>) -> Vec<u32> {
        text.as_ref().iter().map(|&byte| u32::from(byte)).collect()
    }

    /// The text of `tokens`.
    ///
    /// # Errors
    /// [`TextError::UnknownToken`] for a token above 255, [`TextError::NotUtf8`] when the bytes are no text.
    pub fn decode(self, tokens: &[u32]) -> Result<String, TextError> {
        let byte = |(position, &token): (usize, &u32)| {
            u8::try_from(token).map_err(|_| TextError::UnknownToken {
                token,
                position,
                size: Self::SIZE,
            })
        };
        let bytes: Vec<u8> = tokens
            .iter()
            .enumerate()
            .map(byte)
            .collect::<Result<_, _>>()?;
        String::from_utf8(bytes).map_err(|error| TextError::NotUtf8 {
            position: error.utf8_error().valid_up_to(),
        })
    }
}

/// Characters (Unicode scalar values) as tokens, in the order of their code points.
///
/// Its text form is the characters themselves, which a checkpoint can keep as metadata; the unknown character, if one
/// is set, follows from [`CharVocab::with_unknown`].
///
/// ```
/// use rnn_runtime::CharVocab;
///
/// let vocabulary = CharVocab::from_text("hello");
/// assert_eq!(vocabulary.to_string(), "ehlo");
/// assert_eq!(vocabulary.encode("hole")?, [1, 3, 2, 0]);
/// assert_eq!(vocabulary.decode(&[1, 3, 2, 0])?, "hole");
/// assert!(vocabulary.encode("help").is_err());
/// # Ok::<(), rnn_runtime::error::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharVocab {
    characters: Vec<char>,
    tokens: BTreeMap<char, u32>,
    unknown: Option<u32>,
}

impl CharVocab {
    /// All characters of `text`.
    pub fn from_text(text: &str) -> Self {
        let characters: BTreeSet<char> = text.chars().collect();
        Self::from_sorted(characters.into_iter().collect())
    }

    pub(super) fn from_sorted(characters: Vec<char>) -> Self {
        // There are fewer characters than u32 values.
        let tokens = characters
            .iter()
            .enumerate()
            .map(|(token, &character)| (character, token as u32))
            .collect();
        Self {
            characters,
            tokens,
            unknown: None,
        }
    }

    /// Encodes characters outside the vocabulary as `unknown`, which must be in it.
    ///
    /// # Errors
    /// [`TextError::UnknownNotInVocabulary`] when it is not.
    pub fn with_unknown(mut self, unknown: char) -> Result<Self, TextError> {
        let Some(&token) = self.tokens.get(&unknown) else {
            return Err(TextError::UnknownNotInVocabulary {
                character: unknown,
                size: self.len(),
            });
        };
        self.unknown = Some(token);
        Ok(self)
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.characters.len()
    }

    /// Whether there is no character.
    pub fn is_empty(&self) -> bool {
        self.characters.is_empty()
    }

    /// The token of `character`, if it is in the vocabulary.
    pub fn token(&self, character: char) -> Option<u32> {
        self.tokens.get(&character).copied()
    }

    /// The character of `token`, if there is such a token.
    pub fn character(&self, token: u32) -> Option<char> {
        self.characters.get(token as usize).copied()
    }

    // The token of a character, which is at this byte.
    pub(super) fn token_or_unknown(
        &self,
        character: char,
        position: usize,
    ) -> Result<u32, TextError> {
        self.token(character)
            .or(self.unknown)
            .ok_or(TextError::UnknownCharacter {
                character,
                position,
                size: self.len(),
            })
    }

    /// One token per character of `text`.
    ///
    /// # Errors
    /// [`TextError::UnknownCharacter`] names the first character outside the vocabulary and its byte offset, unless an
    /// unknown character is set.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let encode = |(position, character)| self.token_or_unknown(character, position);
        text.char_indices().map(encode).collect()
    }

    /// One character per token.
    ///
    /// # Errors
    /// [`TextError::UnknownToken`] names the first token outside the vocabulary.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, TextError> {
        let decode = |(position, &token): (usize, &u32)| {
            self.character(token).ok_or(TextError::UnknownToken {
                token,
                position,
                size: self.len(),
            })
        };
        tokens.iter().enumerate().map(decode).collect()
    }
}

impl fmt::Display for CharVocab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.characters
            .iter()
            .try_for_each(|character| write!(f, "{character}"))
    }
}

impl FromStr for CharVocab {
    type Err = TextError;

    /// Reads the text form back; the order of the characters does not matter.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        if let Some(pair) = characters.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(TextError::DuplicateCharacter { character: pair[0] });
        }
        Ok(Self::from_sorted(characters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_depends_on_the_set_of_characters_alone() {
        let vocabulary = CharVocab::from_text("zebra é\n");
        assert_eq!(vocabulary, CharVocab::from_text("é\nz aberz"));
        assert_eq!(vocabulary.to_string(), "\n aberzé");
        assert_eq!(vocabulary.to_string().parse(), Ok(vocabulary.clone()));
        assert_eq!(vocabulary.len(), 8);
        assert_eq!(
            "aba".parse::<CharVocab>(),
            Err(TextError::DuplicateCharacter { character: 'a' })
        );
    }

    #[test]
    fn every_text_round_trips() {
        let text = "naïve café, 多言語\0\u{10ffff}\n";
        let vocabulary = CharVocab::from_text(text);
        let tokens = vocabulary.encode(text).unwrap();
        assert_eq!(tokens.len(), text.chars().count());
        assert_eq!(vocabulary.decode(&tokens).as_deref(), Ok(text));
        assert_eq!(
            ByteVocab.decode(&ByteVocab.encode(text)).as_deref(),
            Ok(text)
        );
    }

    #[test]
    fn an_unknown_character_is_named_with_its_place() {
        let vocabulary = CharVocab::from_text("é a");
        let error = vocabulary.encode("é b").unwrap_err();
        assert_eq!(
            error,
            TextError::UnknownCharacter {
                character: 'b',
                position: 3,
                size: 3
            }
        );
        assert!(
            error
                .to_string()
                .starts_with("character 'b' at byte 3 is not in the vocabulary of 3 characters")
        );
        assert_eq!(
            vocabulary.decode(&[0, 3]),
            Err(TextError::UnknownToken {
                token: 3,
                position: 1,
                size: 3
            })
        );
        let lenient = vocabulary.clone().with_unknown(' ').unwrap();
        assert_eq!(lenient.encode("ab"), Ok(vec![1, 0]));
        assert!(vocabulary.with_unknown('?').is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        assert_eq!(
            ByteVocab.decode(&[104, 105, 255]),
            Err(TextError::NotUtf8 { position: 2 })
        );
        assert!(matches!(
            ByteVocab.decode(&[256]),
            Err(TextError::UnknownToken { position: 0, .. })
        ));
    }
}
