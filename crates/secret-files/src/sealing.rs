//! The keys that seal credentials at rest: found, checked against the store, and made if nothing is sealed yet.
//!
//! The store names the key that seals. A server that has only another key would seal values that no other server opens, and so
//! does not start.

use std::env::VarError;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use doorward_auth::Core;
use doorward_key::RandomError;
use doorward_records::{Sealing, SealingKey, SealingKeyError, SealingKeys, opens_any};
use doorward_store::{SealingKeyId, StoreError};
use zeroize::Zeroizing;

use crate::secret_file::{self, SecretFileError};
use crate::temporary::Temporary;

/// The pause between two looks at the key that the store names. The store refuses a write that comes before the look; the value
/// is then sealed and written again.
const STORE_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The shortest time between two readings of the file for the same unknown key.
const REREAD_INTERVAL: Duration = Duration::from_secs(1);

/// The reason why the sealing keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealingSourceError {
    /// The store's key was exchanged while this program looked.
    #[error("the store's sealing key was exchanged at this moment: start again")]
    Exchanged,
    /// The text is no list of keys.
    #[error("in {place}")]
    Malformed {
        /// The file or the variable.
        place: String,
        /// The form of a key.
        source: SealingKeyError,
    },
    /// There is no file, and none may be made.
    #[error("there is no file {place}: make one for all nodes with `openssl rand -base64 32`")]
    Missing {
        /// The file.
        place: String,
    },
    /// The store has sealed values, and no key opens them.
    #[error("the store has sealed values, and none of them opens: {found}. Bring back the key that sealed them")]
    NothingOpens {
        /// The keys that are at hand.
        found: String,
    },
    /// The store names a key that is not at hand.
    #[error(
        "the store is sealed with the key {named}, and {found}. Copy the file with the key {named} from another server or from \
         the backup"
    )]
    OtherKey {
        /// The store's key.
        named: SealingKeyId,
        /// The keys that are at hand.
        found: String,
    },
    /// The operating system has no randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of a first key cannot be written.
    #[error("the sealing key {} cannot be made", path.display())]
    Unmade {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] SecretFileError),
    /// The variable cannot be read.
    #[error("in {variable}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// The reason.
        source: VarError,
    },
}

impl SealingSourceError {
    /// Returns whether the store's values need a key that is not at hand. The key may be at another place, or in a backup.
    #[must_use]
    pub const fn needs_another_key(&self) -> bool {
        matches!(self, Self::NothingOpens { .. } | Self::OtherKey { .. })
    }
}

/// The place of the sealing keys: a file with a key a line, the newest last, or a variable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealingKeySource {
    place: Place,
    is_made: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    /// The value itself is not kept.
    Variable(&'static str),
    File(PathBuf),
}

