//! Allowed and refused URLs: from a table, from public test data for parsers, and compared with other parsers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use cargo_metadata::MetadataCommand;
use doorward_origin::{AllowList, AllowedOrigin, OriginError, UrlError};
use proptest::prelude::*;
use serde_json::Value;

const ENTRIES: [&str; 9] = [
    "app.example.com",
    "app.example.com:8443",
    "example.com",
    "example.org",
    "localhost:3000",
    "127.0.0.1:8080",
    "[::1]:8080",
    "https://localhost:3000",
    "xn--bcher-kva.example",
];

fn list() -> AllowList {
    ENTRIES.map(|entry| entry.parse::<AllowedOrigin>().unwrap()).into_iter().collect()
}

#[test]
fn a_url_is_allowed_only_by_its_exact_origin() {
    let list = list();
    for (url, origin) in [
        ("https://app.example.com", "https://app.example.com"),
        ("https://app.example.com/", "https://app.example.com"),
        ("https://app.example.com:443/callback", "https://app.example.com"),
        ("https://app.example.com/callback?next=https://evil.example/#x", "https://app.example.com"),
        ("https://app.example.com?x=1", "https://app.example.com"),
        ("https://app.example.com#x", "https://app.example.com"),
        ("https://app.example.com/@evil.example/", "https://app.example.com"),
        ("https://app.example.com/..//evil.example", "https://app.example.com"),
        ("https://app.example.com:8443/", "https://app.example.com:8443"),
        ("http://localhost:3000/callback", "http://localhost:3000"),
        ("https://localhost:3000/callback", "https://localhost:3000"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example"),
    ] {
        assert_eq!(list.check(url).unwrap_or_else(|refusal| panic!("{url}: {refusal}")).to_string(), origin, "{url}");
    }
    for (url, why) in [
        ("http://app.example.com/", "has another scheme"),
        ("https://app.example.com:444/", "has another port"),
        ("http://app.example.com:81/", "has another scheme and port"),
        ("https://www.app.example.com/", "does not cover its subdomains"),
        ("https://exampel.org/", "is spelled differently"),
        ("https://app.example.com.evil.example/", "is not on the list"),
        ("https://evil.example/app.example.com", "is not on the list"),
        ("https://evilapp.example.com/", "`example.com`, does not cover its subdomains"),
        ("http://localhost:3001/", "has another port"),
        ("http://localhost/", "has another port"),
        ("http://127.0.0.1:3000/", "names this machine in another way"),
        ("http://[::1]:3000/", "names this machine in another way"),
        ("https://app.example.com@evil.example/", "followed by `@`"),
        ("https://evil.example@app.example.com/", "followed by `@`"),
        ("https://app.example.com:443@evil.example/", "followed by `@`"),
        ("https://@app.example.com/", "followed by `@`"),
        ("https://app.example.com\\@evil.example/", "backslash"),
        ("https://app.example.com\\.evil.example/", "backslash"),
        ("https:\\\\app.example.com/", "backslash"),
        ("https:/app.example.com/", "not an absolute URL"),
        ("https:app.example.com/", "not an absolute URL"),
        ("https:///app.example.com/", "it has no host"),
        ("//app.example.com/", "not an absolute URL"),
        ("/callback", "not an absolute URL"),
        ("app.example.com", "not an absolute URL"),
        ("", "not an absolute URL"),
        ("null", "not an absolute URL"),
        ("HTTPS://app.example.com/", "not an absolute URL in lower case"),
        ("https://App.Example.com/", "in lower case"),
        ("https://app.example.com./", "is not on the list"),
        ("https://app.example.com%2eevil.example/", "without `%`"),
        ("https://app%2eexample.com/", "without `%`"),
        ("https://app.example.com%00.evil.example/", "without `%`"),
        ("https://app.example.com:/", "its port is not a number"),
        ("https://app.example.com:0443/", "its port is not a number"),
        ("https://app.example.com:443:443/", "its port is not a number"),
        ("https://app.example.com:65979/", "its port is not a number"),
        ("https://app.example.com:-443/", "its port is not a number"),
        (" https://app.example.com/", "it has a space"),
        ("https://app.example.com/ ", "it has a space"),
        ("ht\ntps://app.example.com/", "it has a space"),
        ("https://app.exa\tmple.com/", "it has a space"),
        ("https://app.example.com/\r\nLocation: https://evil.example/", "it has a space"),
        ("https://app.example.com\u{0}/", "it has a space"),
        ("https://app.example.com/ü", "beyond ASCII"),
        ("https://ａpp.example.com/", "beyond ASCII"),
        ("https://app。example.com/", "beyond ASCII"),
        ("https://bücher.example/", "beyond ASCII"),
        ("http://127.1:8080/", "more than one way"),
        ("http://0x7f.0.0.1:8080/", "more than one way"),
        ("http://2130706433:8080/", "more than one way"),
        ("http://0177.0.0.1:8080/", "more than one way"),
        ("http://[0:0:0:0:0:0:0:1]:8080/", "more than one way"),
        ("http://[::ffff:127.0.0.1]:8080/", "more than one way"),
        ("javascript://app.example.com/%0aalert(1)", "is not on the list"),
        ("javascript:alert(1)", "not an absolute URL"),
        ("data:text/html,x", "not an absolute URL"),
        ("blob:https://app.example.com/x", "not an absolute URL"),
        ("filesystem:https://app.example.com/x", "not an absolute URL"),
        ("ftp://app.example.com/", "has another scheme"),
        ("https://app.example.com,evil.example/", "in lower case"),
        ("https://app.example.com;evil.example/", "in lower case"),
        ("https://app.example.com&evil.example/", "in lower case"),
        ("https://{app.example.com}/", "in lower case"),
    ] {
        let refusal = list.check(url).expect_err(url).to_string();
        assert!(refusal.starts_with("unauthorized origin: ") && refusal.contains(why), "{url}: {refusal}");
    }
    assert!(list.check(&format!("https://app.example.com/{}", "a".repeat(4_096))).is_err());
}

#[test]
fn an_empty_list_allows_no_url() {
    let refusal = AllowList::default().check("https://app.example.com/").unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "unauthorized origin: `https://app.example.com` is not on the list; the entry that allows it is `app.example.com`"
    );
    assert_eq!(refusal.entry_to_add().unwrap().entry(), "app.example.com");
    let refusal = AllowList::default().check("http://app.example.com/").unwrap_err();
    assert!(refusal.to_string().ends_with("; http can be allowed on this machine only: use https"), "{refusal}");
    assert_eq!(refusal.entry_to_add(), None);
}

