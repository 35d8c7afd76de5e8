//! Finds the header among the first lines of a file and says which of its columns
//! are read.

use std::collections::{BTreeMap, HashMap};

use bytes::{Bytes, BytesMut};
use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use serde_json::Value;

use super::decode::{ByteSource, Decoder};
use crate::import::error::ImportError;
use crate::import::scanners::{
    columns_wanted, mapped_columns, normal, recognize, recognize_mapped, Mapping, Role, Scanner,
};
use crate::import::stop::Stop;
use crate::import::text;

/// The header must lie within the first lines ...
const MAX_PREAMBLE_LINES: usize = 20;
/// ... and end within the first bytes of the file.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Columns counted in a header; those beyond are not looked at.
const MAX_COLUMNS: usize = 1024;
/// Columns that are read for one role; it bounds what a row can hold.
const MAX_COLUMNS_OF_A_ROLE: usize = 16;
/// What an error tells of the columns it found.
const MAX_COLUMNS_TOLD: usize = 100;
const MAX_COLUMN_NAME_CHARS: usize = 80;
/// Bytes of names that a dry run tells in all, and columns of a role: a session's result
/// has room for them beside the rejections.
const MAX_NAMES_BYTES: usize = 16 * 1024;
const MAX_COLUMNS_OF_A_ROLE_TOLD: usize = 3;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Of a column with this name the number 1 mostly means the highest.
const RANKS: &str = "priority";

/// How to read the rows of a file.
#[derive(Debug)]
pub struct Layout {
    pub scanner: &'static Scanner,
    pub delimiter: u8,
    /// The names of all columns, in the form in which they compare.
    pub signature: String,
    /// The mapping is one that was given with an earlier file of this header.
    pub uses_remembered_mapping: bool,
    /// What is read from which column, for people.
    pub reading: ColumnsRead,
    /// A column of the severity in which numbers count from the highest.
    ranks_slot: Option<usize>,
    /// For each role the slots of its columns, in the order to try.
    slots: [Vec<usize>; Role::ALL.len()],
    /// For each column of the file the slot that it fills, if it is read at all.
    slot_of_column: Vec<Option<usize>>,
    slot_count: usize,
}

/// The columns of a file as its header spells them, and which of them are read as what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnsRead {
    /// All that have a name, in order; cut off where there are very many.
    pub found: Vec<String>,
    /// Columns by the name of the field that they fill, the first to try first.
    pub by_field: BTreeMap<&'static str, Vec<String>>,
}

/// Column mappings that may be used.
#[derive(Debug, Default)]
pub struct Mappings {
    /// Of this import.
    pub given: Option<Mapping>,
    /// Of earlier imports, by the signature of the header.
    pub remembered: HashMap<String, Mapping>,
}

impl Mappings {
    /// `stored` are those of earlier imports as JSON, by the signature of the header.
    pub fn new(given: Option<Mapping>, stored: Vec<(String, Value)>) -> Mappings {
        let remembered = stored.into_iter().filter_map(|(signature, mapping)| {
            // One that is not understood any more is as good as forgotten.
            Some((signature, Mapping::from_json(mapping).ok()?))
        });
        Mappings {
            given,
            remembered: remembered.collect(),
        }
    }
}

/// The text that was read in search of the header and comes after it.
#[derive(Debug)]
pub struct Rest {
    pub text: Bytes,
    /// The number of the line that it begins with, from 1.
    pub line: u64,
}

