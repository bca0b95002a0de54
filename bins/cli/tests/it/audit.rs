//! `doorward audit` against an attacker who may write to the database: `sqlite3` and `psql` change the rows, and the command
//! names the first changed event and the kind of change.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use doorward::audit::{NoteKey, Tree};
use doorward_test_postgres::Cluster;
use serde_json::Value;

use crate::programs;
use crate::support::write_secret;

fn run(folder: &Path, store: &str, arguments: &[&str]) -> Output {
    programs::run(folder, &[&["--store", store], arguments].concat())
}

fn done(folder: &Path, store: &str, arguments: &[&str]) -> String {
    let done = run(folder, store, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// A store that the test can also change directly.
trait Site {
    fn url(&self) -> String;
    fn folder(&self) -> &Path;
    fn sql(&self, sql: &str);
    /// The statements that make every event fail, and that undo this.
    fn no_events(&self) -> [&str; 2];

    /// Returns the exit status and the first fault of any log.
    fn verify(&self, more: &[&str]) -> (Option<i32>, String) {
        let found = run(self.folder(), &self.url(), &[&["--output", "json", "audit", "verify"], more].concat());
        let document: Value = serde_json::from_slice(&found.stdout).unwrap();
        let faults = document["logs"].as_array().into_iter().flatten().filter_map(|log| log["fault"].as_str());
        let said = faults.chain(document["detail"].as_str()).map(str::to_owned).collect::<Vec<_>>().join("; ");
        (found.status.code(), said)
    }
}

struct Sqlite(tempfile::TempDir);

impl Site for Sqlite {
    fn url(&self) -> String {
        "sqlite:doorward.db".into()
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn no_events(&self) -> [&str; 2] {
        let refuse = "CREATE TRIGGER none BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'no room'); END";
        [refuse, "DROP TRIGGER none"]
    }

    fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.0.path().join("doorward.db")).unwrap().execute_batch(sql).unwrap();
    }
}

struct Postgres(tempfile::TempDir, Cluster);

impl Site for Postgres {
    fn url(&self) -> String {
        self.1.url()
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn no_events(&self) -> [&str; 2] {
        let refuse = "ALTER TABLE audit_events ADD CONSTRAINT none CHECK (FALSE) NOT VALID";
        [refuse, "ALTER TABLE audit_events DROP CONSTRAINT none"]
    }

    fn sql(&self, sql: &str) {
        programs::psql(&self.url(), sql);
    }
}

fn tamper_with(site: &dyn Site) {
    let (folder, store) = (site.folder(), site.url());
    done(folder, &store, &["org", "create", "Acme"]);
    done(folder, &store, &["operator", "create", "ada"]);
    for _ in 0..4 {
        done(folder, &store, &["key", "stage"]);
        done(folder, &store, &["key", "regenerate", "--yes"]);
    }
    done(folder, &store, &["key", "create", "--name", "=cmd|'/c calc'!A0"]);
    assert_eq!(site.verify(&[]), (Some(0), String::new()));
    let production = ["--org", "Acme", "--environment", "production"];
    assert_eq!(site.verify(&production), (Some(0), String::new()));

    let key = done(folder, &store, &["audit", "keygen"]);
    write_secret(&folder.join("signing.key"), &key);
    let checkpoint = [&["audit", "checkpoint", "--signing-key-file", "signing.key"], &production[..]].concat();
    let made = run(folder, &store, &checkpoint);
    std::fs::write(folder.join("friday.note"), &made.stdout).unwrap();
    let said = String::from_utf8(made.stderr).unwrap();
    let verifier = said.trim().rsplit(' ').next().unwrap().to_owned();
    let extends = ["--checkpoint", "friday.note", "--verifier-key", &verifier];
    assert_eq!(site.verify(&extends), (Some(0), String::new()));

    // Each entry: the change, its undo, and the expected finding.
    let log = "environment = 'production' AND organization <> 'org_00000000000000000000000000'";
    let at = |sequence: u32| format!("{log} AND sequence = {sequence}");
    let change = |set: &str, sequence| format!("UPDATE audit_events SET {set} WHERE {}", at(sequence));
    site.sql("CREATE TABLE kept AS SELECT * FROM audit_events");
    let columns = "organization, environment, sequence, time, actor, action, subject, source_address, request_id, detail, actor_id, \
                   previous_hash, hash";
    let delete = |sequence| format!("DELETE FROM audit_events WHERE {}", at(sequence));
    let swap = format!("{}; {}; {}", change("sequence = 99", 3), change("sequence = 3", 5), change("sequence = 5", 99));
    let close_gap = format!(
        "{}; UPDATE audit_events SET sequence = -sequence WHERE {log} AND sequence > 4; \
         UPDATE audit_events SET sequence = -sequence - 1 WHERE {log} AND sequence < 0",
        delete(4)
    );
    let insert = format!(
        "UPDATE audit_events SET sequence = -sequence WHERE {log} AND sequence > 3; \
         UPDATE audit_events SET sequence = -sequence + 1 WHERE {log} AND sequence < 0; \
         INSERT INTO audit_events ({columns}) SELECT organization, environment, 4, time, 'eve', action, subject, \
         source_address, request_id, detail, actor_id, previous_hash, hash FROM audit_events WHERE {}",
        at(3)
    );
    let tampered = [
        (change("actor = 'eve'", 2), "event 2 was changed"),
        (change("actor_id = 'key_eve'", 2), "event 2 was changed"),
        (change("time = time + 1", 1), "event 1 was changed"),
        (change("detail = replace(detail, 'staged', 'current')", 3), "event 3 was changed"),
        (change("action = 'access_key.created'", 4), "event 4 was changed"),
        (change("hash = NULL", 4), "event 4 has no hash"),
        (change("hash = previous_hash", 4), "event 4 was changed"),
        (change("previous_hash = hash", 4), "event 4 was changed"),
        (change("action = 'nothing.known'", 4), "event 4 cannot be read"),
        (change("detail = '{'", 4), "event 4 cannot be read"),
        (delete(4), "events 4 to 4 are missing"),
        (delete(1), "events 1 to 1 are missing"),
        (close_gap, "events 4 to 4 are missing"),
        (swap, "events 3 and 5 were swapped"),
        (change("sequence = 0", 3), "event 0 was inserted"),
        (change("sequence = -7", 3), "event 0 cannot be read"),
        (insert, "event 4 was inserted"),
    ];
    for (tampering, found) in tampered {
        site.sql(&tampering);
        let (status, said) = site.verify(&[]);
        assert!(status == Some(1) && said.contains(found), "{tampering}: {said:?} instead of {found:?}");
        let (status, said) = site.verify(&["--installation"]);
        assert!(status == Some(0), "the log of the installation is whole: {said}");
        let refused = run(folder, &store, &checkpoint);
        assert_eq!(refused.status.code(), Some(1), "no checkpoint of a log that was tampered with");
        site.sql(&format!("DELETE FROM audit_events; INSERT INTO audit_events ({columns}) SELECT {columns} FROM kept"));
        assert_eq!(site.verify(&extends), (Some(0), String::new()));
    }

    // The end was cut off. The log itself does not show this, but a kept checkpoint does.
    site.sql(&format!("DELETE FROM audit_events WHERE {log} AND sequence > 6"));
    assert_eq!(site.verify(&[]), (Some(0), String::new()));
    let (status, said) = site.verify(&extends);
    assert!(status == Some(1) && said.contains("its end was cut off"), "{said}");
    // Other events were written in their place.
    for _ in 0..4 {
        done(folder, &store, &["key", "regenerate", "--yes"]);
    }
    assert_eq!(site.verify(&[]), (Some(0), String::new()));
    let (status, said) = site.verify(&extends);
    assert!(status == Some(1) && said.contains("was rewritten"), "{said}");
    // The whole log was deleted.
    site.sql(&format!("DELETE FROM audit_events WHERE {log}"));
    let (status, said) = site.verify(&extends);
    assert!(status == Some(1) && said.contains("the log has 0 events, and had"), "{said}");
    // This is found without a checkpoint too, even after later writes.
    for asked in [&[][..], &production, &["--verifier-key", &verifier]] {
        let (status, said) = site.verify(asked);
        assert!(status == Some(1) && said.contains("the log is missing"), "{said}");
    }
    done(folder, &store, &["key", "stage"]);
    let (status, said) = site.verify(&[]);
    assert!(status == Some(1) && said.contains("does not begin with the making of the organization"), "{said}");
    site.sql(&format!("DELETE FROM audit_events WHERE {log}"));

    site.sql(&format!("INSERT INTO audit_events ({columns}) SELECT {columns} FROM kept WHERE {log}"));
    assert_eq!(site.verify(&extends), (Some(0), String::new()));

    // A changed checkpoint, or one signed by another key, proves nothing.
    let note = std::fs::read_to_string(folder.join("friday.note")).unwrap();
    let size = note.lines().nth(1).unwrap();
    std::fs::write(folder.join("friday.note"), note.replacen(&format!("\n{size}\n"), "\n6\n", 1)).unwrap();
    let (status, said) = site.verify(&extends);
    assert!(status == Some(1) && said.contains("the signature is wrong"), "{said}");
}

/// If the event cannot be written, the change is not made.
fn refuse_events(site: &dyn Site) {
    let (folder, store) = (site.folder(), site.url());
    done(folder, &store, &["org", "create", "Acme"]);
    let test = done(folder, &store, &["--output", "json", "key", "create", "--name", "ci"]);
    let test: Value = serde_json::from_str(&test).unwrap();
    done(folder, &store, &["operator", "create", "ada"]);
    let view = || {
        let list = |arguments: &[&str]| done(folder, &store, &[&["--output", "json"], arguments].concat());
        (list(&["org", "list"]), list(&["key", "list", "--org", "Acme"]), list(&["operator", "list"]))
    };
    let [refuse, allow] = site.no_events();
    for staged in [false, true] {
        let before = view();
        site.sql(refuse);
        for change in [
            &["org", "create", "Other"][..],
            &["key", "create", "--org", "Acme", "--name", "more"],
            &["key", "delete", "--org", "Acme", test["id"].as_str().unwrap(), "--yes"],
            &["key", "stage", "--org", "Acme"],
            &["key", "unstage", "--org", "Acme", "--yes"],
            &["key", "regenerate", "--org", "Acme", "--yes"],
            &["operator", "create", "eve"],
            &["operator", "delete", "ada", "--yes"],
            &["audit", "export", "--org", "Acme"],
        ] {
            let refused = run(folder, &store, change);
            assert!(!refused.status.success() && refused.stdout.is_empty(), "{change:?} was made without its event");
        }
        site.sql(allow);
        assert_eq!(view(), before, "staged: {staged}");
        if !staged {
            done(folder, &store, &["key", "stage", "--org", "Acme"]);
        }
    }
    assert_eq!(site.verify(&[]), (Some(0), String::new()));
}

#[test]
fn tampering_with_sqlite_is_found_and_named() {
    tamper_with(&Sqlite(tempfile::tempdir().unwrap()));
}

#[test]
fn tampering_with_postgres_is_found_and_named() {
    tamper_with(&Postgres(tempfile::tempdir().unwrap(), Cluster::start(&[]).unwrap()));
}

#[test]
fn no_change_is_made_without_its_event() {
    refuse_events(&Sqlite(tempfile::tempdir().unwrap()));
    refuse_events(&Postgres(tempfile::tempdir().unwrap(), Cluster::start(&[]).unwrap()));
}

/// An independent reading of an export, with the exact Python program in docs/how-to/verify-a-log.md.
fn documented_verifier() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/verify-a-log.md");
    let page = std::fs::read_to_string(page).unwrap();
    page.split("```python\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

fn python(export: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("audit.jsonl"), export).unwrap();
    let mut program = Command::new("python3");
    let done = program.args(["-c", &documented_verifier()]).current_dir(folder.path()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

const HOSTILE: [&str; 4] = ["=HYPERLINK(\"http://evil.example\")", "a\"b,c;d'e", "+1 txt", "東京 \u{1f511} <script>"];

#[test]
fn an_export_can_be_verified_by_others_and_harms_no_spreadsheet() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, store) = (folder.path(), "sqlite:doorward.db");
    done(folder, store, &["org", "create", "Acme"]);
    for name in HOSTILE {
        done(folder, store, &["key", "create", "--name", name]);
    }
    let test = ["--environment", "test"];
    let export = done(folder, store, &[&["audit", "export"], &test[..]].concat());
    let seen = python(&export).unwrap();
    assert_eq!(seen, "events 1 to 5 follow each other\n");
    for (from, to) in [("key", "kex"), ("\"sequence\":2", "\"sequence\":3"), ("cli:", "cli;")] {
        assert!(python(&export.replacen(from, to, 1)).is_err(), "{from}");
    }
    let without = |number: usize| export.lines().enumerate().filter(move |(at, _)| *at != number);
    let gap: String = without(2).map(|(_, line)| format!("{line}\n")).collect();
    assert!(python(&gap).is_err(), "{gap}");
    // An export is itself an event, which is in the next export.
    let export = done(folder, store, &[&["audit", "export", "--format", "csv"], &test[..]].concat());
    let rows: Vec<Vec<String>> = csv::Reader::from_reader(export.as_bytes())
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect();
    assert_eq!(rows.len(), 6);
    for (row, name) in rows.iter().zip(HOSTILE) {
        let harmless = if name.starts_with(['=', '+']) { format!("'{name}") } else { name.to_owned() };
        assert_eq!(row[9], harmless);
        assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{row:?}");
    }
    // Exports into a file, which is never overwritten.
    let to_file = [&["audit", "export", "-f", "log.jsonl"], &test[..]].concat();
    done(folder, store, &to_file);
    let seen = python(&std::fs::read_to_string(folder.join("log.jsonl")).unwrap());
    assert_eq!(seen.unwrap(), "events 1 to 7 follow each other\n");
    let refused = run(folder, store, &to_file);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("log.jsonl cannot be made"));
    assert_eq!(done(folder, store, &["audit", "verify"]).matches("whole").count(), 2);
}

#[test]
fn one_event_can_be_proven_without_the_other_events() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, store) = (folder.path(), "sqlite:doorward.db");
    done(folder, store, &["org", "create", "Acme"]);
    for _ in 0..6 {
        done(folder, store, &["key", "regenerate", "--yes"]);
    }
    write_secret(&folder.join("signing.key"), &done(folder, store, &["audit", "keygen"]));
    let prove = |event: &str| run(folder, store, &["audit", "prove", event, "--signing-key-file", "signing.key"]);
    std::fs::write(folder.join("3.proof"), prove("3").stdout).unwrap();
    assert_eq!((prove("0").status.code(), prove("99").status.code()), (Some(5), Some(5)));
    let made = run(folder, store, &["audit", "checkpoint", "--signing-key-file", "signing.key"]);
    let verifier = String::from_utf8(made.stderr).unwrap().trim().rsplit(' ').next().unwrap().to_owned();
    let export = done(folder, store, &["audit", "export"]);
    std::fs::remove_file(folder.join("doorward.db")).unwrap();

    let check = |line: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_doorward"));
        child.args(["audit", "check-proof", "--proof", "3.proof", "--verifier-key", &verifier]).current_dir(folder);
        let mut child = child.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let lines: Vec<&str> = export.lines().collect();
    let (status, said) = check(lines[2]);
    assert!(status == Some(0) && said.contains("It is event 3 of doorward/org_"), "{said}");
    for wrong in [lines[1].to_owned(), lines[2].replacen("\"sequence\":3", "\"sequence\":4", 1)] {
        let (status, said) = check(&wrong);
        assert!(status == Some(1) && said.contains("does not lead from this event"), "{said}");
    }
    assert_eq!(check("nonsense").0, Some(1));
    let proof = std::fs::read_to_string(folder.join("3.proof")).unwrap();
    std::fs::write(folder.join("3.proof"), proof.replace("index 2", "index 3")).unwrap();
    assert_eq!(check(lines[2]).0, Some(1));
}