/// Every input of the web platform tests' data for URL parsers, which the crate `url` includes.
fn web_platform_tests() -> Vec<String> {
    let metadata =
        MetadataCommand::new().manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).exec().unwrap();
    let url = metadata.packages.iter().find(|package| package.name.as_str() == "url").unwrap();
    let data = url.manifest_path.with_file_name("tests").join("urltestdata.json");
    let data: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(data).unwrap()).unwrap();
    let inputs: Vec<String> = data.iter().filter_map(|case| Some(case.get("input")?.as_str()?.to_owned())).collect();
    assert!(inputs.len() > 700, "{} inputs", inputs.len());
    inputs
}

/// Ways to disguise a URL as a listed one, from lists of open-redirect and host-confusion attacks.
fn disguises() -> Vec<String> {
    const BETWEEN: [&str; 46] = [
        "", ".", "@", ":@", "%40", "\\@", "/@", "?@", "#@", "\\", "\\\\", "/", "//", "///", "/\\", "\\/", ":", "::",
        ":443@", ":80#@", "%2f", "%5c", "%00", "%09", "%0a", "%0d%0a", "%23", "%3f", "%20", "\t", "\n", "\r\n",
        "\u{0}", " ", ";", ",", "&", "。", "．", "｡", "\u{ad}", "\u{200b}", "／", "＠", "?", "#",
    ];
    const SCHEMES: [&str; 16] = [
        "https://",
        "http://",
        "HTTPS://",
        "https:",
        "https:/",
        "https:///",
        "https:\\\\",
        "//",
        "///",
        "\\\\",
        "/\\",
        "hTTps://",
        " https://",
        "\thttps://",
        "ht\ttps://",
        "javascript://",
    ];
    let mut urls = Vec::new();
    let origins: Vec<String> =
        ENTRIES.iter().map(|entry| entry.parse::<AllowedOrigin>().unwrap().to_string()).collect();
    for origin in &origins {
        let (own_scheme, host) = origin.split_once("://").unwrap();
        for scheme in SCHEMES.into_iter().chain([&*format!("{own_scheme}://")]) {
            for between in BETWEEN {
                for tail in ["", "/", "/callback?a=b"] {
                    urls.push(format!("{scheme}{host}{between}{tail}"));
                    urls.push(format!("{scheme}{between}{host}{tail}"));
                    urls.push(format!("{scheme}{host}{between}evil.example{tail}"));
                    urls.push(format!("{scheme}evil.example{between}{host}{tail}"));
                    urls.push(format!("{scheme}evil{between}{host}{tail}"));
                }
            }
        }
        // Each byte of the origin, encoded differently.
        for place in 0..origin.len() {
            for other in ["", "\t", "%41", "ａ", ".", "/", "@", "\\", ":", "X"] {
                let (before, after) = origin.split_at(place);
                urls.push(format!("{before}{other}{after}/"));
                urls.push(format!("{before}{other}{}/", &after[1..]));
            }
        }
    }
    urls
}

