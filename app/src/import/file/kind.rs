//! What the first bytes of a file tell of its type.

use crate::import::error::ImportError;

/// How many bytes tell the type of a file.
pub const TELLING_BYTES: usize = 4 * 1024;

/// What the bytes of a text are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

/// A file by its first bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Text, behind a byte order mark of so many bytes.
    Text {
        encoding: Encoding,
        mark: usize,
    },
    /// To be unpacked.
    Gzip,
    Unsupported(Box<ImportError>),
}

const GZIP: &[u8] = b"\x1f\x8b";

/// Types that are no text: how they begin, what they are, their name in `type`, and what
/// to do.
const BINARIES: [(&[u8], &str, &str, &str); 10] = [
    (
        b"%PDF-",
        "a PDF document",
        "pdf",
        "Reports in PDF cannot be imported: export the findings as a table",
    ),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Excel workbook",
        "xls",
        "Open it in a spreadsheet and save the sheet as CSV UTF-8",
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        "a 7z archive",
        "7z",
        "Unpack the archive and upload the CSV file in it",
    ),
    (
        b"Rar!",
        "a RAR archive",
        "rar",
        "Unpack the archive and upload the CSV file in it",
    ),
    (
        b"BZh",
        "a bzip2 file",
        "bzip2",
        "Unpack the file and upload the CSV file in it; gzip is read as it is",
    ),
    (
        b"\xfd7zXZ\0",
        "an xz file",
        "xz",
        "Unpack the file and upload the CSV file in it; gzip is read as it is",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "a zstd file",
        "zstd",
        "Unpack the file and upload the CSV file in it; gzip is read as it is",
    ),
    (
        b"SQLite format 3\0",
        "an SQLite database",
        "sqlite",
        "Upload an export of the scanner instead",
    ),
    (
        b"PAR1",
        "a Parquet table",
        "parquet",
        "Convert the table to CSV",
    ),
    (
        b"\x89PNG",
        "a picture",
        "png",
        "Upload an export of the scanner instead",
    ),
];

/// Byte order marks of UTF-32, of which one begins like that of UTF-16.
const UTF_32_MARKS: [&[u8]; 2] = [b"\xff\xfe\0\0", b"\0\0\xfe\xff"];

/// Where in a tar archive its name stands.
const TAR_MAGIC_AT: usize = 257;

/// What the file is. `is_packed` for what came out of a gzip file.
pub fn of(head: &[u8], is_packed: bool) -> Kind {
    if head.starts_with(GZIP) && !is_packed {
        return Kind::Gzip;
    }
    let unsupported = |name: &str, kind: &str, suggestion| {
        Kind::Unsupported(Box::new(ImportError::unsupported_file_type(
            name, suggestion, kind,
        )))
    };
    if head.starts_with(GZIP) {
        return unsupported(
            "packed twice",
            "gzip",
            "Unpack the file once before the upload",
        );
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return zip(head, unsupported);
    }
    if let Some((_, name, kind, suggestion)) =
        BINARIES.iter().find(|(magic, ..)| head.starts_with(magic))
    {
        return unsupported(name, kind, suggestion);
    }
    if head
        .get(TAR_MAGIC_AT..)
        .is_some_and(|at| at.starts_with(b"ustar"))
    {
        let suggestion = "Unpack the archive and upload the CSV file in it";
        return unsupported("a tar archive", "tar", suggestion);
    }
    if UTF_32_MARKS.iter().any(|mark| head.starts_with(mark)) {
        let suggestion = "Save the file as CSV UTF-8";
        return unsupported("in UTF-32", "utf-32", suggestion);
    }
    let (encoding, mark) = encoding(head);
    if encoding == Encoding::Utf8 && head.contains(&0) && !looks_like_text(head) {
        return unsupported("not text", "binary", "Upload the CSV export of the scanner");
    }
    match markup(head, encoding, mark) {
        Some((name, kind, suggestion)) => unsupported(name, kind, suggestion),
        None => Kind::Text { encoding, mark },
    }
}

