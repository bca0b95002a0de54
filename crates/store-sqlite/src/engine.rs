//! A store's open files and the threads that use them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rusqlite::Connection;

use crate::connection_thread::ConnectionThread;
use crate::files::Files;
use crate::writer::Writer;

/// The open files, shared by all handles on a store. Dropping the last handle closes them.
pub(crate) struct Engine {
    pub(crate) files: Arc<Files>,
    /// The reading threads, or `None` after the store was closed.
    connection_threads: Mutex<Option<Vec<Weak<ConnectionThread>>>>,
    /// The writer's connection closes last, and removes the files beside the store's file.
    pub(crate) writer: Writer,
}

impl Engine {
    pub(crate) fn start(connection: Connection, files: Files) -> Arc<Self> {
        let files = Arc::new(files);
        let writer = Writer::start(connection, &files);
        Arc::new(Self { files, connection_threads: Mutex::new(Some(vec![])), writer })
    }

    /// Starts threads that read, each with its own connection.
    pub(crate) fn connection_thread(&self, name: &str, threads: usize) -> Arc<ConnectionThread> {
        let connection_thread = Arc::new(ConnectionThread::start(name, threads, &self.files));
        match &mut *self.connection_threads.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(connection_threads) => {
                connection_threads.retain(|connection_thread| connection_thread.strong_count() > 0);
                connection_threads.push(Arc::downgrade(&connection_thread));
            }
            None => connection_thread.close(),
        }
        connection_thread
    }

    /// Finishes the jobs that were begun, and closes all connections, the writer's last.
    pub(crate) fn close(&self) {
        let connection_threads = self.connection_threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        for connection_thread in connection_threads.iter().flatten().filter_map(Weak::upgrade) {
            connection_thread.close();
        }
        self.writer.close();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}