impl Layout {
    /// Reads as much of the file as it takes to find the header. `mappings` tell which
    /// columns hold what, beside their names.
    ///
    /// # Errors
    /// `CSV_EMPTY` for a file of nothing but white space, `CSV_UNKNOWN_FORMAT`
    /// if none of the first lines is a header that is known.
    pub fn detect<S: ByteSource>(
        text: &mut Decoder<S>,
        mappings: &Mappings,
    ) -> Result<(Layout, Rest), Stop> {
        let mut head = BytesMut::new();
        let mut is_whole = false;
        loop {
            let has_new_line = match text.next_text()? {
                Some(chunk) => {
                    head.extend_from_slice(&chunk);
                    chunk.contains(&b'\n') || chunk.contains(&b'\r')
                }
                None => {
                    is_whole = true;
                    true
                }
            };
            let is_enough = is_whole || head.len() > MAX_HEAD_BYTES;
            if has_new_line || is_enough {
                let searched = head.len().min(MAX_HEAD_BYTES);
                let is_all = is_whole && searched == head.len();
                if let Some((layout, line, end)) = find(&head[..searched], is_all, mappings) {
                    let text = head.freeze().slice(end..);
                    return Ok((layout, Rest { text, line }));
                }
            }
            if is_enough {
                break;
            }
        }
        let searched = &head[..head.len().min(MAX_HEAD_BYTES)];
        if head.trim_ascii().is_empty() {
            return Err(ImportError::empty("The file is empty").into());
        }
        Err(unknown_format(searched, is_whole && searched.len() == head.len()).into())
    }

    /// The slots in which a role is looked for, in order.
    pub fn slots(&self, role: Role) -> &[usize] {
        &self.slots[role as usize]
    }

    /// Whether numbers in this slot, if they are severities, may count from the highest.
    pub fn has_ranks(&self, slot: usize) -> bool {
        self.ranks_slot == Some(slot)
    }

    /// The slot that a column of the file fills, counted from 0.
    pub fn slot_of_column(&self, column: usize) -> Option<usize> {
        self.slot_of_column.get(column).copied().flatten()
    }

    pub fn slot_count(&self) -> usize {
        self.slot_count
    }

    fn from_header(header: &[String], delimiter: u8, mappings: &Mappings) -> Option<Layout> {
        let names: Vec<String> = header.iter().map(|name| normal(name)).collect();
        let signature = names.join(",");
        let is_given = mappings.given.is_some();
        let mapping = mappings
            .given
            .as_ref()
            .or_else(|| mappings.remembered.get(&signature));
        let scanner = match mapping {
            None => recognize(&names)?,
            Some(mapping) => recognize_mapped(&names, &mapping.columns)?,
        };
        let mut layout = Layout {
            scanner,
            delimiter,
            signature,
            uses_remembered_mapping: mapping.is_some() && !is_given,
            reading: ColumnsRead {
                found: told_names(header),
                by_field: BTreeMap::new(),
            },
            ranks_slot: None,
            slots: Default::default(),
            slot_of_column: vec![None; names.len()],
            slot_count: 0,
        };
        for role in Role::ALL {
            let mapped = mapping.map_or(vec![], |mapping| {
                mapped_columns(&mapping.columns, role, &names)
            });
            let columns = if mapped.is_empty() {
                scanner.columns_of(role, &names)
            } else {
                mapped
            };
            let mut told: Vec<String> = Vec::new();
            for column in &columns {
                let name = told_name(&header[*column]);
                // Two spellings of a usual name may find the same column.
                if told.len() < MAX_COLUMNS_OF_A_ROLE_TOLD && !told.contains(&name) {
                    told.push(name);
                }
            }
            if !told.is_empty() {
                layout.reading.by_field.insert(role.field(), told);
            }
            for column in columns.into_iter().take(MAX_COLUMNS_OF_A_ROLE) {
                layout.add_column(role, column);
                if role == Role::Severity && names[column] == RANKS {
                    layout.ranks_slot = layout.slot_of_column(column);
                }
            }
        }
        Some(layout)
    }

    fn add_column(&mut self, role: Role, column: usize) {
        let slot = *self.slot_of_column[column].get_or_insert(self.slot_count);
        self.slot_count = self.slot_count.max(slot + 1);
        self.slots[role as usize].push(slot);
    }
}

