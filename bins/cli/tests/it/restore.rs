//! The restore drill: a backup is put back, and keys that died since then die again, from audit events that were kept elsewhere.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use doorward::audit::{Event, FiledEvent, Hash, Reason};
use doorward_test_postgres::Cluster;
use serde_json::Value;

use crate::programs::{command, done, json, refused, run};

/// Returns whether a key works.
fn works(folder: &Path, key: &str) -> bool {
    let mut inspect = command(folder, &["--output", "json", "key", "inspect"]);
    let mut child = inspect.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    let told: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    told["known"].as_bool().unwrap()
}

fn locator(key: &str) -> &str {
    key.split('_').nth(2).unwrap()
}

fn texts(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
}

/// Exports all events of the store into files: two production logs, one test log in OCSF format, and the installation's log.
fn export(folder: &Path, round: u32) -> Vec<String> {
    let logs: [&[&str]; 4] =
        [&["--org", "Acme"], &["--org", "Beta"], &["--org", "Acme", "--environment", "test"], &["--installation"]];
    let mut files = Vec::new();
    for (number, log) in logs.iter().enumerate() {
        let file = format!("{round}-{number}.jsonl");
        done(folder, &[&["audit", "export", "-f", &file], *log].concat());
        files.push(file);
    }
    let ocsf = folder.join(&files[2]);
    let lines = std::fs::read_to_string(&ocsf).unwrap();
    let lines: String = lines.lines().map(|line| format!("{}\n", read(line).to_ocsf())).collect();
    std::fs::write(ocsf, lines).unwrap();
    files
}

fn read(line: &str) -> Event {
    let FiledEvent { event, hash_fits, .. } = FiledEvent::from_line(line).unwrap();
    assert!(hash_fits, "{line}");
    event
}

/// Returns the hash of each event by its webhook id.
fn ids(folder: &Path, files: &[String]) -> HashMap<String, Hash> {
    let lines: String = files.iter().map(|file| std::fs::read_to_string(folder.join(file)).unwrap()).collect();
    lines.lines().map(read).map(|event| (event.uid(), event.hash.unwrap())).collect()
}

