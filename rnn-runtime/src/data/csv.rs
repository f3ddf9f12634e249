//! Tables of numbers in comma-separated values (RFC 4180).
//!
//! **Invariant:** every number read is finite, save empty fields where they are allowed, which are NaN.

use std::fs;
use std::path::Path;

use ndarray::Array2;

use crate::error::FileError;

/// Columns of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names of the columns; empty where the file has no header.
    pub names: Vec<String>,
    /// Values, `[rows, columns]`.
    pub values: Array2<f32>,
}

/// How a file is read.
///
/// ```no_run
/// use rnn_runtime::data::Csv;
///
/// let table = Csv::default().delimiter(b';').columns(["temperature", "load"]).read("plant.csv")?;
/// println!("{} rows of {:?}", table.values.nrows(), table.names);
/// # Ok::<(), rnn_runtime::error::FileError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csv {
    delimiter: u8,
    header: bool,
    columns: Columns,
    gaps: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Columns {
    All,
    These(Vec<String>),
    /// So many at the end.
    Last(usize),
}

impl Default for Csv {
    /// Commas, a header, all columns, no empty fields.
    fn default() -> Self {
        Self {
            delimiter: b',',
            header: true,
            columns: Columns::All,
            gaps: false,
        }
    }
}

impl Csv {
    /// What is between fields.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// The first line is a row like any other.
    #[must_use]
    pub fn without_header(mut self) -> Self {
        self.header = false;
        self
    }

