//! The rows of a CSV file, one at a time, of which only the columns that are
//! read take memory.
//!
//! csv-core does the parsing. Whole records are never held: the scanners' longest
//! cells (plugin outputs of many megabytes) are in columns that nobody reads.

use bytes::{Buf, Bytes};
use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use serde_json::json;

use crate::import::error::ImportError;
use crate::import::file::{ByteSource, Decoder, Layout, Rest};
use crate::import::stop::Stop;

/// What is kept of one cell. The rest is read and dropped.
pub const MAX_CELL_BYTES: usize = 64 * 1024;

/// Longest record, all columns together. Beyond it a quote was surely never
/// closed, and reading on would swallow the file.
pub const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// One row: the cells of the columns that the layout reads.
#[derive(Debug, Default)]
pub struct Row {
    cells: Vec<Vec<u8>>,
    /// The line of the file on which the row begins, from 1.
    pub line: u64,
}

impl Row {
    /// The text in a slot, trimmed; empty for a cell that the row does not have.
    pub fn cell(&self, slot: usize) -> &str {
        let bytes = self.cells.get(slot).map_or(&[][..], Vec::as_slice);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            // A cell that was cut may end within a character.
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        };
        text.trim()
    }

    /// Whether the cell was longer than [`MAX_CELL_BYTES`].
    pub fn is_cut(&self, slot: usize) -> bool {
        self.cells
            .get(slot)
            .is_some_and(|cell| cell.len() >= MAX_CELL_BYTES)
    }
}

/// Reads the rows below a header.
pub struct Rows<S> {
    text: Decoder<S>,
    layout: Layout,
    csv: Reader,
    /// What has been read and not yet parsed.
    chunk: Bytes,
    has_ended: bool,
    row: Row,
    /// A row that holds anything but white space.
    has_text: bool,
}

impl<S: ByteSource> Rows<S> {
    pub fn new(text: Decoder<S>, layout: Layout, rest: Rest) -> Rows<S> {
        let mut csv = ReaderBuilder::new().delimiter(layout.delimiter).build();
        csv.set_line(rest.line);
        let cells = vec![Vec::new(); layout.slot_count()];
        let row = Row {
            cells,
            line: rest.line,
        };
        Rows {
            text,
            layout,
            csv,
            chunk: rest.text,
            has_ended: false,
            row,
            has_text: false,
        }
    }

    /// The next row that holds anything; `None` at the end of the file.
    ///
    /// # Errors
    /// `CSV_PARSING_ERROR` for a record that is too long or a quote that is
    /// still open at the end of the file.
    pub fn next_row(&mut self) -> Result<Option<(&Row, &Layout)>, Stop> {
        loop {
            if !self.skip_line_ends()? {
                return Ok(None);
            }
            self.read_record()?;
            if self.has_text {
                return Ok(Some((&self.row, &self.layout)));
            }
        }
    }

    /// Bytes so far that were not UTF-8.
    pub fn replaced_bytes(&self) -> u64 {
        self.text.replaced_bytes()
    }