#[test]
fn a_signed_statement_replaces_pruned_events() {
    let site = Sqlite(tempfile::tempdir().unwrap());
    let (folder, store) = (site.folder(), &site.url());
    done(folder, store, &["org", "create", "Acme"]);
    done(folder, store, &["key", "regenerate", "--yes"]);
    for name in ["signing.key", "other.key"] {
        write_secret(&folder.join(name), &done(folder, store, &["audit", "keygen"]));
    }
    let checkpoint = |key| run(folder, store, &["audit", "checkpoint", "--signing-key-file", key]);
    let verifier = |made: &Output| String::from_utf8_lossy(&made.stderr).trim().rsplit(' ').next().unwrap().to_owned();
    let whole = checkpoint("signing.key");
    std::fs::write(folder.join("friday.note"), &whole.stdout).unwrap();
    let (mine, other) = (verifier(&whole), verifier(&checkpoint("other.key")));
    let prune = |before: &str, more: &[&str]| {
        let prune = ["audit", "prune", "--before", before, "--signing-key-file", "signing.key"];
        let done = run(folder, store, &[&prune[..], more].concat());
        (done.status.code().unwrap(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    assert_eq!(prune("2020-01-01", &["--yes"]).0, 5);
    let (status, said) = prune("2100-01-01", &[]);
    assert!(status == 3 && said.contains("are deleted permanently"), "{said}");
    let (status, said) = prune("2100-01-01", &["--yes"]);
    assert!(status == 0 && said.contains("Deleted 3 events"), "{said}");

    let list = done(folder, store, &["audit", "list"]);
    assert!(list.contains("audit_log.pruned") && !list.contains("organization.created"), "{list}");
    done(folder, store, &["key", "regenerate", "--yes"]);
    assert_eq!(site.verify(&[]), (Some(0), String::new()));
    assert_eq!(site.verify(&["--verifier-key", &mine]), (Some(0), String::new()));
    let kept = site.verify(&["--checkpoint", "friday.note", "--verifier-key", &mine]);
    assert_eq!(kept, (Some(0), String::new()));
    let (status, said) = site.verify(&["--verifier-key", &other]);
    assert!(status == Some(1) && said.contains("none of the given keys has signed"), "{said}");
    // The documented program also verifies the rest of the log.
    let export = done(folder, store, &["audit", "export"]);
    assert_eq!(
        python(&export).unwrap(),
        "events 1 to 3 are not here: they were pruned\nevents 4 to 6 follow each other\n"
    );
    // Without a key, nothing is proved, and the output says so.
    let plain = run(folder, store, &["audit", "verify"]);
    let said = String::from_utf8_lossy(&plain.stderr);
    assert!(String::from_utf8_lossy(&plain.stdout).contains("whole from event 4 on"), "{plain:?}");
    assert!(said.contains("Events 1 to 3 of doorward/org_") && said.contains("--verifier-key proves it"), "{said}");
    let proved = run(folder, store, &["audit", "verify", "--verifier-key", &mine]);
    assert!(String::from_utf8_lossy(&proved.stdout).contains("whole; events 1 to 3 were pruned"), "{proved:?}");
    assert!(proved.stderr.is_empty(), "{proved:?}");
    // An attacker cuts off more events, and changes the record of pruned events.
    site.sql("DELETE FROM audit_events WHERE sequence = 4");
    assert!(site.verify(&[]).1.contains("events 4 to 4 are missing"));
    site.sql("UPDATE pruned_logs SET size = 4");
    let (status, said) = site.verify(&[]);
    assert!(status == Some(1) && said.contains("is about other events"), "{said}");
}

/// Forges the record of pruned events of the production log as a writer of the database can: from public data, with a note of
/// their choice.
fn forge(site: &dyn Site, size: usize, note: &str) {
    let export = done(site.folder(), &site.url(), &["audit", "export"]);
    let (mut tree, mut last) = (Tree::default(), String::new());
    for line in export.lines().take(size) {
        last = serde_json::from_str::<Value>(line).unwrap()["hash"].as_str().unwrap().to_owned();
        tree.push(last.parse().unwrap());
    }
    let peaks: String = tree.peaks().iter().map(ToString::to_string).collect();
    let bytes = |hex: &str| if site.url().starts_with("sqlite") { format!("x'{hex}'") } else { format!("'\\x{hex}'") };
    let log = "environment = 'production' AND organization <> 'org_00000000000000000000000000'";
    site.sql(&format!(
        "DELETE FROM pruned_logs; INSERT INTO pruned_logs (organization, environment, size, last_hash, peaks, checkpoint) \
         SELECT organization, environment, {size}, {}, {}, '{note}' FROM audit_events WHERE {log} AND sequence = 1; \
         DELETE FROM audit_events WHERE {log} AND sequence <= {size}",
        bytes(&last),
        bytes(&peaks)
    ));
}

/// Deletes the beginning of a log with everything that an attacker may have: genuine checkpoints, a key of their own, SQL.
fn delete_the_beginning(site: &dyn Site) {
    let (folder, store) = (site.folder(), site.url());
    done(folder, &store, &["org", "create", "Acme"]);
    for name in ["signing.key", "other.key"] {
        write_secret(&folder.join(name), &done(folder, &store, &["audit", "keygen"]));
    }
    for _ in 0..4 {
        done(folder, &store, &["key", "regenerate", "--yes"]);
    }
    let checkpoint = |key: &str, file: &str| {
        let made = run(folder, &store, &["audit", "checkpoint", "--signing-key-file", key]);
        std::fs::write(folder.join(file), &made.stdout).unwrap();
        (made.status.code(), String::from_utf8_lossy(&made.stderr).trim().rsplit(' ').next().unwrap().to_owned())
    };
    let (_, verifier) = checkpoint("signing.key", "six.note");
    for _ in 0..3 {
        done(folder, &store, &["key", "regenerate", "--yes"]);
    }
    checkpoint("signing.key", "nine.note");
    let six = std::fs::read_to_string(folder.join("six.note")).unwrap();
    let unsigned = six.lines().take(3).map(|line| format!("{line}\n")).collect::<String>() + "\n";
    let statement = {
        let mut lines: Vec<String> = six.lines().take(3).map(str::to_owned).collect();
        lines[0] += "/pruned";
        lines.join("\n")
    };
    site.sql("CREATE TABLE kept AS SELECT * FROM audit_events");
    for note in [&six, &unsigned, &statement] {
        forge(site, 6, note);
        for asked in [
            &[][..],
            &["--verifier-key", &verifier],
            &["--verifier-key", &verifier, "--checkpoint", "six.note"],
            &["--verifier-key", &verifier, "--checkpoint", "nine.note"],
        ] {
            let (status, said) = site.verify(asked);
            assert!(status == Some(1) && said.contains("pruned"), "{note} {asked:?}: {said}");
        }
        assert_eq!(checkpoint("signing.key", "forged.note").0, Some(1), "nothing is signed of such a log");
        let answer = run(folder, &store, &["audit", "resign", "--signing-key-file", "signing.key", "--yes"]);
        let said = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.code() == Some(1) && said.contains("Nothing is signed of such a log"), "{said}");
        site.sql("DELETE FROM pruned_logs; DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept");
    }
    assert_eq!(site.verify(&["--verifier-key", &verifier]), (Some(0), String::new()));
}

#[test]
fn deleting_the_beginning_of_a_log_is_found_on_every_engine() {
    delete_the_beginning(&Sqlite(tempfile::tempdir().unwrap()));
    delete_the_beginning(&Postgres(tempfile::tempdir().unwrap(), Cluster::start(&[]).unwrap()));
}

#[test]
fn a_verifier_key_that_fits_no_log_is_an_error() {
    let site = Sqlite(tempfile::tempdir().unwrap());
    let (folder, store) = (site.folder(), &site.url());
    done(folder, store, &["org", "create", "Acme"]);
    done(folder, store, &["key", "create", "--name", "ci"]);
    write_secret(&folder.join("signing.key"), &done(folder, store, &["audit", "keygen"]));
    let checkpoint = |environment: &str| {
        let of = ["audit", "checkpoint", "--signing-key-file", "signing.key", "--environment", environment];
        let made = run(folder, store, &of);
        String::from_utf8_lossy(&made.stderr).trim().rsplit(' ').next().unwrap().to_owned()
    };
    let (production, test) = (checkpoint("production"), checkpoint("test"));
    let of_test = ["--environment", "test", "--verifier-key"];
    assert_eq!(site.verify(&[&of_test[..], &[&test]].concat()).0, Some(0));
    let (status, said) = site.verify(&[&of_test[..], &[&production]].concat());
    assert!(status == Some(2) && said.contains("fits none of these logs"), "{said}");
    let both = site.verify(&["--verifier-key", &production, "--verifier-key", &test]);
    assert_eq!(both, (Some(0), String::new()));
    let elsewhere = "doorward/org_01h455vb4pex5vsknk084sn02q/production";
    let foreign = NoteKey::from_seed(&[7; 32].into()).verifier(elsewhere).to_string();
    for more in [&["audit", "verify"][..], &["audit", "checkpoint", "--signing-key-file", "signing.key"]] {
        let refused = run(folder, store, &[more, &["--verifier-key", &foreign]].concat());
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
    // A production key also verifies the test log, so a forgery there is found.
    let size = "(organization, environment, size, last_hash, peaks, checkpoint)";
    site.sql(&format!(
        "INSERT INTO pruned_logs {size} SELECT organization, environment, 1, hash, hash, \
         'doorward/' || organization || '/test/pruned' || char(10) || '1' || char(10) FROM audit_events \
         WHERE environment = 'test' AND sequence = 1"
    ));
    assert_eq!(site.verify(&["--verifier-key", &production]).0, Some(1));
}

/// A checkpoint of an empty log verifies now and later.
#[test]
fn an_empty_log_has_a_checkpoint_that_verifies() {
    let site = Sqlite(tempfile::tempdir().unwrap());
    let (folder, store) = (site.folder(), &site.url());
    done(folder, store, &["org", "create", "Acme"]);
    write_secret(&folder.join("signing.key"), &done(folder, store, &["audit", "keygen"]));
    let test = ["--org", "Acme", "--environment", "test"];
    let made = run(folder, store, &[&["audit", "checkpoint", "--signing-key-file", "signing.key"], &test[..]].concat());
    std::fs::write(folder.join("empty.note"), &made.stdout).unwrap();
    let verifier = String::from_utf8_lossy(&made.stderr).trim().rsplit(' ').next().unwrap().to_owned();
    let kept = ["--checkpoint", "empty.note", "--verifier-key", &verifier];
    let asked = [&test[..], &kept].concat();
    assert_eq!(site.verify(&asked), (Some(0), String::new()));
    done(folder, store, &["key", "create", "--name", "ci"]);
    assert_eq!(site.verify(&asked), (Some(0), String::new()));
}

/// A signing key was lost, stolen or replaced: its logs continue with another key.
#[test]
fn signing_keys_can_be_rotated() {
    let site = Sqlite(tempfile::tempdir().unwrap());
    let (folder, store) = (site.folder(), &site.url());
    done(folder, store, &["org", "create", "Acme"]);
    for name in ["old.key", "new.key"] {
        write_secret(&folder.join(name), &done(folder, store, &["audit", "keygen"]));
    }
    let verifier = |key: &str, file: &str, more: &[&str]| {
        let made = run(folder, store, &[&["audit", "checkpoint", "--signing-key-file", key], more].concat());
        std::fs::write(folder.join(file), &made.stdout).unwrap();
        let last = String::from_utf8_lossy(&made.stderr).trim().rsplit(' ').next().unwrap().to_owned();
        if made.status.success() { Ok(last) } else { Err(String::from_utf8_lossy(&made.stderr).into_owned()) }
    };
    let (old, new) = (verifier("old.key", "old.note", &[]).unwrap(), verifier("new.key", "before.note", &[]).unwrap());
    let prune = |key: &str, more: &[&str]| {
        let prune = ["audit", "prune", "--before", "2100-01-01", "--yes", "--signing-key-file", key];
        run(folder, store, &[&prune[..], more].concat())
    };
    assert!(prune("old.key", &[]).status.success());
    done(folder, store, &["key", "regenerate", "--yes"]);
    // The new key alone proves nothing. With the old key beside it, the log can be pruned.
    assert!(String::from_utf8_lossy(&prune("new.key", &[]).stderr).contains("none of the given keys has signed"));
    assert!(verifier("new.key", "no.note", &[]).unwrap_err().contains("none of the given keys has signed"));
    let (status, said) = site.verify(&["--verifier-key", &new]);
    assert!(status == Some(1) && said.contains("none of the given keys has signed"), "{said}");
    assert_eq!(site.verify(&["--verifier-key", &new, "--verifier-key", &old]), (Some(0), String::new()));
    assert_eq!(verifier("new.key", "both.note", &["--verifier-key", &old]), Ok(new.clone()));
    let beside = site.verify(&["--checkpoint", "both.note", "--verifier-key", &old, "--verifier-key", &new]);
    assert_eq!(beside, (Some(0), String::new()));

    // After one `audit resign`, the new key is enough, and the old key still verifies.
    let resign = |key: &str, more: &[&str]| {
        run(folder, store, &[&["audit", "resign", "--signing-key-file", key], more].concat())
    };
    let unanswered = resign("new.key", &[]);
    let said = String::from_utf8_lossy(&unanswered.stderr);
    assert!(unanswered.status.code() == Some(3) && said.contains("you answer for it"), "{said}");
    let signed = resign("new.key", &["--verifier-key", &old]);
    assert!(signed.status.success(), "{signed:?}");
    let again = resign("new.key", &[]);
    assert!(again.status.success() && String::from_utf8_lossy(&again.stderr).contains("Every log that was pruned"));
    for key in [&old, &new] {
        assert_eq!(site.verify(&["--verifier-key", key]), (Some(0), String::new()));
    }
    assert!(done(folder, store, &["audit", "list"]).contains("audit_log.resigned"));
    assert_eq!(verifier("new.key", "new.note", &[]), Ok(new.clone()));
    assert_eq!(site.verify(&["--checkpoint", "new.note", "--verifier-key", &new]), (Some(0), String::new()));
    assert!(prune("new.key", &[]).status.success());
    assert_eq!(site.verify(&["--verifier-key", &new]), (Some(0), String::new()));
    assert_eq!(site.verify(&["--verifier-key", &old]).0, Some(1), "the new prune is not the old key's");
}

/// Older programs stored a checkpoint for pruned events. The output names the cure, and the log verifies after it.
#[test]
fn an_older_programs_prune_is_confirmed_once() {
    let site = Sqlite(tempfile::tempdir().unwrap());
    let (folder, store) = (site.folder(), &site.url());
    done(folder, store, &["org", "create", "Acme"]);
    write_secret(&folder.join("signing.key"), &done(folder, store, &["audit", "keygen"]));
    let made = run(folder, store, &["audit", "checkpoint", "--signing-key-file", "signing.key"]);
    let verifier = String::from_utf8_lossy(&made.stderr).trim().rsplit(' ').next().unwrap().to_owned();
    let prune = ["audit", "prune", "--before", "2100-01-01", "--yes", "--signing-key-file", "signing.key"];
    done(folder, store, &prune);
    let note = String::from_utf8(made.stdout).unwrap();
    site.sql(&format!("UPDATE pruned_logs SET checkpoint = '{note}'"));

    for keys in [&[][..], &["--verifier-key", &verifier]] {
        let (status, said) = site.verify(keys);
        assert!(status == Some(1) && said.contains("run `doorward audit resign` once"), "{said}");
    }
    let moved = run(folder, store, &["store", "copy", "--from", store, "--to", "sqlite:copy.db"]);
    assert!(moved.status.success(), "{moved:?}");
    let resign = ["audit", "resign", "--signing-key-file", "signing.key"];
    for url in [store.as_str(), "sqlite:copy.db"] {
        let asked = run(folder, url, &resign);
        let said = String::from_utf8_lossy(&asked.stderr);
        assert!(asked.status.code() == Some(3) && said.contains("Its event 3 says that cli:"), "{said}");
        done(folder, url, &[&resign[..], &["--yes"]].concat());
        done(folder, url, &["audit", "verify", "--verifier-key", &verifier]);
    }
    done(folder, store, &prune);
    assert_eq!(site.verify(&["--verifier-key", &verifier]), (Some(0), String::new()));
}

#[test]
fn events_are_filtered_by_their_fields() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, store) = (folder.path(), "sqlite:doorward.db");
    done(folder, store, &["org", "create", "Acme"]);
    done(folder, store, &["key", "stage"]);
    done(folder, store, &["key", "regenerate", "--yes"]);
    let count = |filter: &[&str]| {
        let list = done(folder, store, &[&["--output", "json", "audit", "list"], filter].concat());
        serde_json::from_str::<Value>(&list).unwrap()["data"].as_array().unwrap().len()
    };
    let all = count(&[]);
    assert!(all >= 3);
    assert_eq!(count(&["--action", "access_key.staged"]), 1);
    assert_eq!(count(&["--since", "2020-01-01"]), all);
    assert_eq!(count(&["--until", "2020-01-01T00:00:00Z"]), 0);
    assert_eq!(count(&["--actor", "nobody"]), 0);
    assert_eq!(count(&["--before", "2"]), 1);
    assert_eq!(count(&["--key", "key_01h455vb4pex5vsknk084sn02q"]), 0);
    for bad in [["--since", "yesterday"], ["--action", "access_key.stolen"], ["--key", "org_x"]] {
        let refused = run(folder, store, &[&["audit", "list"], &bad[..]].concat());
        assert_eq!(refused.status.code(), Some(2), "{bad:?}");
    }
}

#[test]
fn follow_prints_each_event() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, store) = (folder.path(), "sqlite:doorward.db");
    done(folder, store, &["org", "create", "Acme"]);
    let mut follower = Command::new(env!("CARGO_BIN_EXE_doorward"));
    follower.args(["--store", store, "audit", "follow", "--after", "0"]).current_dir(folder).stdout(Stdio::piped());
    let mut follower = follower.spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["action"], "organization.created");
    done(folder, store, &["key", "stage"]);
    let seen = std::iter::repeat_with(&mut next).take(3).find(|event| event["action"] == "access_key.staged");
    assert!(seen.is_some());
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn unshipped_events_are_not_pruned_until_the_sink_is_forgotten() {
    let site = Sqlite(tempfile::tempdir().unwrap());
    let (folder, store) = (site.folder(), &site.url());
    done(folder, store, &["org", "create", "Acme"]);
    write_secret(&folder.join("signing.key"), &done(folder, store, &["audit", "keygen"]));
    site.sql("INSERT INTO sinks (name, position, holder, beat) VALUES ('siem', 1, NULL, 1)");
    let sinks = done(folder, store, &["--output", "json", "audit", "sinks"]);
    let sinks: Value = serde_json::from_str(&sinks).unwrap();
    let sink = &sinks["data"][0];
    assert_eq!(
        (sink["name"].as_str(), sink["position"].as_u64(), sink["behind"].as_u64()),
        (Some("siem"), Some(1), Some(1))
    );
    let prune = ["audit", "prune", "--before", "2100-01-01", "--signing-key-file", "signing.key", "--yes"];
    let refused = run(folder, store, &prune);
    assert_eq!(refused.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("doorward audit forget-sink"));
    assert_eq!(run(folder, store, &["audit", "forget-sink", "other", "--yes"]).status.code(), Some(5));
    assert_eq!(run(folder, store, &["audit", "forget-sink", "siem"]).status.code(), Some(3));
    done(folder, store, &["audit", "forget-sink", "siem", "--yes"]);
    done(folder, store, &prune);
    assert_eq!(site.verify(&[]), (Some(0), String::new()));
}