/// The header among the lines of a text: the layout, the number of the line behind it,
/// and where that begins.
fn find(text: &[u8], is_whole: bool, mappings: &Mappings) -> Option<(Layout, u64, usize)> {
    let mut offset = 0;
    for line in 0..MAX_PREAMBLE_LINES {
        for delimiter in DELIMITERS {
            let record = read_record(&text[offset..], delimiter, is_whole);
            let Some((names, length)) = record else {
                continue;
            };
            if let Some(layout) = Layout::from_header(&names, delimiter, mappings) {
                let lines = count_lines(&text[offset..offset + length]);
                return Some((layout, line as u64 + 1 + lines, offset + length));
            }
        }
        let rest = &text[offset..];
        match rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            Some(end) if rest[end..].starts_with(b"\r\n") => offset += end + 2,
            Some(end) => offset += end + 1,
            None => return None,
        }
    }
    None
}

/// The first record of a text and its length; `None` if there is none, or if it
/// goes on beyond a text that is not the whole file.
fn read_record(text: &[u8], delimiter: u8, is_whole: bool) -> Option<(Vec<String>, usize)> {
    let mut csv: Reader = ReaderBuilder::new().delimiter(delimiter).build();
    let mut names = Vec::new();
    let mut name = Vec::new();
    let mut buffer = [0; 256];
    let mut position = 0;
    loop {
        let (result, taken, written) = csv.read_field(&text[position..], &mut buffer);
        position += taken;
        name.extend_from_slice(&buffer[..written]);
        match result {
            ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end } => {
                if names.len() < MAX_COLUMNS {
                    names.push(String::from_utf8_lossy(&name).into_owned());
                }
                name.clear();
                if record_end {
                    return Some((names, position));
                }
            }
            // Without input left the next call ends the record.
            ReadFieldResult::InputEmpty if is_whole => {}
            ReadFieldResult::InputEmpty | ReadFieldResult::End => return None,
        }
    }
}

fn count_lines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Tells what the first line that holds anything was taken for.
fn unknown_format(head: &[u8], is_whole: bool) -> ImportError {
    let start = head.len() - head.trim_ascii_start().len();
    let records = DELIMITERS
        .iter()
        .filter_map(|delimiter| read_record(&head[start..], *delimiter, is_whole));
    let names = records
        .map(|(names, _)| names)
        .max_by_key(Vec::len)
        .unwrap_or_default();
    ImportError::unknown_format(told_names(&names), columns_wanted())
}

fn told_names(header: &[String]) -> Vec<String> {
    let mut bytes = 0;
    let names = header.iter().take(MAX_COLUMNS_TOLD);
    let names = names
        .map(|name| told_name(name))
        .filter(|name| !name.is_empty());
    let fitting = names.take_while(|name| {
        bytes += name.len();
        bytes <= MAX_NAMES_BYTES
    });
    fitting.collect()
}