impl SealingKeySource {
    /// The keys are in this file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::File(path.into()), is_made: false }
    }

    /// The keys are in the file beside an embedded store: its path with `.sealing-key` after it.
    #[must_use]
    pub fn beside(store: &Path) -> Self {
        let mut path = store.as_os_str().to_owned();
        path.push(".sealing-key");
        Self::file(path)
    }

    /// The keys are in this variable of the environment.
    #[must_use]
    pub const fn variable(name: &'static str) -> Self {
        Self { place: Place::Variable(name), is_made: false }
    }

    /// Makes the file if there is none and nothing is sealed yet. This is for a store of one machine: of several nodes, each would
    /// make a key of its own, and none could open the others' values.
    #[must_use]
    pub fn made_if_missing(self) -> Self {
        Self { is_made: true, ..self }
    }

    /// Reads the keys, checks them against the store, and follows from now on which of them the store names. Needs a runtime of
    /// Tokio around it.
    ///
    /// # Errors
    ///
    /// Fails if the keys cannot be read, if the file is open to others, or if the store's values are sealed with a key that is not
    /// among them.
    pub async fn load(self, store: &dyn Sealing, core: &Core) -> Result<Arc<SealingKeys>, SealingSourceError> {
        let keys = self.checked(store, core).await?;
        let keys = Arc::new(match &self.place {
            Place::Variable(_) => keys,
            Place::File(_) => keys.with_source(self.place.clone().reread(core.clone())),
        });
        tokio::spawn(self.place.follow(Arc::clone(&keys), core.clone()));
        Ok(keys)
    }

    /// Does what [`SealingKeySource::load`] does, and changes nothing. Returns false if there are no keys yet, and `load` would
    /// make them.
    ///
    /// # Errors
    ///
    /// Fails like [`SealingKeySource::load`].
    pub async fn check(&self, store: &dyn Sealing, core: &Core) -> Result<bool, SealingSourceError> {
        Ok(!matches!(self.found(store, core).await?, Found::Nothing(_)))
    }

    /// Does what [`SealingKeySource::check`] does for a store that does not exist yet.
    ///
    /// # Errors
    ///
    /// Fails if the keys cannot be read, if the file is open to others, or if there are no keys and none may be made.
    pub fn check_without_store(&self) -> Result<bool, SealingSourceError> {
        match self.place.read()? {
            Some(_) => Ok(true),
            None => self.file_to_make().map(|_| false),
        }
    }

    /// Returns the file that is made if it is missing.
    fn file_to_make(&self) -> Result<&Path, SealingSourceError> {
        match &self.place {
            Place::File(path) if self.is_made => Ok(path),
            place => Err(SealingSourceError::Missing { place: place.to_string() }),
        }
    }

    /// Reads the keys, and checks them against the store.
    async fn found(&self, store: &dyn Sealing, core: &Core) -> Result<Found<'_>, SealingSourceError> {
        let place = &self.place;
        let read = place.read()?;
        if let Some(named) = named(core).await? {
            return match read {
                Some(keys) if keys.seal_by(named) => Ok(Found::Named(keys)),
                read => Err(place.lacks(named, read.as_ref())),
            };
        }
        match (opens_any(store, read.as_ref()).await?, read) {
            (Some(false), read) => Err(SealingSourceError::NothingOpens { found: place.found(read.as_ref()) }),
            (_, Some(keys)) => Ok(Found::Unnamed(keys)),
            (_, None) => Ok(Found::Nothing(self.file_to_make()?)),
        }
    }

    /// Reads the keys, and makes sure that the store names one of them.
    async fn checked(&self, store: &dyn Sealing, core: &Core) -> Result<SealingKeys, SealingSourceError> {
        let keys = match self.found(store, core).await? {
            Found::Named(keys) => return Ok(keys),
            Found::Unnamed(keys) => keys,
            Found::Nothing(path) => make(path, core)?,
        };
        // Another server may have been quicker.
        if !store.name_sealing_key(None, keys.sealing(), None).await? {
            let named = named(core).await?.ok_or(SealingSourceError::Exchanged)?;
            if !keys.seal_by(named) {
                return Err(self.place.lacks(named, Some(&keys)));
            }
        }
        Ok(keys)
    }
}

/// The keys at a place, beside a store.
enum Found<'a> {
    /// The store names one of the keys.
    Named(SealingKeys),
    /// The store names no key yet.
    Unnamed(SealingKeys),
    /// There are no keys, and nothing is sealed: this file is made.
    Nothing(&'a Path),
}

/// Returns the key that the store names.
async fn named(core: &Core) -> Result<Option<SealingKeyId>, StoreError> {
    let (_, identity) = core.store().identity().await?.proved_of_any_store()?;
    Ok(identity.sealing_key)
}

impl Place {
    /// Reads the keys. Returns none if there is no file.
    fn read(&self) -> Result<Option<SealingKeys>, SealingSourceError> {
        let text = match self {
            Self::Variable(variable) => Zeroizing::new(
                std::env::var(variable).map_err(|source| SealingSourceError::Variable { variable, source })?,
            ),
            Self::File(path) => match secret_file::read(path) {
                Err(error) if error.is_missing() => return Ok(None),
                read => read?,
            },
        };
        self.parse(&text).map(Some)
    }

    fn parse(&self, text: &str) -> Result<SealingKeys, SealingSourceError> {
        text.parse().map_err(|source| SealingSourceError::Malformed { place: self.to_string(), source })
    }

