//! Files that are no plain CSV in UTF-8.

use std::io::Write;

use flate2::write::GzEncoder;
use flate2::Compression;

use crate::harness::World;

const FILE: &str = "host,title,severity\nbüro-1,Schwache Verschlüsselung,High\nb,y,Low\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn utf_16_and_gzip_are_read() {
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
fn other_types_are_named() {
    let files: [(&[u8], &str); 6] = [
        (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", "xlsx"),
        (b"PK\x03\x04\x14\0\0\0scan.csv", "zip"),
        (b"%PDF-1.4 ...", "pdf"),
        (b"<!DOCTYPE html><title>Log in</title>", "html"),
        (b"<?xml version='1.0'?><NessusClientData_v2/>", "nessus"),
        (b"[{\"host\": \"a\"}]", "json"),
    ];
    for (file, kind) in files {
        let recorder = World::new().import(file);
        let error = &recorder.failed_import().error;
        assert_eq!(error.code, "UNSUPPORTED_FILE_TYPE", "{kind}");
        assert_eq!(error.details.as_ref().unwrap()["type"], kind);
    }
}