fn zip(head: &[u8], unsupported: impl Fn(&str, &str, &'static str) -> Kind) -> Kind {
    let has = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    let save_as_csv = "Open the workbook in a spreadsheet and save the sheet as CSV UTF-8";
    if has(b"xl/") || has(b"[Content_Types].xml") || has(b"_rels/.rels") {
        unsupported("an Excel workbook", "xlsx", save_as_csv)
    } else if has(b"opendocument.spreadsheet") {
        unsupported("an OpenDocument spreadsheet", "ods", save_as_csv)
    } else {
        let suggestion = "Unpack the archive and upload the CSV file in it";
        unsupported("a ZIP archive", "zip", suggestion)
    }
}

/// The encoding, by a byte order mark or by where the zero bytes of Latin letters are.
fn encoding(head: &[u8]) -> (Encoding, usize) {
    if head.starts_with(b"\xEF\xBB\xBF") {
        return (Encoding::Utf8, 3);
    }
    if head.starts_with(b"\xFF\xFE") {
        return (Encoding::Utf16Le, 2);
    }
    if head.starts_with(b"\xFE\xFF") {
        return (Encoding::Utf16Be, 2);
    }
    let pairs = head[..head.len().min(512)].chunks_exact(2);
    let count = pairs.len();
    let zeros = |at: usize| {
        pairs
            .clone()
            .filter(|pair| pair[at] == 0 && pair[1 - at] != 0)
            .count()
    };
    let is_mostly = |zeros: usize| count >= 2 && zeros * 10 >= count * 7;
    if is_mostly(zeros(1)) {
        (Encoding::Utf16Le, 0)
    } else if is_mostly(zeros(0)) {
        (Encoding::Utf16Be, 0)
    } else {
        (Encoding::Utf8, 0)
    }
}

/// A stray zero byte makes no binary file.
fn looks_like_text(head: &[u8]) -> bool {
    let odd = head
        .iter()
        .filter(|byte| **byte < b' ' && !matches!(**byte, b'\t' | b'\n' | b'\r'));
    odd.count() * 100 <= head.len() * 5
}

/// XML, HTML and JSON are text and no tables.
fn markup(
    head: &[u8],
    encoding: Encoding,
    mark: usize,
) -> Option<(&'static str, &'static str, &'static str)> {
    let text: Vec<u8> = match encoding {
        Encoding::Utf8 => head[mark.min(head.len())..].to_vec(),
        Encoding::Utf16Le | Encoding::Utf16Be => {
            head.iter().copied().filter(|byte| *byte != 0).collect()
        }
    };
    let text = text.trim_ascii_start().to_ascii_lowercase();
    let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    let csv = "Export the findings as CSV instead";
    if text.starts_with(b"<!doctype html")
        || text.starts_with(b"<html")
        || text.starts_with(b"<head")
    {
        let message = "Upload the export itself; the page may be that of a login";
        return Some(("an HTML page", "html", message));
    }
    if text.starts_with(b"<?xml")
        || text.starts_with(b"<nessusclientdata")
        || text.starts_with(b"<report")
    {
        return Some(if has(b"<nessusclientdata") {
            (
                "a .nessus file (XML)",
                "nessus",
                "In Nessus, export the scan as CSV instead",
            )
        } else if has(b"<html") {
            (
                "an HTML page",
                "html",
                "Upload the export itself; the page may be that of a login",
            )
        } else {
            ("XML", "xml", csv)
        });
    }
    let is_json = match text.first() {
        Some(b'{') => matches!(text[1..].trim_ascii_start().first(), Some(b'"' | b'}')),
        Some(b'[') => matches!(
            text[1..].trim_ascii_start().first(),
            Some(b'{' | b'[' | b']')
        ),
        _ => false,
    };
    is_json.then_some(("JSON", "json", csv))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(head: &[u8]) -> String {
        match of(head, false) {
            Kind::Text { encoding, mark } => format!("{encoding:?} {mark}"),
            Kind::Gzip => "gzip".to_owned(),
            Kind::Unsupported(error) => {
                assert_eq!(error.code, "UNSUPPORTED_FILE_TYPE");
                error.details.unwrap()["type"].as_str().unwrap().to_owned()
            }
        }
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let units = text.encode_utf16();
        units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    }

    #[test]
    fn types_are_told_by_the_first_bytes() {
        let mut xlsx = b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0".to_vec();
        xlsx.extend_from_slice(b"[Content_Types].xml");
        let ods = b"PK\x03\x04\x14\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet";
        let mut tar = b"scan.csv".to_vec();
        tar.resize(TAR_MAGIC_AT, 0);
        tar.extend_from_slice(b"ustar\x0000");
        let table: [(&[u8], &str); 28] = [
            (b"", "Utf8 0"),
            (b"host,title", "Utf8 0"),
            (b"\xEF\xBB\xBFhost", "Utf8 3"),
            (b"\xFF\xFEh\0", "Utf16Le 2"),
            (b"\xFE\xFF\0h", "Utf16Be 2"),
            (b"caf\xe9,x", "Utf8 0"),
            (b"\xFF\xFE\0\0h\0\0\0", "utf-32"),
            (b"\0\0\xFE\xFF\0\0\0h", "utf-32"),
            (b"a\0b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "Utf8 0"),
            (b"[10.0.0.1],x", "Utf8 0"),
            (b"{braces},x", "Utf8 0"),
            (b"<b>,x", "Utf8 0"),
            (b"\x1f\x8b\x08", "gzip"),
            (&xlsx, "xlsx"),
            (ods, "ods"),
            (&tar, "tar"),
            (b"PK\x03\x04\x14\0scan.csv", "zip"),
            (b"%PDF-1.7\n", "pdf"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
            (b"\x89PNG\r\n", "png"),
            (b"\x01\x02\x03\x00\x05\x06\x07", "binary"),
            (b"<!DOCTYPE html><html>", "html"),
            (b" \n<HTML>", "html"),
            (b"<?xml version=\"1.0\"?><NessusClientData_v2>", "nessus"),
            (b"<?xml version=\"1.0\"?><report id=\"x\">", "xml"),
            (b"\xEF\xBB\xBF<?xml version=\"1.0\"?>", "xml"),
            (b"{\"a\": 1}", "json"),
            (b"[\n {\"a\"", "json"),
        ];
        for (head, expected) in table {
            assert_eq!(kind(head), expected, "{:?}", String::from_utf8_lossy(head));
        }
        assert_eq!(kind(&utf16("host,title\n", false)), "Utf16Le 0");
        assert_eq!(kind(&utf16("host,title\n", true)), "Utf16Be 0");
        assert_eq!(kind(&utf16("{\"a\":1}", false)), "json");
        assert!(matches!(of(b"\x1f\x8b\x08", true), Kind::Unsupported(_)));
    }
}
