//! Programs that are measured from outside.

use std::process::Child;

use anyhow::Context;

/// A program that runs. Dropping it kills it.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Resident memory, in bytes (proc(5), `VmRSS`).
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