fn told_name(name: &str) -> String {
    text::clean(name, MAX_COLUMN_NAME_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use super::super::decode::tests::Pieces;

    fn detect(file: &str) -> Result<(Layout, Rest), Stop> {
        let mut text = Decoder::new(Pieces::new(file.as_bytes(), 50));
        Layout::detect(&mut text, &Mappings::default())
    }

    fn error(file: &str) -> ImportError {
        match detect(file) {
            Err(Stop::Failed(error)) => *error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn headers_of_different_exports_are_told_apart() {
        let table = [
            (
                "asset.id;definition.id;definition.name;severity\nx",
                "tenable",
                b';',
            ),
            ("asset.name,definition.name,severity\nx", "tenable", b','),
            (
                "Plugin ID,CVE,CVSS,Risk,Host,Protocol,Port,Name\nx",
                "nessus",
                b',',
            ),
            (
                "IP,Hostname,Port,Port Protocol,CVSS,Severity,NVT Name,NVT OID,CVEs\nx",
                "openvas",
                b',',
            ),
            ("host\tplugin_id\tseverity\nx", "generic", b'\t'),
            (
                "\"IP Address\";\"Title\";\"CVSS Score\"\r\nx",
                "generic",
                b';',
            ),
            ("Hostname,CVE,Risk Level", "generic", b','),
            (
                "Plugin,Plugin Name,Family,Severity,IP Address,Protocol,Port,Exploit?,CVE\nx",
                "tenable-sc",
                b',',
            ),
        ];
        for (file, label, delimiter) in table {
            let (layout, _) = detect(file).unwrap_or_else(|error| panic!("{file}: {error:?}"));
            assert_eq!(
                (layout.scanner.label, layout.delimiter),
                (label, delimiter),
                "{file}"
            );
        }
    }

    #[test]
    fn lines_before_the_header_are_skipped_and_counted() {
        let file = "\"Report of, January\"\r\n\r\nCompany;\"An open quote\r\nIP,QID,Title,Severity,CVE ID\r\n10.0.0.1,1,t,5,\r\n";
        let (layout, rest) = detect(file).unwrap();
        assert_eq!(layout.scanner.label, "qualys");
        assert!(rest.text.starts_with(b"\n10.0.0.1") || rest.text.starts_with(b"10.0.0.1"));
        let line = rest.line + u64::from(rest.text.starts_with(b"\n"));
        assert_eq!(line, 5);
    }

    #[test]
    fn a_header_may_hold_line_breaks_empty_cells_and_a_name_twice() {
        let (layout, _) = detect("host,,severity,\"other\nname\",cve,cve,title\n").unwrap();
        assert_eq!(layout.slots(Role::Cve).len(), 2);
        assert_eq!(layout.slot_of_column(1), None);
        assert_eq!(layout.slot_of_column(3), None);
        assert_eq!(layout.slot_of_column(99), None);
        let title = layout.slots(Role::Title)[0];
        assert_eq!(layout.slot_of_column(6), Some(title));
        assert!(
            layout.slots(Role::Check).contains(&title),
            "one column may serve two roles"
        );
    }

    #[test]
    fn an_unknown_header_is_told_with_what_was_wanted() {
        let error = error("cveID;vendor\u{1}Project;product\n1;2;3\n");
        assert_eq!(error.code, "CSV_UNKNOWN_FORMAT");
        let details = error.details.unwrap();
        assert_eq!(
            details["columns_found"],
            json!(["cveID", "vendorProject", "product"])
        );
        assert_eq!(
            details["columns_wanted"]["nessus"],
            json!(["Plugin ID", "Host", "Risk"])
        );
    }

    #[test]
    fn what_is_read_from_which_column_is_told_in_the_words_of_the_header() {
        let (layout, _) = detect("Host Name,,Severity,Notes,Title\nx").unwrap();
        assert_eq!(
            layout.reading.found,
            ["Host Name", "Severity", "Notes", "Title"]
        );
        assert_eq!(layout.reading.by_field["host"], ["Host Name"]);
        assert_eq!(layout.reading.by_field["check"], ["Title"]);
        assert!(!layout.reading.by_field.contains_key("port"));
        let long = vec!["\u{6f22}".repeat(90); 120].join(",");
        let (layout, _) = detect(&format!("host,title,severity,{long}\nx")).unwrap();
        let bytes: usize = layout.reading.found.iter().map(String::len).sum();
        assert!(bytes <= MAX_NAMES_BYTES && layout.reading.found.len() <= MAX_COLUMNS_TOLD);
    }

    #[test]
    fn i3_a_header_beyond_twenty_lines_or_64_kib_is_not_looked_for() {
        let header = "host,title,severity\n";
        assert!(detect(&format!("{}{header}", "text\n".repeat(19))).is_ok());
        assert_eq!(
            error(&format!("{}{header}", "text\n".repeat(20))).code,
            "CSV_UNKNOWN_FORMAT"
        );
        assert_eq!(
            error(&format!("{}\n{header}", "x".repeat(70_000))).code,
            "CSV_UNKNOWN_FORMAT"
        );
        let endless = error(&format!("{},{header}", "\"x\",".repeat(70_000)));
        assert!(
            endless.details.unwrap()["columns_found"]
                .as_array()
                .unwrap()
                .len()
                <= MAX_COLUMNS_TOLD
        );
    }

    #[test]
    fn a_file_of_nothing_is_empty() {
        for file in ["", "\n", " \r\n\t\n", "\u{feff}"] {
            assert_eq!(error(file).code, "CSV_EMPTY", "{file:?}");
        }
    }
}