#[test]
fn keys_that_died_after_the_backup_die_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let acme = done(folder, &["org", "create", "Acme"]);
    let beta = done(folder, &["org", "create", "Beta"]);
    let staged = done(folder, &["key", "stage", "--org", "Beta"]);
    let kept = done(folder, &["key", "create", "--org", "Acme", "--name", "kept"]);
    let doomed = json(folder, &["key", "create", "--org", "Acme", "--name", "doomed"]);
    let (doomed_id, doomed) = (doomed["id"].as_str().unwrap(), doomed["value"].as_str().unwrap());
    done(folder, &["operator", "create", "ada"]);
    done(folder, &["origin", "add", "--org", "Acme", "app.example.com"]);

    let written = json(folder, &["store", "backup", "friday.db"]);
    assert_eq!((&written["incarnation"], &written["file"]), (&1.into(), &"friday.db".into()));
    #[cfg(unix)]
    {
        let mode = std::fs::metadata(folder.join("friday.db")).map(|found| found.permissions());
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.unwrap()) & 0o777, 0o600);
    }
    let fresh = done(folder, &["key", "regenerate", "--org", "Acme", "--yes"]);
    done(folder, &["key", "regenerate", "--org", "Beta", "--yes"]);
    done(folder, &["key", "delete", "--org", "Acme", doomed_id, "--yes"]);
    done(folder, &["operator", "delete", "ada", "--yes"]);
    done(folder, &["origin", "remove", "--org", "Acme", "app.example.com", "--yes"]);
    let made = done(folder, &["key", "create", "--org", "Acme", "--name", "made"]);
    done(folder, &["org", "create", "Gamma"]);
    let kept_elsewhere = export(folder, 1);
    let lost = ids(folder, &kept_elsewhere);

    assert_eq!(refused(folder, &["store", "restore", "friday.db"]).0, 3);
    assert!(works(folder, &fresh));
    let restored = json(folder, &["store", "restore", "friday.db", "--yes"]);
    assert_eq!(restored["incarnation"], 2);
    for (key, is_revived) in [(&*acme, true), (&*beta, true), (doomed, true), (&*fresh, false), (&*made, false)] {
        assert_eq!(works(folder, key), is_revived, "{}", locator(key));
    }

    let mut events: Vec<&str> = vec!["store", "restored"];
    events.extend(kept_elsewhere.iter().flat_map(|file| ["--events", file]));
    let with = |more: &[&'static str]| [&events[..], more].concat();
    let listed = json(folder, &with(&["--dry-run"]));
    assert!(listed.get("incarnation").is_none(), "{listed}");
    assert_eq!(texts(&listed["keys"], "remedy"), ["regenerate", "delete", "promote"], "{listed}");
    assert_eq!(listed["keys"][0]["dead"][0]["locator"], locator(&acme));
    assert_eq!(texts(&listed["operators"], "name"), ["ada"]);
    assert_eq!(texts(&listed["origins"], "origin"), ["https://app.example.com"]);
    assert_eq!(texts(&listed["gone"]["organizations"], "name"), Vec::<String>::new(), "no file is of its log");
    assert_eq!(texts(&listed["gone"]["secrets"], "locator"), [locator(&fresh), locator(&made)]);
    assert_eq!(listed["uncertain"].as_array().unwrap().len(), 0, "{listed}");
    let table = done(folder, &with(&["--dry-run"]));
    for part in
        ["Secrets that died since the backup", locator(&acme), "Made since the backup, and gone", locator(&made)]
    {
        assert!(table.contains(part), "{table}");
    }
    assert_eq!(refused(folder, &events).0, 3);
    assert!(works(folder, &acme));

    let killed = run(folder, &with(&["--yes"]));
    let said = String::from_utf8(killed.stderr).unwrap();
    assert!(killed.status.success(), "{said}");
    assert!(said.contains(locator(doomed)) && said.contains("incarnation is 3"), "{said}");
    let values = String::from_utf8(killed.stdout).unwrap();
    let [value] = &values.lines().collect::<Vec<_>>()[..] else { panic!("{values}") };
    let value: Value = serde_json::from_str(value).unwrap();
    assert_eq!(value["organization"]["name"], "Acme");
    let value = value["value"].as_str().unwrap();
    for (key, is_alive) in [
        (&*acme, false),
        (&*fresh, false),
        (value, true),
        (&*beta, false),
        (&*staged, true),
        (doomed, false),
        (&*kept, true),
    ] {
        assert_eq!(works(folder, key), is_alive, "{}", locator(key));
    }
    let [operators, origins] = [["operator", "list"], ["origin", "list"]].map(|noun| {
        let org: &[&str] = if noun[0] == "origin" { &["--org", "Acme"] } else { &[] };
        json(folder, &[&noun[..], org].concat())["data"].as_array().unwrap().len()
    });
    assert_eq!((operators, origins), (0, 0));

    // Every event names its reason, the logs are intact, and no two events share an id.
    done(folder, &["audit", "verify"]);
    let now = export(folder, 2);
    let newest = std::fs::read_to_string(folder.join(&now[1])).unwrap();
    let promoted = newest.lines().map(read).find(|event| event.draft.detail.reason == Some(Reason::StoreRestored));
    assert_eq!(promoted.unwrap().incarnation.0, 3);
    let mut shared = 0;
    for (id, hash) in ids(folder, &now) {
        assert!(lost.get(&id).is_none_or(|other| *other == hash), "{id}");
        shared += u32::from(lost.contains_key(&id));
    }
    assert!(shared > 0, "an event of the backup has another id");

    let again = json(folder, &with(&["--yes"]));
    assert_eq!((&again["incarnation"], &again["keys"]), (&4.into(), &Value::Array(vec![])), "{again}");
}

/// A process that keeps the store open until it is dropped.
struct Holder(Child);

impl Holder {
    fn start(folder: &Path) -> Self {
        let mut child = command(folder, &["audit", "follow", "--org", "Acme", "--after", "0"]);
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let mut shown = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut shown, &mut String::new()).unwrap();
        // A closed pipe would end the process.
        std::mem::forget(shown);
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn a_store_is_restored_only_from_a_sound_backup_and_only_if_no_process_has_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let key = done(folder, &["org", "create", "Acme"]);
    done(folder, &["store", "backup", "good.db"]);
    let (status, said) = refused(folder, &["store", "backup", "good.db"]);
    assert!(status == 1 && said.contains("exists"), "{said}");
    assert_eq!(refused(folder, &["--store", "sqlite:nowhere.db", "store", "backup", "b.db"]).0, 5);
    let fresh = done(folder, &["key", "regenerate", "--yes"]);