/// An auditor has an export, a checkpoint, and no store.
#[test]
fn an_export_is_verified_without_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, store) = (folder.path(), "sqlite:doorward.db");
    done(folder, store, &["org", "create", "Acme"]);
    for _ in 0..6 {
        done(folder, store, &["key", "regenerate", "--yes"]);
    }
    write_secret(&folder.join("signing.key"), &done(folder, store, &["audit", "keygen"]));
    let made = run(folder, store, &["audit", "checkpoint", "--signing-key-file", "signing.key"]);
    std::fs::write(folder.join("friday.note"), &made.stdout).unwrap();
    let verifier = String::from_utf8(made.stderr).unwrap().trim().rsplit(' ').next().unwrap().to_owned();
    done(folder, store, &["key", "regenerate", "--yes"]);
    let export = done(folder, store, &["audit", "export"]);
    std::fs::remove_file(folder.join("doorward.db")).unwrap();

    let verify_bytes = |bytes: &[u8], more: &[&str]| {
        std::fs::write(folder.join("audit.jsonl"), bytes).unwrap();
        let verify = ["--output", "json", "audit", "verify", "--file", "audit.jsonl"];
        let found = programs::run(folder, &[&verify[..], more].concat());
        let document: Value = serde_json::from_slice(&found.stdout).unwrap_or_else(|_| panic!("{found:?}"));
        let fault = document["logs"][0]["fault"].as_str().or(document["detail"].as_str()).unwrap_or_default();
        (found.status.code(), fault.to_owned())
    };
    let verify = |text: &str, more: &[&str]| verify_bytes(text.as_bytes(), more);
    let with = ["--checkpoint", "friday.note", "--verifier-key", verifier.as_str()];
    assert_eq!(verify(&export, &[]), (Some(0), String::new()));
    assert_eq!(verify(&export, &with), (Some(0), String::new()));
    let lines: Vec<&str> = export.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    // The end was cut off: only the checkpoint tells.
    let cut = joined(&lines[..5]);
    assert_eq!(verify(&cut, &[]).0, Some(0));
    let (status, fault) = verify(&cut, &with);
    assert!(status == Some(1) && fault.contains("its end was cut off"), "{fault}");
    for (text, said) in [
        (export.replacen("access_key.regenerated", "access_key.staged", 1), "event 3 was changed"),
        (export.replacen("\"detail\":", "\"new\":1,\"detail\":", 1), "event 1 was changed"),
        (joined(&[&lines[..2], &lines[3..]].concat()), "events 3 to 3 are missing"),
        (joined(&[&lines[..2], &[lines[3], lines[2]], &lines[4..]].concat()), "events 3 to 3 are missing"),
        (joined(&lines[2..]), "put the lines of an export from before they were pruned in front"),
        (format!("{}nonsense\n", joined(&lines[..3])), "cannot be read"),
    ] {
        let (status, fault) = verify(&text, &with);
        assert!(status == Some(1) && fault.contains(said), "{said}: {fault}");
    }
    assert_eq!(verify("", &[]).0, Some(1));
    let (status, fault) = verify_bytes(&[joined(&lines[..3]).as_bytes(), b"\xff\n"].concat(), &[]);
    assert!(status == Some(1) && fault.contains("this is no text in UTF-8"), "{fault}");
    // The file names the log. A variable may name an organization for all commands.
    for beside in [["--org", "other"], ["--external-id", "7"], ["--environment", "test"]] {
        let refused = programs::run(folder, &[&["audit", "verify", "--file", "audit.jsonl"][..], &beside].concat());
        assert_eq!(refused.status.code(), Some(2), "{beside:?}");
    }
    assert_eq!(verify(&export, &[]).0, Some(0));
    let mut verify_all = programs::command(folder, &["audit", "verify", "--file", "audit.jsonl"]);
    assert!(verify_all.env("DOORWARD_ORG", "other").output().unwrap().status.success());
    let note = std::fs::read_to_string(folder.join("friday.note")).unwrap();
    std::fs::write(folder.join("friday.note"), note.replace("doorward/org_", "doorward/org_0")).unwrap();
    assert_eq!(verify(&export, &with).0, Some(1), "a checkpoint of another log");
}

