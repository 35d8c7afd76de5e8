//! Embeds what the program serves and prints besides its code: the dashboard
//! (`web/dist`), the browser client of Socket.IO (from its npm package), and the
//! licences of both. What has not been built or installed is left out.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

/// Packages whose code is in the files of `socket.io-client/dist`.
const CLIENT_PACKAGES: [&str; 10] = [
    "socket.io-client",
    "socket.io-parser",
    "socket.io-msgpack-parser",
    "notepack.io",
    "component-emitter",
    "engine.io-client",
    "engine.io-parser",
    "@socket.io/component-emitter",
    "debug",
    "ms",
];

fn main() -> io::Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let web = Path::new("../web");
    let packages = web.join("node_modules");
    println!("cargo::rerun-if-changed=build.rs");
    let pages = embed(&web.join("dist"), &out, "pages", None)?;
    let version = package_version(&packages.join("socket.io-client"));
    let etag = version.map(|version| format!("\"{version}\""));
    let client_dist = packages.join("socket.io-client/dist");
    let client = embed(&client_dist, &out, "client", etag.as_deref())?;
    let code = format!("static PAGES: &[Asset] = &[\n{pages}];\n\nstatic CLIENT_FILES: &[Asset] = &[\n{client}];\n");
    fs::write(out.join("assets.rs"), code)?;
    fs::write(out.join("client-licenses.txt"), client_licenses(&packages))
}

/// Copies and compresses the files of a directory and gives their table as code;
/// an empty one where the directory does not exist.
fn embed(directory: &Path, out: &Path, name: &str, etag: Option<&str>) -> io::Result<String> {
    // Also where it does not exist: its appearance is a change.
    println!("cargo::rerun-if-changed={}", directory.display());
    let mut files = Vec::new();
    if directory.is_dir() {
        list(directory, &mut files)?;
    }
    files.sort();
    let out = out.join(name);
    fs::create_dir_all(&out)?;
    let mut table = String::new();
    for (index, file) in files.iter().enumerate() {
        let bytes = fs::read(file)?;
        let path = file.strip_prefix(directory).expect("it was found there");
        let path = path
            .to_str()
            .expect("file names are ASCII")
            .replace('\\', "/");
        let compressed = gzip(&bytes)?;
        let (plain_file, gzip_file) = (
            out.join(format!("{index}")),
            out.join(format!("{index}.gz")),
        );
        fs::write(&plain_file, &bytes)?;
        let gzip = if compressed.len() < bytes.len() {
            fs::write(&gzip_file, &compressed)?;
            format!("Some(include_bytes!({gzip_file:?}))")
        } else {
            "None".to_owned()
        };
        let etag = etag.map_or_else(|| content_etag(&bytes), str::to_owned);
        writeln!(
            table,
            "    Asset {{ path: {path:?}, etag: {etag:?}, plain: include_bytes!({plain_file:?}), gzip: {gzip} }},"
        )
        .expect("writing to a String cannot fail");
    }
    Ok(table)
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Weak, since the compressed and the plain form share it.
fn content_etag(bytes: &[u8]) -> String {
    let mut crc = Crc::new();
    crc.update(bytes);
    format!("W/\"{:08x}-{:x}\"", crc.sum(), bytes.len())
}

/// The `version` of a package, whose package.json npm writes one field a line.
fn package_version(package: &Path) -> Option<String> {
    let path = package.join("package.json");
    println!("cargo::rerun-if-changed={}", path.display());
    let text = fs::read_to_string(path).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("\"version\":"))?;
    Some(line.trim().trim_matches([',', '"']).to_owned())
}

fn client_licenses(packages: &Path) -> String {
    let mut text = String::new();
    for name in CLIENT_PACKAGES {
        let package = packages.join(name);
        let Some(version) = package_version(&package) else {
            continue;
        };
        let file = [
            "LICENSE",
            "LICENSE.md",
            "license.md",
            "LICENSE.txt",
            "license",
        ]
        .into_iter()
        .find_map(|file| fs::read_to_string(package.join(file)).ok());
        if let Some(license) = file {
            write!(text, "## {name} - {version}\n\n{}\n\n", license.trim())
                .expect("writing to a String cannot fail");
        } else {
            println!("cargo::warning=the npm package {name} has no licence file");
        }
    }
    text
}