    let good = std::fs::read(folder.join("good.db")).unwrap();
    std::fs::write(folder.join("short.db"), &good[..good.len() / 2]).unwrap();
    let mut damaged = good.clone();
    // The page of the schema's first table.
    damaged[4_096..4_200].fill(0xff);
    std::fs::write(folder.join("damaged.db"), damaged).unwrap();
    std::fs::write(folder.join("text.db"), "no database").unwrap();
    let foreign = rusqlite::Connection::open(folder.join("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE mine (id INTEGER); INSERT INTO mine VALUES (1)").unwrap();
    drop(foreign);
    for bad in ["short.db", "damaged.db", "text.db", "foreign.db"] {
        let (status, said) = refused(folder, &["store", "restore", bad, "--yes"]);
        assert!(status == 1 && said.contains(bad), "{bad}: {said}");
        assert!(works(folder, &fresh) && !works(folder, &key), "{bad}");
    }
    let (status, said) = refused(folder, &["store", "restore", "nowhere.db", "--yes"]);
    assert!(status == 5 && said.contains("there is no backup at nowhere.db"), "{said}");

    let holder = Holder::start(folder);
    let (status, said) = refused(folder, &["store", "restore", "good.db", "--yes"]);
    assert!(status == 1 && said.contains("stop all programs that use the store"), "{said}");
    assert!(works(folder, &fresh) && !works(folder, &key));
    // A backup works while a process has the store open.
    done(folder, &["store", "backup", "beside.db"]);
    drop(holder);
    done(folder, &["store", "restore", "good.db", "--yes"]);
    assert!(works(folder, &key) && !works(folder, &fresh));
    // Without a store at the target, nothing is lost.
    done(folder, &["--store", "sqlite:elsewhere.db", "store", "restore", "good.db"]);
}

#[test]
fn files_without_events_are_refused_and_an_unreadable_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let key = done(folder, &["org", "create", "Acme"]);
    done(folder, &["store", "backup", "friday.db"]);
    done(folder, &["key", "regenerate", "--yes"]);
    done(folder, &["audit", "export", "-f", "events.jsonl"]);
    done(folder, &["audit", "export", "--format", "csv", "-f", "events.csv"]);
    done(folder, &["store", "restore", "friday.db", "--yes"]);

    let restored = |file: &str| refused(folder, &["store", "restored", "--yes", "--events", file]);
    let (status, said) = restored("events.csv");
    assert!(status == 2 && said.contains("events.csv holds no audit events"), "{said}");
    assert_eq!(restored("nowhere.jsonl").0, 5);
    assert_eq!(refused(folder, &["store", "restored", "--dry-run"]).0, 2);
    assert!(works(folder, &key), "nothing was done");

    let mut file = std::fs::File::options().append(true).open(folder.join("events.jsonl")).unwrap();
    file.write_all(b"{\"detail\":{\"\x1b[2J\":1}}\n{\"sequence\":9,").unwrap();
    let (status, said) = restored("events.jsonl");
    assert!(status == 1 && said.contains("events.jsonl, line 5") && said.contains("line 6"), "{said}");
    assert!(said.contains("2 lines could not be read") && !said.contains("\x1b[2J"), "{said}");
    assert!(!works(folder, &key), "a readable event was ignored");
}

#[test]
fn on_postgres_backup_and_restore_name_postgres_tools() {
    let folder = tempfile::tempdir().unwrap();
    for (verb, tool) in [("backup", "pg_dump --format=custom"), ("restore", "pg_restore --clean")] {
        let store = ["--store", "postgres://nobody@127.0.0.1:1/none", "store", verb, "file", "--yes"];
        let arguments = if verb == "backup" { &store[..5] } else { &store[..] };
        let (status, said) = refused(folder.path(), arguments);
        assert!(status == 2 && said.contains(tool) && said.contains("doorward store restored"), "{said}");
    }
}

/// The drill of the documentation, with PostgreSQL's own programs.
#[test]
fn the_drill_works_on_postgres() {
    let (cluster, folder) = (Cluster::start(&[]).unwrap(), tempfile::tempdir().unwrap());
    let (url, folder) = (cluster.url(), folder.path());
    let doorward = |arguments: &[&str]| done(folder, &[&["--store", &url], arguments].concat());
    let tool = |program: &str, arguments: &[&str]| {
        let mut tool = Command::new(doorward_test_postgres::programs().unwrap().join(program));
        let done = tool.args(arguments).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let status = |key: &str| {
        let mut inspect = command(folder, &["--store", &url, "key", "inspect"]);
        let mut child = inspect.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
        child.wait().unwrap().code().unwrap()
    };
    let leaked = doorward(&["org", "create", "acme"]);
    let doomed = doorward(&["key", "create", "--name", "doomed"]);
    tool("pg_dump", &["--format=custom", "--schema=doorward", "--file=friday.dump", &url]);
    let fresh = doorward(&["key", "regenerate", "--yes"]);
    doorward(&["key", "delete", "doomed", "--yes"]);
    doorward(&["audit", "export", "-f", "production.jsonl"]);
    doorward(&["audit", "export", "--environment", "test", "-f", "test.jsonl"]);
    let dead = [&leaked, &doomed, &fresh].map(|key| status(key));
    assert_eq!(dead, [1, 1, 0]);

    let database = format!("--dbname={url}");
    tool("pg_restore", &["--clean", "--if-exists", "--single-transaction", &database, "friday.dump"]);
    assert_eq!([&leaked, &doomed, &fresh].map(|key| status(key)), [0, 0, 1], "a restore revives the dead");
    let new = doorward(&["store", "restored", "--events", "production.jsonl", "--events", "test.jsonl", "--yes"]);
    let new: Value = serde_json::from_str(new.lines().next().unwrap()).unwrap();
    let successor = new["value"].as_str().unwrap();
    assert_eq!([&*leaked, &*doomed, &*fresh, successor].map(status), [1, 1, 1, 0]);
    assert!(doorward(&["audit", "verify"]).contains("whole"));
}