#[test]
fn a_log_is_proved_to_have_only_grown_also_after_a_prune() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, store) = (folder.path(), "sqlite:doorward.db");
    done(folder, store, &["org", "create", "Acme"]);
    write_secret(&folder.join("signing.key"), &done(folder, store, &["audit", "keygen"]));
    let key = ["--signing-key-file", "signing.key"];
    let checkpoint = |file: &str| {
        let made = run(folder, store, &[&["audit", "checkpoint"][..], &key].concat());
        std::fs::write(folder.join(file), &made.stdout).unwrap();
        String::from_utf8(made.stderr).unwrap().trim().rsplit(' ').next().unwrap().to_owned()
    };
    let regenerate = || done(folder, store, &["key", "regenerate", "--yes"]);
    regenerate();
    let verifier = checkpoint("friday.note");
    (0..4).for_each(|_| drop(regenerate()));
    let prove = |since: &str, file: &str| {
        let found = run(folder, store, &[&["audit", "prove-extension", "--since", since][..], &key].concat());
        std::fs::write(folder.join(file), &found.stdout).unwrap();
        (found.status.code(), String::from_utf8_lossy(&found.stderr).into_owned())
    };
    let check = |proof: &str, since: &str| {
        let arguments = ["audit", "check-extension", "--proof", proof, "--since", since, "--verifier-key", &verifier];
        let found = programs::run(folder, &arguments);
        (found.status.code(), String::from_utf8_lossy(&found.stderr).into_owned())
    };
    assert_eq!(prove("friday.note", "monday.proof").0, Some(0));
    checkpoint("monday.note");

    // A prune up to the earlier checkpoint leaves what the proof goes by. A prune beyond it does not.
    std::thread::sleep(std::time::Duration::from_millis(5));
    let export: Vec<Value> =
        done(folder, store, &["audit", "export"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let before = |sequence: usize| export[sequence]["time"].as_str().unwrap().to_owned();
    let prune = |time: &str| done(folder, store, &[&["audit", "prune", "--before", time, "--yes"][..], &key].concat());
    prune(&before(2));
    assert_eq!(prove("friday.note", "tuesday.proof").0, Some(0));
    let prove_event = |event: &str| run(folder, store, &[&["audit", "prove", event][..], &key].concat()).status.code();
    assert_eq!((prove_event("1"), prove_event("2"), prove_event("3")), (Some(1), Some(1), Some(0)));
    prune(&before(4));
    let (status, said) = prove("friday.note", "none.proof");
    assert!(status == Some(1) && said.contains("without the pruned events 1 to"), "{said}");
    std::fs::remove_file(folder.join("doorward.db")).unwrap();

    for proof in ["monday.proof", "tuesday.proof"] {
        let (status, said) = check(proof, "friday.note");
        assert!(
            status == Some(0) && said.contains("has grown from 3 to") && said.contains("and begins as it did"),
            "{said}"
        );
    }
    // Refused: another earlier checkpoint, another size, a changed hash, another key, and no proof at all.
    assert_eq!(check("monday.proof", "monday.note").0, Some(1));
    let proof = std::fs::read_to_string(folder.join("monday.proof")).unwrap();
    let hash = proof.lines().nth(1).unwrap();
    let other = format!("{}=", "A".repeat(43));
    for wrong in [proof.replacen("old 3", "old 2", 1), proof.replacen(hash, &other, 1), "nonsense\n".to_owned()] {
        std::fs::write(folder.join("wrong.proof"), wrong).unwrap();
        assert_eq!(check("wrong.proof", "friday.note").0, Some(1));
    }
    let note = std::fs::read_to_string(folder.join("friday.note")).unwrap();
    std::fs::write(folder.join("forged.note"), note.replacen("\n3\n", "\n2\n", 1)).unwrap();
    assert_eq!(check("monday.proof", "forged.note").0, Some(1));
}
