//! Files that are no plain CSV in UTF-8.

use std::io::Write;

use flate2::write::GzEncoder;
use flate2::Compression;

use crate::harness::{world_with_findings, World};

const FILE: &str = "host,title,severity\nbüro-1,Schwache Verschlüsselung,High\nb,y,Low\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn i1_utf_16_and_gzip_are_read() {
    let little: Vec<u8> = FILE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = FILE.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = [&b"\xff\xfe"[..], &little].concat();
    for file in [
        little.clone(),
        big,
        marked.clone(),
        gzip(FILE.as_bytes()),
        gzip(&marked),
    ] {
        let world = World::new();
        let recorder = world.import(&file);
        let summary = &recorder.completed_import().summary;
        assert_eq!(
            (summary.new_vulnerabilities, summary.encoding_replacements),
            (2, 0)
        );
        assert_eq!(world.findings()[0].host, "büro-1");
    }
}

#[test]
fn i5_i6_i9_other_types_are_named() {
    let packed_workbook = gzip(b"PK\x03\x04\x14\0\x06\0[Content_Types].xml");
    let packed_twice = gzip(&gzip(FILE.as_bytes()));
    let mut packed_tar = b"scan.csv".to_vec();
    packed_tar.resize(257, 0);
    packed_tar.extend_from_slice(b"ustar");
    let packed_tar = gzip(&packed_tar);
    let files: [(&[u8], &str); 20] = [
        (b"\xff\xfe\0\0h\0\0\0", "utf-32"),
        (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", "xlsx"),
        (
            b"PK\x03\x04\x14\0\0\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
            "ods",
        ),
        (b"PK\x03\x04\x14\0\0\0scan.csv", "zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "7z"),
        (b"Rar!\x1a\x07\x01\0", "rar"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\0\0\x04", "xz"),
        (b"\x28\xb5\x2f\xfd\x04\x58", "zstd"),
        (b"SQLite format 3\0\x10\0", "sqlite"),
        (b"PAR1\x15\x04", "parquet"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\x03\0\x3e", "binary"),
        (b"%PDF-1.4 ...", "pdf"),
        (b"<!DOCTYPE html><title>Log in</title>", "html"),
        (b"<?xml version='1.0'?><NessusClientData_v2/>", "nessus"),
        (b"<?xml version='1.0'?><get_reports_response/>", "xml"),
        (b"[{\"host\": \"a\"}]", "json"),
        (b"{\"host\": \"a\"}", "json"),
    ];
    let packed = [
        (&packed_workbook[..], "xlsx"),
        (&packed_twice, "gzip"),
        (&packed_tar, "tar"),
    ];
    for (file, kind) in files.into_iter().chain(packed) {
        let (world, before) = world_with_findings();
        let recorder = world.import(file);
        let error = &recorder.failed_import().error;
        assert_eq!(error.code, "UNSUPPORTED_FILE_TYPE", "{kind}");
        assert_eq!(error.details.as_ref().unwrap()["type"], kind);
        assert!(!error.recovery_suggestions.is_empty(), "{kind}");
        assert_eq!(format!("{:?}", world.findings()), before, "{kind}");
    }
}

#[test]
fn a_packed_file_that_is_damaged_or_incomplete_fails_and_leaves_nothing() {
    let packed = gzip(FILE.repeat(200).as_bytes());
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    for file in [&packed[..packed.len() - 6], &flipped] {
        let (world, before) = world_with_findings();
        let recorder = world.import(file);
        assert_eq!(recorder.failed_import().error.code, "CSV_PARSING_ERROR");
        assert_eq!(format!("{:?}", world.findings()), before);
    }
}
