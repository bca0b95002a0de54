//! URLs of SQLite stores, as other Rust programs write them: sqlx, SeaORM, Diesel.

use std::path::PathBuf;

/// A store, as a URL names it.
pub(crate) enum SqliteUrl {
    /// A file.
    File { path: PathBuf, must_exist: bool },
    /// A store that is gone with the process.
    Memory,
}

/// The fault of a URL.
pub(crate) enum SqliteUrlFault {
    NoPath,
    Other(String),
}

/// Reads the part of a URL after `sqlite:`.
pub(crate) fn read(rest: &str) -> Result<SqliteUrl, SqliteUrlFault> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    // `sqlite://k.db` names the file k.db, and `sqlite:///srv/k.db` the file /srv/k.db.
    let path = path.strip_prefix("//").unwrap_or(path);
    let parameters = query.split('&').filter(|pair| !pair.is_empty());
    let mut mode = None;
    for (name, value) in parameters.map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        match (name, value) {
            ("mode", _) if mode.is_some() => return Err(refused("`mode` is given twice: give it once")),
            ("mode", "memory" | "rw" | "rwc") => mode = Some(value),
            ("mode", "ro") => {
                return Err(refused("`mode=ro`: the store is always written. Write `mode=rw`, or leave it out"));
            }
            ("mode", _) => return Err(refused("`mode` is rw, rwc or memory")),
            _ => {
                let fault = format!(
                    "the parameter `{name}`, which Doorward does not know: take it out. The only one is `mode`"
                );
                return Err(refused(&fault));
            }
        }
    }
    if mode == Some("memory") || path == ":memory:" {
        return Ok(SqliteUrl::Memory);
    }
    match decoded(path)? {
        empty if empty.is_empty() => Err(SqliteUrlFault::NoPath),
        path => Ok(SqliteUrl::File { path: path.into(), must_exist: mode == Some("rw") }),
    }
}

/// Returns the path as it stands in a URL.
pub(crate) fn encoded(path: &str) -> String {
    let path = path.replace('%', "%25").replace('?', "%3F");
    // Two slashes at the beginning would be taken for the beginning of `sqlite://`.
    if path.starts_with("//") { format!("//{path}") } else { path }
}

fn refused(fault: &str) -> SqliteUrlFault {
    SqliteUrlFault::Other(fault.to_owned())
}

/// Decodes `%25` and the like.
fn decoded(path: &str) -> Result<String, SqliteUrlFault> {
    let fault = || refused("a `%` that begins no character: write `%` as `%25`");
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(fault)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|byte| is_hex && *byte != 0).ok_or_else(fault)?;
        bytes.push(byte);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).map_err(|_| fault())
}
