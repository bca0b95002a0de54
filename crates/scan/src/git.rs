//! The history of a git repository, and what its next commit will hold.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use gix::bstr::{BString, ByteSlice};
use gix::{ObjectId, Repository, object};

use crate::archive::Look;
use crate::report::{Place, Report};
use crate::scanner::Scanner;

/// A repository that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct GitError {
    path: PathBuf,
    fault: String,
}

/// A text of the history.
struct Text {
    id: ObjectId,
    path: BString,
    commit: Option<ObjectId>,
}

/// The texts that the walk has gathered.
#[derive(Default)]
struct Gathered {
    texts: Vec<Text>,
    known: HashSet<ObjectId>,
    faults: Vec<(Place, String)>,
}

impl Scanner {
    /// Looks at everything that the references of a repository reach: each file of each commit once, named by the first commit
    /// that has it, and the messages of commits and tags. The path is that of a repository, or of a folder in it.
    #[must_use]
    pub fn history(&self, path: &Path) -> Report {
        self.reported(path, || {
            let repository = open(path)?;
            let mut gathered = Gathered::default();
            gathered.references(&repository).map_err(|fault| failed(path, fault))?;
            let mut report = self.texts(&repository, &gathered.texts, path)?;
            for (place, fault) in gathered.faults {
                report.fault(&self.finder, &place, fault);
            }
            Ok(report)
        })
    }

    /// Looks at the files that the next commit of a repository changes or adds, as they are in its index. Another index takes the
    /// place of the repository's own, as git names it to its hooks in GIT_INDEX_FILE.
    #[must_use]
    pub fn staged(&self, path: &Path, index: Option<&Path>) -> Report {
        self.reported(path, || {
            let repository = open(path)?;
            let index = index.map_or_else(|| repository.index_path(), Path::to_owned);
            let options = gix::index::decode::Options::default();
            let index = gix::index::File::at_or_default(index, repository.object_hash(), true, options);
            let index = index.map_err(|fault| failed(path, fault))?;
            let mut gathered = Gathered::default();
            let head = repository.head_tree_id_or_empty().map_err(|fault| failed(path, fault))?.detach();
            gathered.tree(&repository, head, BString::default(), None);
            gathered.texts.clear();
            for entry in index.entries() {
                if !entry.mode.is_submodule() && !entry.id.is_null() {
                    gathered.text(entry.id, entry.path(&index).to_owned(), None);
                }
            }
            self.texts(&repository, &gathered.texts, path)
        })
    }

    /// Returns a sorted report, which says if the repository could not be read.
    fn reported(&self, path: &Path, look: impl FnOnce() -> Result<Report, GitError>) -> Report {
        let mut report = look().unwrap_or_else(|error| {
            let mut report = Report::default();
            let place = self.place(path, &mut report);
            report.fault(&self.finder, &place, error.fault);
            report
        });
        report.sort();
        report
    }

    /// Looks at the texts, on all processors.
    fn texts(&self, repository: &Repository, texts: &[Text], path: &Path) -> Result<Report, GitError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(texts.len() / 64 + 1);
        let (next, whole) = (AtomicUsize::new(0), Mutex::new(Report::default()));
        let folder = repository.git_dir();
        std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let own = open_at(folder, path)?;
                        let mut report = Report::default();
                        // Neighbours in the history are often neighbours in a pack.
                        const TOGETHER: usize = 64;
                        loop {
                            let from = next.fetch_add(TOGETHER, Ordering::Relaxed);
                            let Some(rest) = texts.get(from..).filter(|rest| !rest.is_empty()) else { break };
                            rest.iter().take(TOGETHER).for_each(|text| self.text(&own, text, &mut report));
                        }
                        whole.lock().unwrap_or_else(PoisonError::into_inner).add(report);
                        Ok(())
                    })
                })
                .collect();
            started.into_iter().try_for_each(|thread| {
                let ended = thread.join();
                ended.unwrap_or_else(|_| Err(failed(path, "a thread has ended early")))
            })
        })?;
        Ok(whole.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn text(&self, repository: &Repository, text: &Text, report: &mut Report) {
        let (name, sightings) = self.finder.redacted(&text.path);
        let commit = text.commit.map(|commit| commit.to_hex().to_string());
        let place = Place { commit, ..Place::of(name) };
        report.named(&place, sightings);
        match repository.find_object(text.id) {
            Ok(found) => {
                let look = Look::new(&self.finder, self.limits);
                let text = match found.kind {
                    object::Kind::Commit | object::Kind::Tag => message(&found.data),
                    object::Kind::Blob | object::Kind::Tree => &found.data,
                };
                look.file(&mut std::io::Cursor::new(text), &place, report);
            }
            Err(error) => report.fault(&self.finder, &place, error),
        }
    }
}

impl Gathered {
    /// Notes a text, unless it is known.
    fn text(&mut self, id: ObjectId, path: BString, commit: Option<ObjectId>) {
        if self.known.insert(id) {
            self.texts.push(Text { id, path, commit });
        }
    }

    fn fault(&mut self, id: ObjectId, fault: impl std::fmt::Display) {
        self.faults.push((Place::of(format!("object {id}")), fault.to_string()));
    }

