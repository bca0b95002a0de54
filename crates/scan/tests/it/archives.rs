//! Archives within each other, and their limits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Cursor, Write};

use doorward_scan::{Limits, Report, Scanner};
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::{key, locator, scanner};

fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn tarred(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, name, *text).unwrap();
    }
    archive.into_inner().unwrap()
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(text).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Returns the report on a file with this name, and on the same bytes from a pipe.
fn reports(scanner: &Scanner, name: &str, bytes: &[u8]) -> [Report; 2] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    [scanner.path(&path), scanner.reader(name, bytes)]
}

fn places(report: &Report) -> Vec<String> {
    let shown = report.findings.iter().map(|found| format!("{}:{}", found.place, found.sighting.line));
    shown.map(|place| place.rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn a_value_is_found_in_archives_of_every_form() {
    let value = key();
    let text = format!("one\n{value}\n");
    let (text, other) = (text.as_bytes(), b"nothing\n" as &[u8]);
    let files = [("other.txt", other), ("app.log", text)];
    for (name, bytes, place) in [
        ("a.zip", zipped(&files), "a.zip!app.log:2"),
        ("a.jar", zipped(&files), "a.jar!app.log:2"),
        ("a.tar", tarred(&files), "a.tar!app.log:2"),
        ("a.tar.gz", gzipped(&tarred(&files)), "a.tar.gz!a.tar!app.log:2"),
        ("a.tgz", gzipped(&tarred(&files)), "a.tgz!a.tar!app.log:2"),
        ("app.log.gz", gzipped(text), "app.log.gz!app.log:2"),
        ("two.gz", [gzipped(other), gzipped(text)].concat(), "two.gz!two:3"),
    ] {
        for report in reports(&scanner(), name, &bytes) {
            assert_eq!(places(&report), [place]);
            assert_eq!(report.unread, []);
        }
    }
}

#[test]
fn archives_are_opened_within_each_other_up_to_a_limit() {
    // Long enough that it is compressed: a short text stays readable in the archive.
    let text = format!("{}{}", key(), "\nfiller".repeat(100));
    let inner = zipped(&[("key.txt", text.as_bytes())]);
    let middle = tarred(&[("inner.zip", &inner)]);
    let outer = zipped(&[("middle.tar.gz", &gzipped(&middle))]);
    for report in reports(&scanner(), "outer.zip", &outer) {
        assert_eq!(places(&report), ["outer.zip!middle.tar.gz!middle.tar!inner.zip!key.txt:1"]);
    }
    let shallow = scanner().with_limits(Limits::default().with_depth(3));
    for report in reports(&shallow, "outer.zip", &outer) {
        assert_eq!(places(&report), [] as [&str; 0]);
        assert!(report.unread[0].fault.contains("more than 3 archives"), "{:?}", report.unread);
    }
}

#[test]
fn a_bomb_is_not_inflated() {
    let bomb = vec![0_u8; 4 << 20];
    let limited = scanner().with_limits(Limits::default().with_inflated(1 << 20));
    let value = key();
    let files = [("key.txt", value.as_bytes()), ("bomb", &bomb[..]), ("unseen.txt", value.as_bytes())];
    for (name, bytes) in [
        ("bomb.zip", zipped(&files)),
        ("bomb.gz", gzipped(&bomb)),
        ("bomb.tar.gz", gzipped(&tarred(&files))),
        ("nested.zip", zipped(&[("inner.zip", &zipped(&files))])),
    ] {
        for report in reports(&limited, name, &bytes) {
            assert!(report.findings.len() <= 1, "{report:?}");
            assert!(report.unread.iter().any(|unread| unread.fault.contains("too many bytes")), "{report:?}");
        }
    }
}

#[test]
fn a_broken_archive_is_said() {
    let value = key();
    let zip = zipped(&[("key.txt", value.as_bytes())]);
    let gzip = gzipped(&[value.as_bytes(), &[b'x'; 100]].concat());
    for (name, bytes) in [("cut.zip", &zip[..zip.len() - 10]), ("cut.gz", &gzip[..gzip.len() - 10])] {
        for report in reports(&scanner(), name, bytes) {
            assert_eq!(report.unread.len(), 1, "{report:?}");
            assert!(!format!("{report:?}").contains(&value));
        }
    }
    // A text that only begins like an archive.
    for report in reports(&scanner(), "text", format!("PK\x03\x04 {value}").as_bytes()) {
        assert_eq!((report.findings.len(), report.unread.len()), (1, 1));
    }
}

#[test]
fn a_value_in_the_name_of_a_member_is_found_and_not_shown() {
    let value = key();
    let archive = zipped(&[(&format!("{value}.txt"), b"")]);
    for report in reports(&scanner(), "names.zip", &archive) {
        assert_eq!(places(&report), [format!("names.zip!{}_….txt:0", locator(&value))]);
        assert!(!format!("{report:?}").contains(&value));
    }
}