    /// Goes to the first byte of the next record, counting lines; false at the
    /// end of the file.
    fn skip_line_ends(&mut self) -> Result<bool, Stop> {
        loop {
            while let Some(byte @ (b'\n' | b'\r')) = self.chunk.first() {
                self.csv
                    .set_line(self.csv.line() + u64::from(*byte == b'\n'));
                self.chunk.advance(1);
            }
            if !self.chunk.is_empty() {
                return Ok(true);
            }
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    fn read_record(&mut self) -> Result<(), Stop> {
        self.row.cells.iter_mut().for_each(Vec::clear);
        self.row.line = self.csv.line();
        self.has_text = false;
        let mut column = 0;
        let mut record_bytes = 0;
        let mut buffer = [0; 4096];
        loop {
            if self.chunk.is_empty() && !self.fill()? {
                // A line end finishes any record, unless a quote is open.
                self.chunk = Bytes::from_static(b"\n");
            }
            let (result, taken, written) = self.csv.read_field(&self.chunk, &mut buffer);
            self.chunk.advance(taken);
            record_bytes += taken as u64;
            self.keep(column, &buffer[..written]);
            match result {
                ReadFieldResult::Field { record_end: true } => return Ok(()),
                ReadFieldResult::Field { record_end: false } => column += 1,
                ReadFieldResult::OutputFull => {}
                ReadFieldResult::InputEmpty if self.has_ended => {
                    return Err(self.open_quote("The file ends within a quoted cell"));
                }
                ReadFieldResult::InputEmpty | ReadFieldResult::End => {}
            }
            if record_bytes > MAX_RECORD_BYTES {
                return Err(self.open_quote(
                    "A row is longer than 16 MiB; most likely a quote is never closed",
                ));
            }
        }
    }

    fn keep(&mut self, column: usize, text: &[u8]) {
        self.has_text |= !text.trim_ascii().is_empty();
        if let Some(slot) = self.layout.slot_of_column(column) {
            let cell = &mut self.row.cells[slot];
            let wanted = text.len().min(MAX_CELL_BYTES - cell.len());
            cell.extend_from_slice(&text[..wanted]);
        }
    }

    fn fill(&mut self) -> Result<bool, Stop> {
        if !self.has_ended {
            match self.text.next_text()? {
                Some(chunk) => self.chunk = chunk,
                None => self.has_ended = true,
            }
        }
        Ok(!self.has_ended)
    }

    fn open_quote(&self, message: &str) -> Stop {
        let details = json!({ "line_number": self.row.line });
        ImportError::parsing(message, Some(details)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::file::{tests::Pieces, Mappings};
    use crate::import::scanners::Role;

    /// Line, host, title and port of each row.
    fn read(file: &[u8], piece: usize) -> Result<Vec<(u64, String, String, String)>, ImportError> {
        let mut text = Decoder::new(Pieces::new(file, piece));
        let run = || -> Result<_, Stop> {
            let (layout, rest) = Layout::detect(&mut text, &Mappings::default())?;
            let mut rows = Rows::new(text, layout, rest);
            let mut read = Vec::new();
            while let Some((row, layout)) = rows.next_row()? {
                let cell = |role| row.cell(layout.slots(role)[0]).to_owned();
                read.push((
                    row.line,
                    cell(Role::Host),
                    cell(Role::Title),
                    cell(Role::Port),
                ));
            }
            Ok(read)
        };
        run().map_err(|stop| match stop {
            Stop::Failed(error) => *error,
            other => panic!("{other:?}"),
        })
    }

    fn row(line: u64, host: &str, title: &str, port: &str) -> (u64, String, String, String) {
        (line, host.into(), title.into(), port.into())
    }

    #[test]
    fn rows_are_the_same_however_the_file_is_cut() {
        let file = "host,title,severity,port,output\r\n\
            a,\"one, two\",Low,1,x\n\
            \r\n\
            b,\"three\n\"\"four\"\"\",Low,2,\"long\r\n\r\noutput\"\r\n\
            c,five,Low\n\
            d,six,Low,4,x,extra,cells\r\
            , ,\t,,\n\
            e,seven,Low,5";
        let expected = [
            row(2, "a", "one, two", "1"),
            row(4, "b", "three\n\"four\"", "2"),
            row(8, "c", "five", ""),
            row(9, "d", "six", "4"),
            row(10, "e", "seven", "5"),
        ];
        for piece in [1, 2, 3, 7, 31, 4096] {
            assert_eq!(
                read(file.as_bytes(), piece).unwrap(),
                expected,
                "pieces of {piece}"
            );
        }
        let with_line_ends = format!("{file}\r\n\r\n\n");
        assert_eq!(read(with_line_ends.as_bytes(), 5).unwrap(), expected);
    }

    #[test]
    fn i15_a_cell_of_megabytes_is_read_and_only_its_head_kept() {
        let long = "é".repeat(2_000_000);
        let file =
            format!("host,title,severity,port,output\na,{long},Low,1,\"{long}\"\nb,t,Low,2,\n");
        let rows = read(file.as_bytes(), 10_000).unwrap();
        assert_eq!(rows[0].2.len(), MAX_CELL_BYTES);
        assert_eq!((rows[0].1.as_str(), rows[0].3.as_str()), ("a", "1"));
        assert_eq!(rows[1], row(3, "b", "t", "2"));
        let file = format!("host,title,severity,port\na,x{long},Low,1\n");
        assert_eq!(
            read(file.as_bytes(), 10_000).unwrap()[0].2.len(),
            MAX_CELL_BYTES - 1
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error_with_its_line() {
        let file = "host,title,severity,port\na,b,Low,1\nc,\"d,Low,2\ne,f,Low,3\n";
        let error = read(file.as_bytes(), 10).unwrap_err();
        assert_eq!(error.code, "CSV_PARSING_ERROR");
        assert_eq!(error.details.unwrap()["line_number"], 3);
    }

    #[test]
    fn a_record_beyond_16_mib_ends_the_import() {
        let file = format!(
            "host,title,severity,port\na,\"{}",
            "b,c,d\n".repeat(3_000_000)
        );
        let error = read(file.as_bytes(), 65_536).unwrap_err();
        assert_eq!(error.code, "CSV_PARSING_ERROR");
        assert!(error.message.contains("16 MiB"));
        assert_eq!(error.details.unwrap()["line_number"], 2);
    }

    #[test]
    fn a_closed_quote_at_the_very_end_is_none_that_is_open() {
        let file = "host,title,severity,port\na,\"b\",Low,\"1\"";
        assert_eq!(read(file.as_bytes(), 3).unwrap(), [row(2, "a", "b", "1")]);
    }
}