    fn found(&self, keys: Option<&SealingKeys>) -> String {
        let Some(keys) = keys else { return format!("there is no file {self}") };
        let ids: Vec<_> = keys.ids().iter().map(ToString::to_string).collect();
        format!("{self} holds {}", ids.join(", "))
    }

    fn lacks(&self, named: SealingKeyId, keys: Option<&SealingKeys>) -> SealingSourceError {
        SealingSourceError::OtherKey { named, found: self.found(keys) }
    }

    /// Returns a function that reads the file again for a value of an unknown key, though not more than once a second.
    fn reread(self, core: Core) -> impl Fn(SealingKeyId) -> Option<SealingKeys> + Send + Sync {
        let last = Mutex::new(None);
        move |id| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let now = core.clock().tick();
            if last.is_some_and(|(asked, last)| asked == id && now.since(last) < REREAD_INTERVAL) {
                return None;
            }
            *last = Some((id, now));
            let logged = |error: &SealingSourceError| {
                tracing::error!(error = error as &dyn std::error::Error, "the sealing keys cannot be read again");
            };
            self.read().inspect_err(logged).ok()?
        }
    }

    /// Seals with the key that the store names, as soon as the store names another key.
    async fn follow(self, keys: Arc<SealingKeys>, core: Core) {
        let mut logged = None;
        loop {
            tokio::time::sleep(STORE_POLL_INTERVAL).await;
            // If the store cannot be asked now, nothing can be written either.
            let Ok(Some(named)) = named(&core).await else { continue };
            if named == keys.sealing() {
                continue;
            }
            if keys.find(named) {
                tracing::info!(key = %named, "sealing with another key from now on");
            } else if logged.replace(named) != Some(named) {
                let error = self.lacks(named, Some(&keys));
                tracing::error!(
                    "this server seals with a key from before a rotation, and opens no newer value: {error}"
                );
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Makes the file with mode 0600. If another process was quicker, its key is taken.
fn make(path: &Path, core: &Core) -> Result<SealingKeys, SealingSourceError> {
    let (key, text) = SealingKey::draw(&**core.random())?;
    let write = || {
        let (temporary, mut file) = Temporary::beside(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link fails if the name is taken: a key that is in use is never replaced.
        std::fs::hard_link(temporary.path(), path)
    };
    match write() {
        Ok(()) => {
            tracing::info!(file = %path.display(), "made the key that seals credentials at rest; back it up apart from the store");
            Ok(key.into())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let place = Place::File(path.to_owned());
            place.parse(&secret_file::read(path)?)
        }
        Err(source) => Err(SealingSourceError::Unmade { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use doorward_store_memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_key_is_made_once_and_only_if_that_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::new());
        let core = Core::new(store.clone());
        let source = SealingKeySource::beside(&folder.path().join("a.db"));
        let refused = source.clone().load(&*store, &core).await.unwrap_err();
        assert!(matches!(refused, SealingSourceError::Missing { .. }), "{refused}");

        let made = source.clone().made_if_missing().load(&*store, &core).await.unwrap();
        assert!(folder.path().join("a.db.sealing-key").exists());
        assert_eq!(source.load(&*store, &core).await.unwrap().ids(), made.ids());

        let another = SealingKeySource::file(folder.path().join("other")).made_if_missing();
        let refused = another.load(&*store, &core).await.unwrap_err();
        assert!(refused.needs_another_key() && refused.to_string().contains("there is no file"), "{refused}");
    }

    #[tokio::test]
    async fn a_crash_while_a_key_was_made_stops_no_later_start_and_a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let core = Core::new(Arc::new(MemoryStore::new()));
        let path = folder.path().join("doorward.key");
        // As a process with this id left them.
        let pid = std::process::id();
        for left in [format!("doorward.sealing-key.{pid}"), format!("doorward.key.{pid}")] {
            std::fs::write(folder.path().join(left), "").unwrap();
        }
        make(&path, &core).unwrap();
        let known = make(&path, &core).unwrap();
        assert_eq!(known.ids(), Place::File(path.clone()).parse(&secret_file::read(&path).unwrap()).unwrap().ids());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(make(&folder.path().join("none/key"), &core).is_err());
    }
}
