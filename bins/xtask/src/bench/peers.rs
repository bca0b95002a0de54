//! The peers, which stand in a workspace of their own, each with what it depends on.

use anyhow::ensure;

use crate::{programs, shell};

/// Those that no Rust program can call.
const BETTER_AUTH: &str = "bins/xtask/peers/better-auth";
const DJANGO_PACKAGES: &str = "bins/xtask/peers/djangorestframework-api-key/requirements.txt";
const DJANGO: &str = "bins/xtask/peers/target/python";

pub(crate) fn run() -> anyhow::Result<()> {
    for (program, package) in [("node", "nodejs"), ("npm", "npm"), ("python3", "python3-venv")] {
        ensure!(shell::has(program), "{program} is missing: install the Debian package {package}, or its like");
    }
    programs::install_node_packages(BETTER_AUTH)?;
    programs::install_python_packages(DJANGO, DJANGO_PACKAGES)?;
    let peers = ["run", "--release", "--quiet", "--manifest-path", "bins/xtask/peers/Cargo.toml"];
    shell::run("cargo", &peers, &[])
}