    /// These columns alone, in this order: by name, or counted from 1 where there is no header. Others may hold anything.
    #[must_use]
    pub fn columns<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = Columns::These(columns.into_iter().map(Into::into).collect());
        self
    }

    /// The last so many columns alone, whatever they are called. Others may hold anything.
    #[must_use]
    pub fn last_columns(mut self, count: usize) -> Self {
        self.columns = Columns::Last(count);
        self
    }

    /// Empty fields are NaN.
    #[must_use]
    pub fn gaps(mut self) -> Self {
        self.gaps = true;
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError::Malformed`] names the line and the column of what is no number, of a row with too few or too many fields, and
    /// of a column that there is not; [`FileError::Io`] when the system refuses.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table, FileError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| FileError::io("read", path, error))?;
        // Rows of other lengths are told with their line, here.
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(self.delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes.as_slice());
        let mut record = csv::ByteRecord::new();
        let mut names = Vec::new();
        let mut chosen: Option<Vec<usize>> = None;
        let (mut fields, mut rows) = (0, 0);
        let mut values: Vec<f32> = Vec::new();
        while next(&mut reader, &mut record, path)? {
            // A record begins after the end of the line before it, which the reader has not gone past.
            let start = record.position().map_or(0, csv::Position::byte);
            let line = || line_at(&bytes, start);
            let of = |column: usize, reason: String| FileError::Malformed {
                path: path.to_owned(),
                line: Some(line()),
                column: Some(column as u64 + 1),
                reason,
            };
            let text = |column: usize| {
                std::str::from_utf8(&record[column])
                    .map(str::trim)
                    .map_err(|_| of(column, "the field is not UTF-8".to_owned()))
            };
            let Some(columns) = &chosen else {
                fields = record.len();
                if self.header {
                    for column in 0..fields {
                        // Editors of tables write a byte order mark.
                        let name = text(column)?;
                        names.push(name.trim_start_matches('\u{feff}').to_owned());
                    }
                }
                let columns = self.choose(&names, fields);
                let columns = columns.map_err(|reason| FileError::line(path, line(), reason))?;
                if self.header {
                    names = columns
                        .iter()
                        .map(|column| names[*column].clone())
                        .collect();
                    chosen = Some(columns);
                    continue;
                }
                self.row(&columns, text, of, &mut values)?;
                rows += 1;
                chosen = Some(columns);
                continue;
            };
            if record.len() != fields {
                let reason = format!("expected {fields} fields, found {}", record.len());
                return Err(FileError::line(path, line(), reason));
            }
            self.row(columns, text, of, &mut values)?;
            rows += 1;
        }
        let Some(columns) = chosen else {
            return Err(FileError::malformed(
                path,
                "expected a table, found an empty file",
            ));
        };
        let values = Array2::from_shape_vec((rows, columns.len()), values)
            .unwrap_or_else(|_| unreachable!("each row adds as many values as there are columns"));
        Ok(Table { names, values })
    }

    fn row<'r>(
        &self,
        columns: &[usize],
        text: impl Fn(usize) -> Result<&'r str, FileError>,
        of: impl Fn(usize, String) -> FileError,
        values: &mut Vec<f32>,
    ) -> Result<(), FileError> {
        for column in columns {
            let field = text(*column)?;
            let value = match field.parse::<f32>() {
                Ok(value) if value.is_finite() => value,
                _ if field.is_empty() && self.gaps => f32::NAN,
                _ => {
                    let found: String = field.chars().take(40).collect();
                    return Err(of(
                        *column,
                        format!("expected a finite number, found `{found}`"),
                    ));
                }
            };
            values.push(value);
        }
        Ok(())
    }

    // Positions of the columns asked for.
    fn choose(&self, names: &[String], fields: usize) -> Result<Vec<usize>, String> {
        let columns = match &self.columns {
            Columns::All => return Ok((0..fields).collect()),
            Columns::Last(count) => {
                let first = fields.checked_sub(*count);
                let first = first
                    .ok_or_else(|| format!("expected at least {count} columns, found {fields}"))?;
                return Ok((first..fields).collect());
            }
            Columns::These(columns) => columns,
        };
        let place = |asked: &String| {
            let number = || asked.parse::<usize>().ok()?.checked_sub(1);
            let place = if self.header {
                names.iter().position(|name| name == asked)
            } else {
                number().filter(|column| *column < fields)
            };
            place.ok_or_else(|| {
                let known = if self.header {
                    crate::error::quoted_list(names)
                } else {
                    format!("1 to {fields}")
                };
                format!("there is no column `{asked}`, expected one of {known}")
            })
        };
        columns.iter().map(place).collect()
    }
}

// The line of the first byte from `start` on that ends no line, counted from 1.
fn line_at(bytes: &[u8], start: u64) -> u64 {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let rest = bytes.get(start..).unwrap_or_default();
    let ends = rest
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    let before = bytes.get(..start + ends).unwrap_or(bytes);
    1 + before.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn next(
    reader: &mut csv::Reader<&[u8]>,
    record: &mut csv::ByteRecord,
    path: &Path,
) -> Result<bool, FileError> {
    reader.read_byte_record(record).map_err(|error| {
        let reason = error.to_string();
        match error.into_kind() {
            csv::ErrorKind::Io(error) => FileError::io("read", path, error),
            _ => FileError::malformed(path, reason),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ndarray::array;

    use super::*;

    fn read(csv: &Csv, text: &str) -> Result<Table, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        fs::write(&path, text).unwrap();
        let found = csv.read(&path);
        // Errors without the folder, which has another name each time.
        found.map_err(|error| {
            error
                .to_string()
                .replace(&format!("{}/", folder.path().display()), "")
        })
    }

    #[test]
    fn columns_are_chosen_by_name() {
        let text = "\u{feff}day,load,\"room, west\"\r\n2020-01-01,1.5,-2\r\n\"a\nb\",3e2, 4\r\n";
        let all = read(&Csv::default(), text).unwrap_err();
        assert_eq!(
            all,
            "table.csv line 2 column 1: expected a finite number, found `2020-01-01`"
        );
        let table = read(&Csv::default().columns(["room, west", "load"]), text).unwrap();
        assert_eq!(table.names, ["room, west", "load"]);
        assert_eq!(table.values, array![[-2.0, 1.5], [4.0, 300.0]]);
        let error = read(&Csv::default().columns(["loda"]), text).unwrap_err();
        assert_eq!(
            error,
            "table.csv line 1: there is no column `loda`, expected one of `day`, `load`, `room, west`"
        );
    }

    #[test]
    fn a_table_without_a_header_has_numbers_for_names() {
        let csv = Csv::default().without_header().delimiter(b';');
        let table = read(&csv, "1;2;3\n4;5;6").unwrap();
        assert!(table.names.is_empty());
        assert_eq!(table.values, array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let last = read(&csv.clone().columns(["3"]), "1;2;3\n4;5;6\n").unwrap();
        assert_eq!(last.values, array![[3.0], [6.0]]);
        for bad in ["0", "4", "x"] {
            let error = read(&csv.clone().columns([bad]), "1;2;3\n").unwrap_err();
            assert!(error.ends_with("expected one of 1 to 3"), "{error}");
        }
    }

    #[test]
    fn the_last_columns_need_no_names() {
        let text = "day,load,room\nmonday,1,2\ntuesday,3,4\n";
        let table = read(&Csv::default().last_columns(1), text).unwrap();
        assert_eq!(table.names, ["room"]);
        assert_eq!(table.values, array![[2.0], [4.0]]);
        let two = Csv::default().last_columns(2);
        assert_eq!(read(&two, text).unwrap().values.dim(), (2, 2));
        let bare = read(&Csv::default().without_header().last_columns(1), "x,7\n").unwrap();
        assert_eq!(bare.values, array![[7.0]]);
        let error = read(&two, "load\n1\n").unwrap_err();
        assert_eq!(
            error,
            "table.csv line 1: expected at least 2 columns, found 1"
        );
    }

    #[test]
    fn a_wrong_row_is_named_with_its_line() {
        for (text, error) in [
            ("", "table.csv: expected a table, found an empty file"),
            (
                "a,b\n1,2\n\n3\n",
                "table.csv line 4: expected 2 fields, found 1",
            ),
            (
                "a,b\n1,2,3\n",
                "table.csv line 2: expected 2 fields, found 3",
            ),
            (
                "a,b\n1,\n",
                "table.csv line 2 column 2: expected a finite number, found ``",
            ),
            (
                "a\nnan\n",
                "table.csv line 2 column 1: expected a finite number, found `nan`",
            ),
            (
                "a\n1e99\n",
                "table.csv line 2 column 1: expected a finite number, found `1e99`",
            ),
        ] {
            assert_eq!(
                read(&Csv::default(), text),
                Err(error.to_owned()),
                "{text:?}"
            );
        }
        let gaps = read(&Csv::default().gaps(), "a,b\n1,\n").unwrap();
        assert!(gaps.values[[0, 1]].is_nan() && gaps.values[[0, 0]] == 1.0);
        let empty = read(&Csv::default(), "a,b\n").unwrap();
        assert_eq!(empty.values.dim(), (0, 2));
        assert!(matches!(
            Csv::default().read("/nowhere/at all"),
            Err(FileError::Io { .. })
        ));
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        fs::write(&path, b"a,b\n1,\xff\n").unwrap();
        let error = Csv::default().read(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("line 2 column 2: the field is not UTF-8"),
            "{error}"
        );
    }
}
