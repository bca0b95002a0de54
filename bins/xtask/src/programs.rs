//! The programs that the tests need beside Rust's own: found, or installed where that can be done, or named.

use anyhow::bail;

use crate::{postgres, shell};

/// A program, and the Debian package that has it.
const NEEDED: &[(&str, &str)] = &[
    ("cc", "gcc"),
    ("chromedriver", "chromium-driver"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("pgbouncer", "pgbouncer"),
    ("python3", "python3"),
];

/// What npm installs, by a lock file: an OAuth server for the tests.
const NODE_PROJECT: &str = "bins/server/tests/oauth";

/// Makes sure that everything is there. Nothing is skipped in silence.
pub(crate) fn ensure() -> anyhow::Result<()> {
    install_programs()?;
    // npm copies the lock file that it went by.
    let (project, installed) = (shell::root().join(NODE_PROJECT), "node_modules/.package-lock.json");
    let time_of = |file: &str| project.join(file).metadata()?.modified();
    match (time_of("package-lock.json"), time_of(installed)) {
        (Ok(wanted), Ok(there)) if wanted <= there => Ok(()),
        _ => shell::run("npm", &["ci", "--prefix", NODE_PROJECT, "--ignore-scripts", "--no-audit", "--no-fund"], &[]),
    }
}

fn install_programs() -> anyhow::Result<()> {
    let missing = NEEDED.iter().filter(|(program, _)| !shell::has(program)).map(|(_, package)| *package);
    // Its programs are not on the path.
    let packages: Vec<_> = missing.chain(postgres::programs().is_none().then_some("postgresql")).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || !shell::has("apt-get") {
        bail!("these programs are missing: install the Debian packages {}, or their like", packages.join(" "));
    }
    shell::run("apt-get", &["update", "-qq"], &[])?;
    let install = [&["install", "-y", "-qq", "--no-install-recommends"], &packages[..]].concat();
    shell::run("apt-get", &install, &[("DEBIAN_FRONTEND", "noninteractive")])
}