/// Reads JSON strings, one on each line, and prints the origin of each, or `null` if it is not a URL.
const NODE: &str = r#"
const lines = require("fs").readFileSync(0, "utf8").trim().split("\n");
for (const line of lines) {
    let origin = null;
    try { origin = new URL(JSON.parse(line)).origin } catch {}
    console.log(JSON.stringify(origin));
}
"#;

/// The same with Python's standard library, by RFC 3986.
const PYTHON: &str = r#"
import json, sys, urllib.parse
for line in sys.stdin:
    origin = None
    try:
        url = urllib.parse.urlsplit(json.loads(line))
        host = url.hostname
        if host and ":" in host: host = f"[{host}]"
        usual = {"http": 80, "https": 443}.get(url.scheme)
        port = "" if url.port in (None, usual) else f":{url.port}"
        if host and not url.username: origin = f"{url.scheme}://{host}{port}"
    except ValueError: pass
    print(json.dumps(origin))
"#;

fn judge(program: &str, flag: &str, script: &str, urls: &[&String]) -> Vec<Option<String>> {
    let mut judge = Command::new(program);
    let mut judge = judge.args([flag, script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String = urls.iter().map(|url| serde_json::to_string(url).unwrap() + "\n").collect();
    let mut stdin = judge.stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let done = judge.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(done.status.success());
    String::from_utf8(done.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Other parsers find the same, listed origin in each allowed URL: Node's engine (WHATWG) and Python's library (RFC 3986).
#[test]
fn other_parsers_find_every_allowed_url_on_the_list() {
    let list = list();
    let listed: BTreeSet<String> = list.entries().iter().map(ToString::to_string).collect();
    let urls: Vec<String> = web_platform_tests().into_iter().chain(disguises()).collect();
    let accepted: Vec<(&String, String)> =
        urls.iter().filter_map(|url| Some((url, list.check(url).ok()?.to_string()))).collect();
    assert!(urls.len() > 100_000 && accepted.len() > 500, "{} of {}", accepted.len(), urls.len());
    let texts: Vec<&String> = accepted.iter().map(|(url, _)| *url).collect();
    for (program, flag, script) in [("node", "-e", NODE), ("python3", "-c", PYTHON)] {
        let theirs = judge(program, flag, script, &texts);
        assert_eq!(theirs.len(), accepted.len());
        for ((url, ours), theirs) in accepted.iter().zip(theirs) {
            assert_eq!(theirs.as_ref(), Some(ours), "{program} reads {url:?} otherwise");
            assert!(listed.contains(ours), "{url}");
        }
    }
}

/// A host that no entry can have is not compared with all entries: that once took a third of a second.
#[test]
fn an_overlong_host_is_on_no_list() {
    let fits = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(61));
    let fault = |host: &str| match list().check(&format!("https://{host}/")) {
        Err(OriginError::Malformed(fault)) => Some(fault),
        Err(OriginError::NotListed { .. }) => None,
        other => panic!("{other:?}"),
    };
    assert_eq!((fits.len(), fault(&fits)), (253, None));
    for host in [format!("{fits}a"), "a".repeat(64), format!("a.{}.example", "a".repeat(64)), "a.".repeat(2_000)] {
        assert_eq!(fault(&host), Some(UrlError::HostLength), "{host:.80}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 65_536, failure_persistence: None, ..ProptestConfig::default() })]

    /// An allowed URL is the text of an entry (possibly with the scheme's default port), followed by the end, `/`, `?` or `#`.
    #[test]
    fn an_allowed_url_begins_with_the_text_of_an_entry(url in "(https?://)?(app\\.)?(example\\.com|localhost|127\\.0\\.0\\.1|\\[::1\\])?[.@:/?#\\\\%a0-9-]{0,3}.{0,6}") {
        if let Ok(entry) = list().check(&url) {
            let usual = if entry.scheme() == "https" { ":443" } else { ":80" };
            let rest = url.strip_prefix(&entry.to_string()).unwrap();
            let rest = rest.strip_prefix(usual).unwrap_or(rest);
            prop_assert!(rest.is_empty() || rest.starts_with(['/', '?', '#']), "{}", url);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(url in ".*") {
        let _ = list().check(&url);
    }
}
