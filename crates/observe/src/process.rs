//! The process's use of files and memory, under the names that Prometheus's own clients have. Only on Linux (proc(5)).

use std::fs::{read_dir, read_to_string};

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics of the process.
#[derive(Debug, Default)]
pub(crate) struct Process {
    open_files: Gauge,
    most_files: Gauge,
    resident_bytes: Gauge,
}

impl Process {
    /// Registers the metrics, if the system tells the numbers.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let process = Self::default();
        if process.read().is_some() {
            registry.register("process_open_fds", "Open files and connections", process.open_files.clone());
            registry.register("process_max_fds", "Maximum number of them", process.most_files.clone());
            let help = "Memory in use";
            registry.register("process_resident_memory_bytes", help, process.resident_bytes.clone());
        }
        process
    }

    /// Reads the numbers. Returns `None` if the system does not tell them.
    pub(crate) fn read(&self) -> Option<()> {
        let open = read_dir("/proc/self/fd").ok()?.count();
        let limits = read_to_string("/proc/self/limits").ok()?;
        let most = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
        let status = read_to_string("/proc/self/status").ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: i64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
        self.open_files.set(i64::try_from(open).ok()?);
        self.most_files.set(most.parse().unwrap_or(i64::MAX));
        self.resident_bytes.set(kib * 1024);
        Some(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_opened_file_is_counted() {
        let process = Process::default();
        assert_eq!(process.read(), Some(()));
        assert!(process.open_files.get() > 0 && process.open_files.get() <= process.most_files.get());
        assert!(process.resident_bytes.get() > 100 * 1024);
    }
}
