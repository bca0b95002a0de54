//! Command lines for people, which work as they are printed: with the program that is installed, on the store in use.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use doorward::StoreUrl;

/// Returns the beginning of a command line: `doorward --store sqlite:/var/lib/doorward/doorward.db`.
pub(crate) fn command_line(store: &StoreUrl) -> String {
    let program = program(std::env::var_os("PATH").as_deref(), std::env::current_exe().ok().as_deref());
    let store = match store {
        // The second terminal may be in another folder.
        StoreUrl::Sqlite { path, .. } => std::path::absolute(path).map_or_else(|_| store.clone(), StoreUrl::sqlite),
        _ => store.clone(),
    };
    format!("{} --store {}", quoted(&program.to_string_lossy()), quoted(&store.to_string()))
}

/// Returns the command line's program: by its name if the shell finds it, else by its path beside this program.
fn program(paths: Option<&OsStr>, server: Option<&Path>) -> PathBuf {
    let name = PathBuf::from(format!("doorward{EXE_SUFFIX}"));
    let is_found = paths.is_some_and(|paths| std::env::split_paths(paths).any(|folder| folder.join(&name).is_file()));
    let beside = server.map(|server| server.with_file_name(&name)).filter(|path| path.is_file());
    beside.filter(|_| !is_found).unwrap_or(name)
}

/// Quotes a word for a shell, if the shell would read it as anything else.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./:@=+,%".contains(letter);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_named_so_that_a_shell_finds_it() {
        let (built, installed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let server = built.path().join("doorward-server");
        let paths = Some(installed.path().as_os_str());
        let name = PathBuf::from(format!("doorward{EXE_SUFFIX}"));
        // Nothing is there but the server: its package has a program by this name.
        assert_eq!(program(paths, Some(&server)), name);
        std::fs::write(built.path().join(&name), "").unwrap();
        assert_eq!(program(paths, Some(&server)), built.path().join(&name));
        assert_eq!(program(None, Some(&server)), built.path().join(&name));
        std::fs::write(installed.path().join(&name), "").unwrap();
        assert_eq!(program(paths, Some(&server)), name);
    }

    #[test]
    fn the_store_is_the_one_in_use_without_its_password() {
        let line = |store: &str| command_line(&store.parse().unwrap());
        assert!(
            line("sqlite:/var/lib/doorward/doorward.db").ends_with(" --store sqlite:/var/lib/doorward/doorward.db")
        );
        let here = std::env::current_dir().unwrap().join("doorward.db");
        assert!(line("sqlite:doorward.db").contains(here.to_str().unwrap()));
        let remote = line("postgres://doorward:s3cret@db.internal/doorward?sslmode=require");
        assert!(remote.ends_with(" --store postgres://doorward@db.internal/doorward"), "{remote}");
    }

    #[test]
    fn a_word_that_a_shell_would_change_is_quoted() {
        assert_eq!(quoted("sqlite:/var/lib/a.db"), "sqlite:/var/lib/a.db");
        assert_eq!(quoted("/home/ada/my keys/a.db"), "'/home/ada/my keys/a.db'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
