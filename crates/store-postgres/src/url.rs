//! Connection strings, as libpq reads them: a URL, or a list of `key=value`.
//!
//! No error repeats a value: the value could be a part of a password.

use percent_encoding::percent_decode_str;

/// The parameters of a connection string, in their order. No parameter comes twice.
pub(crate) type Parameters = Vec<(String, String)>;

/// Reads a connection string.
///
/// # Errors
///
/// Returns the fault, in words.
pub(crate) fn parameters(text: &str) -> Result<Parameters, String> {
    let url = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let parameters = url.map_or_else(|| of_list(text), of_url)?;
    for (place, (name, _)) in parameters.iter().enumerate() {
        if parameters.iter().skip(place + 1).any(|(other, _)| other == name) {
            return Err(format!("`{name}` is given twice: give it once"));
        }
    }
    Ok(parameters)
}

/// Reads a URL without its scheme: `USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?NAME=VALUE&…`.
fn of_url(url: &str) -> Result<Parameters, String> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (authority, database) = address.split_once('/').unwrap_or((address, ""));
    let (account, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    let mut parameters = vec![];
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            parameters.push((name.to_owned(), value));
        }
    };
    add("user", decoded(user)?);
    add("password", decoded(password)?);
    if !hosts.is_empty() {
        let hosts = hosts.split(',').map(host).collect::<Result<Vec<_>, _>>()?;
        let (names, ports): (Vec<_>, Vec<_>) = hosts.into_iter().unzip();
        add("host", names.join(","));
        if ports.iter().any(|port| !port.is_empty()) {
            add("port", ports.join(","));
        }
    }
    add("dbname", decoded(database)?);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("a parameter after `?` has no `=`: write NAME=VALUE")?;
        parameters.push((decoded(name)?, decoded(value)?));
    }
    Ok(parameters)
}

/// Reads a host with its port: `HOST`, `HOST:PORT`, `[IPV6]:PORT` or a socket's folder with `%2F` for its slashes.
fn host(text: &str) -> Result<(String, String), String> {
    let fault = "a host in the store's URL is malformed: write HOST or HOST:PORT, an IPv6 address in brackets, and \
                 `/`, `@`, `:` in a password percent-encoded";
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or(fault)?;
            (address, if after.is_empty() { "" } else { after.strip_prefix(':').ok_or(fault)? })
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    if !port.chars().all(|letter| letter.is_ascii_digit()) {
        return Err(fault.to_owned());
    }
    Ok((decoded(name)?, port.to_owned()))
}

fn decoded(text: &str) -> Result<String, String> {
    let escapes_are_whole = text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let decoded = percent_decode_str(text).decode_utf8().ok().filter(|_| escapes_are_whole);
    let fault = "a part of the store's URL is not percent-encoded text in UTF-8: write `%` as `%25`";
    decoded.map(Into::into).ok_or_else(|| fault.to_owned())
}

/// Reads a list: `host=db.internal dbname=keys password='two words'`.
fn of_list(text: &str) -> Result<Parameters, String> {
    let mut parameters = vec![];
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let fault = "a connection string is a URL, `postgres://USER@HOST/DATABASE`, or a list of NAME=VALUE";
        let (name, after) = rest.split_once('=').ok_or(fault)?;
        let (value, after) = listed_value(after.trim_start()).ok_or("a quoted value in the store's URL has no end")?;
        if name.trim_end().contains(char::is_whitespace) || name.trim_end().is_empty() {
            return Err(fault.to_owned());
        }
        parameters.push((name.trim_end().to_owned(), value));
        rest = after.trim_start();
    }
    Ok(parameters)
}

/// Reads a value and returns the text after it. In a value, a backslash keeps the next character as it is.
fn listed_value(text: &str) -> Option<(String, &str)> {
    let is_quoted = text.starts_with('\'');
    let mut letters = text.char_indices().skip(usize::from(is_quoted));
    let mut value = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.push(letters.next()?.1),
            '\'' if is_quoted => return Some((value, text.get(at + 1..)?)),
            space if !is_quoted && space.is_whitespace() => return Some((value, text.get(at..)?)),
            other => value.push(other),
        }
    }
    (!is_quoted).then_some((value, ""))
}

/// Returns these parameters as a list in one text.
pub(crate) fn list(parameters: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    parameters.iter().map(|(name, value)| format!("{name}='{}' ", escaped(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parameters(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    #[test]
    fn urls_and_lists_are_read_as_libpq_reads_them() {
        for (text, expected) in [
            ("postgres://db.internal", &[("host", "db.internal")][..]),
            (
                "postgresql://ada:p%40ss%2Fw%25@db.internal:6432/keys?sslmode=require",
                &[
                    ("user", "ada"),
                    ("password", "p@ss/w%"),
                    ("host", "db.internal"),
                    ("port", "6432"),
                    ("dbname", "keys"),
                    ("sslmode", "require"),
                ],
            ),
            ("postgres://ada:s3c@ret@a", &[("user", "ada"), ("password", "s3c@ret"), ("host", "a")]),
            ("postgres:///keys?host=/var/run/postgresql", &[("dbname", "keys"), ("host", "/var/run/postgresql")]),
            ("postgres://%2Fvar%2Frun/keys", &[("host", "/var/run"), ("dbname", "keys")]),
            ("postgres://a,b:1,[::1]:2/k", &[("host", "a,b,::1"), ("port", ",1,2"), ("dbname", "k")]),
            ("postgres://[::1]/k", &[("host", "::1"), ("dbname", "k")]),
            (
                "postgres://a/k?options=-csearch_path%3Dkeys",
                &[("host", "a"), ("dbname", "k"), ("options", "-csearch_path=keys")],
            ),
            ("postgres://a?user=ada@b&", &[("host", "a"), ("user", "ada@b")]),
            ("host=/var/run/postgresql dbname=keys", &[("host", "/var/run/postgresql"), ("dbname", "keys")]),
            (
                " host = a  password='it\\'s \\\\ two' user=a\\ b",
                &[("host", "a"), ("password", "it's \\ two"), ("user", "a b")],
            ),
            ("host=a password=''", &[("host", "a"), ("password", "")]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(read(text), expected, "{text}");
            // A list is read as it was written.
            let borrowed: Vec<_> = expected.iter().map(|(k, v)| (&**k, &**v)).collect();
            assert_eq!(read(&list(&borrowed)), expected);
        }
    }

    #[test]
    fn a_malformed_text_is_refused_without_its_password() {
        for text in [
            "postgres://ada:s3c/ret@a/keys",
            "postgres://ada:s3c%ret@a/keys",
            "postgres://ada:%ff@a/s3c",
            "postgres://a:s3c/keys",
            "postgres://[::1s3c/keys",
            "postgres://[::1]s3c/keys",
            "postgres://a/keys?s3c",
            "postgres://a?host=s3c",
            "host=a s3c",
            "host=a two s3c=b",
            "host=a password='s3c",
            "host=a password=s3c\\",
            "host=a host=s3c",
            "s3c",
        ] {
            let fault = parameters(text).unwrap_err();
            assert!(!fault.contains("s3c"), "{text}: {fault}");
        }
    }
}
