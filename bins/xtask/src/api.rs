//! `cargo xtask check-api`: checks the types of other crates in the public interface, and that public types can grow.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::package::published;
use crate::{growth, shell};

/// The crates whose types and traits any public item may show. A new major version of such a crate breaks callers.
const ANYWHERE: [&str; 10] =
    ["alloc", "bytes", "core", "http", "http_body", "serde_core", "std", "tower_layer", "tower_service", "zeroize"];

/// Further crates, each with the workspace crate that may show it.
const HERE: [(&str, &str); 14] = [
    ("doorward-api", "http_body_util"),
    ("doorward-audit", "serde_json"),
    ("doorward-dashboard", "http_body_util"),
    ("doorward-http", "axum_core"),
    ("doorward-http", "pin_project_lite"),
    ("doorward-key", "subtle"),
    ("doorward-listen", "hyper"),
    ("doorward-listen", "tokio"),
    ("doorward-listen", "tokio_rustls"),
    ("doorward-observe", "tokio"),
    ("doorward-observe", "tracing"),
    ("doorward-observe", "tracing_core"),
    ("doorward-observe", "tracing_subscriber"),
    ("doorward-store", "futures_core"),
];

/// Fails if a public item of a published crate names a type of a crate that it may not show, or if a public type cannot grow.
pub(crate) fn check() -> anyhow::Result<()> {
    let metadata = shell::metadata()?;
    let documents = metadata.target_directory.join("doc");
    document(metadata.target_directory.as_std_path())?;
    let (mut strays, mut closed) = (BTreeSet::new(), BTreeSet::new());
    for package in published(&metadata) {
        let file = documents.join(format!("{}.json", package.name.replace('-', "_")));
        let text = std::fs::read_to_string(&file).with_context(|| format!("{file} cannot be read"))?;
        let document = serde_json::from_str(&text)?;
        closed.append(&mut growth::faults(package.name.as_str(), &document));
        for (foreign, items) in shown(&document)? {
            let is_ours = foreign == "doorward" || foreign.starts_with("doorward_");
            if !is_ours && !ANYWHERE.contains(&&*foreign) && !HERE.contains(&(package.name.as_str(), &*foreign)) {
                strays.insert(format!("{} shows {foreign}: {}", package.name, Vec::from_iter(items).join(", ")));
            }
        }
    }
    if !strays.is_empty() {
        bail!("the public interface shows types of other crates:\n{}", Vec::from_iter(strays).join("\n"));
    }
    if !closed.is_empty() {
        bail!(
            "a new field or variant of these types breaks callers (bins/xtask/src/growth.rs lists the exceptions):\n{}",
            Vec::from_iter(closed).join("\n")
        );
    }
    shell::say("the public interface shows only the listed crates, and its types can grow");
    Ok(())
}

/// Writes rustdoc's JSON of all libraries. The format is unstable. A wrapper permits it to rustdoc only, so that no
/// crate is compiled again.
fn document(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let wrapper = folder.join("unstable-rustdoc");
    std::fs::write(&wrapper, "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n")?;
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755))?;
    let wrapper = wrapper.to_string_lossy();
    let environment = [("RUSTDOC", &*wrapper), ("RUSTDOCFLAGS", "-Z unstable-options --output-format json")];
    shell::run("cargo", &["doc", "--workspace", "--all-features", "--no-deps", "--lib"], &environment)
}

/// Returns the foreign crates whose items a crate's public interface names, each with the paths of those items.
fn shown(document: &Value) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let index = document.get("index").and_then(Value::as_object).context("no index in rustdoc's JSON")?;
    for item in index.values().filter(|item| item.get("crate_id") == Some(&Value::from(0))) {
        if is_made_by_the_compiler(item) {
            continue;
        }
        let mut ids = Vec::new();
        named(item.get("inner").unwrap_or(&Value::Null), &mut ids);
        for path in ids.iter().filter_map(|id| document.pointer(&format!("/paths/{id}"))) {
            let number = path.get("crate_id").unwrap_or(&Value::Null);
            let foreign = document.pointer(&format!("/external_crates/{number}/name")).and_then(Value::as_str);
            if let (Some(name), Some(words)) = (foreign, path.get("path").and_then(Value::as_array)) {
                let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
                found.entry(name.to_owned()).or_default().insert(words.join("::"));
            }
        }
    }
    Ok(found)
}

/// Returns true if an item is the implementation of an auto trait, or comes from an implementation for all types.
fn is_made_by_the_compiler(item: &Value) -> bool {
    let implementation = item.pointer("/inner/impl");
    implementation.is_some_and(|of| {
        of.get("is_synthetic") == Some(&Value::Bool(true)) || of.get("blanket_impl").is_some_and(Value::is_object)
    })
}

/// Collects the ids that a part of an item names: an object with a path has an id.
fn named(part: &Value, ids: &mut Vec<String>) {
    match part {
        Value::Array(parts) => parts.iter().for_each(|part| named(part, ids)),
        Value::Object(fields) => {
            if fields.contains_key("path") {
                ids.extend(fields.get("id").map(Value::to_string));
            }
            fields.values().for_each(|part| named(part, ids));
        }
        _ => {}
    }
}
