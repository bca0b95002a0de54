//! The start and the end of an example that runs, for the tests of all of them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use doorward::sqlite::SqliteStore;
use doorward::store::{NodeRegistry, OpenMode};

/// Starts an example on a store, with its second argument. Returns the lines that it says, as it says them.
pub(crate) fn start(program: &str, store: &Path, argument: &str) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut command = Command::new(program);
    let mut example = command.arg(store).arg(argument).stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(example.stdout.take().unwrap()).lines().map_while(Result::ok);
    (example, said)
}

/// Returns the rest of the next line, after a mark.
pub(crate) fn after(said: &mut impl Iterator<Item = String>, mark: &str) -> String {
    said.next().unwrap().split_once(mark).unwrap().1.to_owned()
}

/// SIGTERM ends the example in good order: it leaves no session, so that the next change waits for nothing.
pub(crate) fn ends(mut example: Child, store: &Path) {
    let asked = Command::new("kill").args(["-TERM", &example.id().to_string()]).status().unwrap();
    assert!(asked.success() && example.wait().unwrap().success());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(store, OpenMode::Existing).await.unwrap();
        let (_, sessions) = store.sessions().await.unwrap().proved_of_any_store().unwrap();
        assert!(sessions.is_empty(), "{sessions:?}");
    });
}
