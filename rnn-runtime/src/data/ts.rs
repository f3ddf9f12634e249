//! Labelled series in the `.ts` format of the UEA and UCR archives (Bagnall et al. 2018): a line per series, its channels apart by
//! `:`, their numbers by `,`, its class last.
//!
//! ```text
//! @problemName waves
//! @classLabel true sine square
//! @data
//! 1,2.5,-3:4,5,6:square
//! ```
//!
//! **Invariant:** all series of a file have the same channels, and the channels of a series the same steps; lengths of series may
//! differ.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use ndarray::Array2;

use crate::error::FileError;

/// A series and the position of its class.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledSeries {
    /// Its values, `[T, channels]`; missing ones, written `?`, are NaN.
    pub series: Array2<f32>,
    /// Its class, by position in [`TsFile::classes`].
    pub class: u32,
}

/// What is in a `.ts` file.
#[derive(Clone, Debug, PartialEq)]
pub struct TsFile {
    /// Names of the classes, in the order in which the file declares them.
    pub classes: Vec<String>,
    /// Channels of each series.
    pub channels: usize,
    /// The series in their order.
    pub examples: Vec<LabelledSeries>,
}

impl TsFile {
    /// Reads a file, a line at a time.
    ///
    /// # Errors
    /// [`FileError::Malformed`] names the line that is wrong, or what is missing; [`FileError::Io`] when the system refuses.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| FileError::io("read", path, error))?;
        let mut reader = Reader::default();
        for (number, line) in (1..).zip(BufReader::new(file).lines()) {
            let line = line.map_err(|error| FileError::io("read", path, error))?;
            reader
                .line(line.trim())
                .map_err(|reason| FileError::line(path, number, reason))?;
        }
        reader
            .end()
            .map_err(|reason| FileError::malformed(path, reason))
    }
}

#[derive(Default)]
struct Reader {
    classes: Vec<String>,
    channels: Option<usize>,
    examples: Vec<LabelledSeries>,
    in_data: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if !self.in_data {
            return self.setting(line);
        }
        let (channels, class) = line
            .rsplit_once(':')
            .ok_or("expected channels and a class, apart by `:`")?;
        let class = class.trim();
        let position = self.classes.iter().position(|own| own == class);
        let class = position.ok_or_else(|| {
            let known = crate::error::quoted_list(&self.classes);
            format!("class `{class}` is not declared, expected one of {known}")
        })?;
        let series = series(channels)?;
        let expected = *self.channels.get_or_insert(series.ncols());
        if series.ncols() != expected {
            let found = series.ncols();
            return Err(format!("expected {expected} channels, found {found}"));
        }
        let class = u32::try_from(class).map_err(|_| "expected fewer classes".to_owned())?;
        self.examples.push(LabelledSeries { series, class });
        Ok(())
    }

    fn setting(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let name = words.next().map(str::to_lowercase).unwrap_or_default();
        match name.as_str() {
            "@classlabel" => {
                if words.next() != Some("true") {
                    return Err("expected series with classes, `@classLabel true ..`".to_owned());
                }
                self.classes = words.map(str::to_owned).collect();
            }
            "@timestamps" if words.next() == Some("true") => {
                return Err("expected series without time stamps, `@timeStamps false`".to_owned());
            }
            "@data" => self.in_data = true,
            setting if setting.starts_with('@') => {}
            _ => return Err("expected a setting, such as `@data`".to_owned()),
        }
        Ok(())
    }

    fn end(self) -> Result<TsFile, String> {
        if !self.in_data {
            return Err("there is no `@data`".to_owned());
        }
        let channels = self.channels.ok_or("there is no series after `@data`")?;
        Ok(TsFile {
            classes: self.classes,
            channels,
            examples: self.examples,
        })
    }
}

fn series(text: &str) -> Result<Array2<f32>, String> {
    let number = |text: &str| match text.trim() {
        "?" => Ok(f32::NAN),
        own => own
            .parse()
            .map_err(|_| format!("expected a number or `?`, found `{own:.40}`")),
    };
    let mut channels: Vec<Vec<f32>> = Vec::new();
    for (at, channel) in text.split(':').enumerate() {
        let values: Vec<f32> = channel.split(',').map(number).collect::<Result<_, _>>()?;
        let expected = channels.first().map_or(values.len(), Vec::len);
        if values.len() != expected {
            let found = values.len();
            return Err(format!(
                "channel {} has {found} steps, expected {expected} as in channel 1",
                at + 1
            ));
        }
        channels.push(values);
    }
    let steps = channels.first().map_or(0, Vec::len);
    let at = |(t, c): (usize, usize)| channels[c][t];
    Ok(Array2::from_shape_fn((steps, channels.len()), at))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ndarray::array;

    use super::*;

    const HEADER: &str = "# said\n@problemName two\n@classLabel true a b\n@data\n";

    fn read(text: &str) -> Result<TsFile, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.ts");
        fs::write(&path, text).unwrap();
        let folder = format!("{}/", folder.path().display());
        TsFile::read(&path).map_err(|error| error.to_string().replace(&folder, ""))
    }

    #[test]
    fn series_of_unequal_length_are_read() {
        let file = read(&format!("{HEADER}1,2.5,-3:4,5,6:b\n0.5:7:a\n")).unwrap();
        assert_eq!((file.channels, file.classes.len()), (2, 2));
        let expected = [
            (array![[1.0, 4.0], [2.5, 5.0], [-3.0, 6.0]], 1),
            (array![[0.5, 7.0]], 0),
        ];
        let expected = expected.map(|(series, class)| LabelledSeries { series, class });
        assert_eq!(file.examples, expected);
        let gap = read(&format!("{HEADER}1,?:a\n")).unwrap();
        assert!(gap.examples[0].series[[1, 0]].is_nan());
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (line, error) in [
            (
                "1,2:c",
                "x.ts line 5: class `c` is not declared, expected one of `a`, `b`",
            ),
            (
                "1,2:3:a",
                "x.ts line 5: channel 2 has 1 steps, expected 2 as in channel 1",
            ),
            ("1,x:a", "x.ts line 5: expected a number or `?`, found `x`"),
            (
                "1,2",
                "x.ts line 5: expected channels and a class, apart by `:`",
            ),
            ("1:a\n1:2:a", "x.ts line 6: expected 1 channels, found 2"),
            ("", "x.ts: there is no series after `@data`"),
        ] {
            assert_eq!(read(&format!("{HEADER}{line}\n")), Err(error.to_owned()));
        }
        assert_eq!(
            read("@data\n").unwrap_err(),
            "x.ts: there is no series after `@data`"
        );
        assert_eq!(read("").unwrap_err(), "x.ts: there is no `@data`");
        assert!(
            read("@classLabel false\n")
                .unwrap_err()
                .starts_with("x.ts line 1")
        );
        assert!(
            read("@timeStamps true\n")
                .unwrap_err()
                .starts_with("x.ts line 1")
        );
        assert!(read("1,2:a\n").unwrap_err().starts_with("x.ts line 1"));
    }
}
