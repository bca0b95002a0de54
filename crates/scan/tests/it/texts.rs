//! Texts in parts, files and folders.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use doorward_scan::{Encoding, Report, Sighting, Stream};
use proptest::prelude::*;

use crate::{finder, key, locator, scanner, token};

fn places(report: &Report, folder: &Path) -> Vec<String> {
    let folder = format!("{}/", folder.display());
    let place = |finding: &doorward_scan::Finding| {
        format!("{}:{}", finding.place.to_string().replace(&folder, ""), finding.sighting.line)
    };
    report.findings.iter().map(place).collect()
}

/// Returns what a stream finds in a text that is cut at each of these places.
fn streamed(text: &[u8], parts: impl IntoIterator<Item = usize>) -> Vec<Sighting> {
    let finder = finder();
    let mut stream = Stream::new(&finder);
    let mut found = Vec::new();
    let mut from = 0;
    for part in parts {
        stream.feed(&text[from..part], &mut |sighting| found.push(sighting));
        from = part;
    }
    stream.feed(&text[from..], &mut |sighting| found.push(sighting));
    stream.finish(&mut |sighting| found.push(sighting));
    found
}

#[test]
fn a_value_on_the_end_of_a_part_is_found_once() {
    let value = key();
    let filler = "a line of text\n".repeat(100);
    for text in [value.clone(), STANDARD.encode(format!("x{value}")), value.replace('_', "%255F")] {
        let text = format!("{filler}{text}\n{filler}{text}\n");
        let whole = finder().find(text.as_bytes());
        assert_eq!(whole.iter().map(|found| found.line).collect::<Vec<_>>(), [101, 202]);
        for cut in filler.len() - 5..filler.len() + 250 {
            assert_eq!(streamed(text.as_bytes(), [cut]), whole, "{cut}");
        }
        assert_eq!(streamed(text.as_bytes(), (1..text.len()).step_by(7)), whole);
    }
}

#[test]
fn a_value_on_the_end_of_a_read_is_found_with_its_line() {
    let value = token();
    for before in (256 * 1024 - 600..256 * 1024 + 20).step_by(13) {
        let mut text = "\n".repeat(before);
        text += &value;
        text += &"-".repeat(1_000);
        let report = scanner().reader("-", text.as_bytes());
        let [finding] = &report.findings[..] else { panic!("{before}: {:?}", report.findings) };
        assert_eq!(finding.sighting.line, before as u64 + 1);
        assert_eq!(finding.place.to_string(), "-");
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Plain,
    Wide,
    Base64(usize),
    Percent,
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![Just(Form::Plain), Just(Form::Wide), (0..3_usize).prop_map(Form::Base64), Just(Form::Percent)]
}

proptest! {
    #[test]
    fn a_hidden_value_is_found_exactly_once(
        before in proptest::collection::vec(any::<u8>(), 0..4_000),
        after in proptest::collection::vec(any::<u8>(), 0..2_000),
        form in form(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..5),
        is_token in any::<bool>(),
    ) {
        let value = if is_token { token() } else { key() };
        let (hidden, encoding) = match form {
            Form::Plain => (value.clone().into_bytes(), Encoding::Plain),
            // The byte order is that of the place.
            Form::Wide => (value.encode_utf16().flat_map(u16::to_le_bytes).collect(), Encoding::Utf16Le),
            Form::Base64(skipped) => (STANDARD.encode(format!("{}{value}", "x".repeat(skipped))).into_bytes(), Encoding::Base64),
            Form::Percent => (value.replace('_', "%5f").into_bytes(), Encoding::Percent),
        };
        let text = [&before[..], &hidden, &after].concat();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        cuts.sort_unstable();
        for found in [finder().find(&text), streamed(&text, cuts)] {
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].locator.to_string(), locator(&value));
            let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            prop_assert_eq!(found[0].line, line);
            if encoding == Encoding::Utf16Le {
                prop_assert!(matches!(found[0].encoding, Encoding::Utf16Le | Encoding::Utf16Be));
            } else {
                prop_assert_eq!(found[0].encoding, encoding);
            }
        }
    }

    #[test]
    fn random_bytes_hold_no_value(text in proptest::collection::vec(any::<u8>(), 0..4_000)) {
        prop_assert_eq!(finder().find(&text), vec![]);
    }

    #[test]
    fn a_text_of_the_parts_of_needles_does_no_harm(
        parts in proptest::collection::vec(
            proptest::sample::select(vec!["dw", "_", "prod", "test", "dwo", "%5F", "%", "ZHdf", "\n", "\\n", "d\0w\0_\0", "x0"]),
            0..200,
        ),
    ) {
        prop_assert_eq!(finder().find(parts.concat().as_bytes()), vec![]);
    }
}

#[test]
fn a_folder_is_searched_but_for_what_ignore_files_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at(".git")).unwrap();
    std::fs::create_dir_all(at("src/deep")).unwrap();
    for name in ["a.txt", ".hidden", ".env", ".git/config", "src/deep/b.txt"] {
        std::fs::write(at(name), format!("\n{}", key())).unwrap();
    }
    std::fs::write(at(".gitignore"), ".env\n").unwrap();
    let report = scanner().path(folder.path());
    assert_eq!(places(&report, folder.path()), [".hidden:2", "a.txt:2", "src/deep/b.txt:2"]);
    assert_eq!((report.texts, report.unread.len()), (4, 0));
    let report = scanner().without_ignore_files().path(folder.path());
    assert_eq!(places(&report, folder.path()), [".env:2", ".hidden:2", "a.txt:2", "src/deep/b.txt:2"]);
    // A file that is named is not ignored.
    assert_eq!(scanner().path(&at(".env")).findings.len(), 1);
}

#[test]
fn a_missing_file_is_said() {
    let report = scanner().path(Path::new("no/such/file"));
    assert_eq!((report.findings.len(), report.unread.len()), (0, 1));
    assert_eq!(report.unread[0].place.file, "no/such/file");
}

#[test]
fn a_value_in_a_name_is_found_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let value = key();
    std::fs::write(folder.path().join(format!("download-{value}.html")), "nothing").unwrap();
    let report = scanner().path(folder.path());
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    assert_eq!(finding.sighting.line, 0);
    assert!(!format!("{report:?}").contains(&value));
    assert!(finding.place.file.ends_with(&format!("download-{}_….html", locator(&value))), "{}", finding.place);
}