    /// Gathers everything that a reference names.
    fn references(&mut self, repository: &Repository) -> Result<(), String> {
        let said = |error: gix::Error| error.to_string();
        let platform = repository.references().map_err(said)?;
        let mut tips = Vec::new();
        for reference in platform.all().map_err(said)? {
            let reference = reference.map_err(|error| error.to_string())?;
            // A symbolic reference names another one, which is in the list.
            tips.extend(reference.try_id().map(gix::Id::detach));
            // The reference of the stash is the newest one. The others are in its log only.
            if reference.name().as_bstr() == "refs/stash"
                && let Some(log) = reference.log_iter().all().map_err(|error| error.to_string())?
            {
                for line in log {
                    tips.push(line.map_err(|error| error.to_string())?.new_oid());
                }
            }
        }
        // A head that is on no branch.
        if let Ok(head) = repository.head_id() {
            tips.push(head.detach());
        }
        for tip in tips {
            self.object(repository, tip);
        }
        Ok(())
    }

    /// Gathers what an object of any kind reaches.
    fn object(&mut self, repository: &Repository, tip: ObjectId) {
        let mut next = Some(tip);
        while let Some(id) = next.take().filter(|id| !self.known.contains(id)) {
            let found = match repository.find_object(id) {
                Ok(found) => found,
                Err(error) => return self.fault(id, error),
            };
            match found.kind {
                object::Kind::Commit => self.commits(repository, id),
                object::Kind::Tree => self.tree(repository, id, BString::default(), None),
                object::Kind::Blob => self.text(id, "(no name)".into(), None),
                object::Kind::Tag => {
                    self.text(id, "(the message of a tag)".into(), None);
                    match found.try_to_tag_ref() {
                        Ok(tag) => next = Some(tag.target()),
                        Err(error) => self.fault(id, error),
                    }
                }
            }
        }
    }

    /// Gathers what a commit and its ancestors hold, each after its parents: the first commit with a file brought it.
    fn commits(&mut self, repository: &Repository, tip: ObjectId) {
        enum Step {
            Enter(ObjectId),
            Leave { commit: ObjectId, tree: ObjectId },
        }
        let mut steps = vec![Step::Enter(tip)];
        let mut entered = HashSet::new();
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(id) => {
                    if self.known.contains(&id) || !entered.insert(id) {
                        continue;
                    }
                    let found = repository.find_object(id).map_err(|error| error.to_string());
                    let read = found.and_then(|found| {
                        let commit = found.try_to_commit_ref().map_err(|error| error.to_string())?;
                        Ok((commit.tree(), commit.parents().collect::<Vec<_>>()))
                    });
                    match read {
                        Ok((tree, parents)) => {
                            steps.push(Step::Leave { commit: id, tree });
                            steps.extend(parents.into_iter().map(Step::Enter));
                        }
                        Err(error) => self.fault(id, error),
                    }
                }
                Step::Leave { commit, tree } => {
                    self.text(commit, "(the message of a commit)".into(), Some(commit));
                    self.tree(repository, tree, BString::default(), Some(commit));
                }
            }
        }
    }

    /// Gathers the files of a folder and of the folders in it.
    fn tree(&mut self, repository: &Repository, id: ObjectId, path: BString, commit: Option<ObjectId>) {
        let mut folders = vec![(id, path)];
        while let Some((id, path)) = folders.pop() {
            if id.is_empty_tree() || !self.known.insert(id) {
                continue;
            }
            let tree = match repository.find_tree(id) {
                Ok(tree) => tree,
                Err(error) => {
                    self.fault(id, error);
                    continue;
                }
            };
            for entry in tree.iter() {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        self.fault(id, error);
                        break;
                    }
                };
                let mut name = path.clone();
                if !name.is_empty() {
                    name.push(b'/');
                }
                name.extend_from_slice(entry.filename().as_bytes());
                let mode = entry.mode();
                match entry.oid() {
                    oid if mode.is_tree() => folders.push((oid.to_owned(), name)),
                    // The commit of another repository.
                    _ if mode.is_commit() => {}
                    oid => self.text(oid.to_owned(), name, commit),
                }
            }
        }
    }
}

/// Returns the message of a commit or a tag: what stands behind the first empty line.
fn message(object: &[u8]) -> &[u8] {
    object.find(b"\n\n").and_then(|end| object.get(end + 2..)).unwrap_or_default()
}

/// Returns the folder of the hooks of a repository.
///
/// # Errors
///
/// Fails if there is no repository, or if its settings cannot be read.
pub fn hooks_folder(path: &Path) -> Result<PathBuf, GitError> {
    let repository = open(path)?;
    let set = repository.config_snapshot().trusted_path("core.hooksPath").map_err(|fault| failed(path, fault))?;
    Ok(match set {
        // A relative path is one from the top of the working tree.
        Some(set) => repository.workdir().map_or_else(|| repository.git_dir().join(&set), |top| top.join(&set)),
        None => repository.common_dir().join("hooks"),
    })
}

fn open(path: &Path) -> Result<Repository, GitError> {
    gix::discover(path).map_err(|fault| failed(path, fault))
}

/// Opens a repository once more, for another thread.
fn open_at(folder: &Path, path: &Path) -> Result<Repository, GitError> {
    let mut repository = gix::open(folder).map_err(|fault| failed(path, fault))?;
    repository.object_cache_size_if_unset(32 << 20);
    Ok(repository)
}

fn failed(path: &Path, fault: impl std::fmt::Display) -> GitError {
    GitError { path: path.to_owned(), fault: fault.to_string() }
}
