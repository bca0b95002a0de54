//! Programs that are measured from the outside.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, ensure};

/// Builds the server and the command line in release form. This program is already running, so it is not rebuilt.
pub(crate) fn build() -> anyhow::Result<()> {
    let build = ["build", "--release", "--quiet", "--bin", "doorward-server", "--bin", "doorward"];
    ensure!(Command::new("cargo").args(build).current_dir(root()).status()?.success(), "the programs do not build");
    Ok(())
}

/// A program that [`build`] built.
pub(crate) fn built(program: &str) -> PathBuf {
    root().join("target/release").join(program)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns whether the path has this program.
pub(crate) fn is_there(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// A running program. It is killed on drop.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Returns the resident memory in bytes (proc(5), `VmRSS`).
    pub(crate) fn memory(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
