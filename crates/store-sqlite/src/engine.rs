//! The open files of a store, and the threads that work on them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rusqlite::Connection;

use crate::files::Files;
use crate::lane::Lane;
use crate::writer::Writer;

/// The open files, which all handles on a store share. They are closed with the last handle.
pub(crate) struct Engine {
    pub(crate) files: Arc<Files>,
    /// Every lane with connections; none once the store is closed.
    lanes: Mutex<Option<Vec<Weak<Lane>>>>,
    /// Its connection is closed last, and takes the files beside the store's away.
    pub(crate) writer: Writer,
}

impl Engine {
    pub(crate) fn start(connection: Connection, files: Files) -> Arc<Self> {
        let files = Arc::new(files);
        let writer = Writer::start(connection, &files);
        Arc::new(Self { files, lanes: Mutex::new(Some(vec![])), writer })
    }

    /// Starts threads that read, each with a connection of its own.
    pub(crate) fn lane(&self, name: &str, threads: usize) -> Arc<Lane> {
        let lane = Arc::new(Lane::start(name, threads, &self.files));
        match &mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(lanes) => {
                lanes.retain(|lane| lane.strong_count() > 0);
                lanes.push(Arc::downgrade(&lane));
            }
            None => lane.close(),
        }
        lane
    }

    /// Ends what was begun, and closes all connections: the writer's last.
    pub(crate) fn close(&self) {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).take();
        for lane in lanes.iter().flatten().filter_map(Weak::upgrade) {
            lane.close();
        }
        self.writer.close();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}
