//! The keys that seal credentials at rest: found, checked against the store, and made if nothing is sealed yet.
//!
//! The store names the key that seals. A server that has another one alone would seal what no other server opens, and so does
//! not start.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use doorward::StoreUrl;
use doorward::auth::Core;
use doorward::records::{Sealing, SealingKey, SealingKeys, opens_any};
use doorward::store::{SealingKeyId, StoreError};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::{environment, secret_file};

const VARIABLE: &str = "DOORWARD_SEALING_KEY";
const FILE_VARIABLE: &str = "DOORWARD_SEALING_KEY_FILE";

/// The pause between two looks at which key the store names. A write that comes before the look is refused by the store, sealed
/// again and written again.
const LOOK: Duration = Duration::from_secs(2);

/// The shortest time between two readings of the file for the same unknown key.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The place of the keys.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    /// In the environment. The value itself is not kept.
    Variable,
    /// In a file.
    File(PathBuf),
}

/// The names of the keys' place, in the order of precedence.
#[derive(Debug, Default)]
struct Named {
    flag: Option<PathBuf>,
    has_variable: bool,
    file_variable: Option<PathBuf>,
    configured: Option<PathBuf>,
}

impl Place {
    /// Flags override the environment, which overrides the configuration file, which overrides the file beside the store.
    fn of(named: Named, store: &StoreUrl) -> Option<Self> {
        match (named.flag, named.has_variable, named.file_variable.or(named.configured), store) {
            (Some(path), ..) | (None, false, Some(path), _) => Some(Self::File(path)),
            (None, true, ..) => Some(Self::Variable),
            (None, false, None, StoreUrl::Sqlite(path)) => Some(Self::File(beside(path))),
            (None, false, None, _) => None,
        }
    }

    /// Reads the keys; none if there is no file.
    fn read(&self) -> anyhow::Result<Option<SealingKeys>> {
        let text = match self {
            Self::Variable => Zeroizing::new(std::env::var(VARIABLE).with_context(|| format!("in {VARIABLE}"))?),
            Self::File(path) => match secret_file::read(path) {
                Err(error) if is_missing(&error) => return Ok(None),
                read => read?,
            },
        };
        text.parse().map(Some).with_context(|| format!("in {self}"))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable => f.write_str(VARIABLE),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

fn beside(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(".sealing-key");
    path.into()
}

/// Finds the keys and checks them against the store. Makes a key beside an embedded store if nothing is sealed yet.
///
/// # Errors
///
/// Fails if the keys cannot be read, if the file is open to others, or if the store's values are sealed with a key that is not
/// among them.
pub async fn load(config: &Config, store: &dyn Sealing, core: &Core) -> anyhow::Result<Arc<SealingKeys>> {
    let credential = || secret_file::credential(environment::SEALING_KEY_CREDENTIAL);
    let named = Named {
        flag: config.sealing_key_flag.clone(),
        has_variable: environment::variable(VARIABLE).is_some(),
        file_variable: environment::variable(FILE_VARIABLE).map(PathBuf::from).or_else(credential),
        configured: config.sealing_key_file.clone(),
    };
    let Some(place) = Place::of(named, &config.store) else {
        bail!(
            "{} is no file to keep the sealing key beside: make one for all nodes with `openssl rand -base64 32`, \
             and name it with --sealing-key-file or {VARIABLE}",
            config.store
        )
    };
    let keys = checked(&place, config, store, core).await?;
    let keys = Arc::new(match &place {
        Place::Variable => keys,
        Place::File(_) => keys.with_source(again(place.clone(), core.clone())),
    });
    tokio::spawn(follow(Arc::clone(&keys), place, core.clone()));
    Ok(keys)
}

/// Reads the keys, and sees to it that the store names one of them.
async fn checked(place: &Place, config: &Config, store: &dyn Sealing, core: &Core) -> anyhow::Result<SealingKeys> {
    let named = named(core).await?;
    let read = place.read()?;
    if let Some(named) = named {
        let Some(keys) = read else { return Err(refusal(place, named, None)) };
        return if keys.seal_by(named) { Ok(keys) } else { Err(refusal(place, named, Some(&keys))) };
    }
    let keys = match (opens_any(store, read.as_ref()).await?, read) {
        (Some(false), read) => {
            let found = read.map_or_else(|| format!("there is no file {place}"), |keys| holds(place, &keys));
            bail!(
                "the store has sealed values, and none of them opens: {found}. Bring back the key that sealed them, by \
                 --sealing-key-file or {VARIABLE}.{LOST}"
            )
        }
        (_, Some(keys)) => keys,
        (None | Some(true), None) => match (place, &config.store) {
            // Of several nodes, each would make its own, and none could open what another has sealed.
            (Place::File(path), StoreUrl::Sqlite(_)) => make(path, core)?,
            _ => bail!("there is no file {place}: make one for all nodes with `openssl rand -base64 32`"),
        },
    };
    // Another server may have been quicker.
    if !store.name_sealing_key(None, keys.sealing(), None).await? {
        let named =
            self::named(core).await?.context("the store's sealing key was exchanged at this moment: start again")?;
        if !keys.seal_by(named) {
            return Err(refusal(place, named, Some(&keys)));
        }
    }
    Ok(keys)
}

/// Returns the key that the store names.
async fn named(core: &Core) -> Result<Option<SealingKeyId>, StoreError> {
    let (_, identity) = core.store().identity().await?.proved_of_any_store()?;
    Ok(identity.sealing_key)
}

const LOST: &str =
    " If the key is lost for good, `doorward sealing-key rotate --accept-loss FILE` goes on without the values";

fn holds(place: &Place, keys: &SealingKeys) -> String {
    let ids: Vec<_> = keys.ids().iter().map(ToString::to_string).collect();
    format!("{place} holds {}", ids.join(", "))
}

fn refusal(place: &Place, named: SealingKeyId, keys: Option<&SealingKeys>) -> anyhow::Error {
    let found = keys.map_or_else(|| format!("there is no file {place}"), |keys| holds(place, keys));
    anyhow::anyhow!(
        "the store is sealed with the key {named}, and {found}. Copy the file with the key {named} from another server or from \
         the backup, and name it with --sealing-key-file or {VARIABLE}.{LOST}"
    )
}

/// Returns what reads the file again for a value of an unknown key, but not all the time.
fn again(place: Place, core: Core) -> impl Fn(SealingKeyId) -> Option<SealingKeys> + Send + Sync {
    let last = Mutex::new(None);
    move |id| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = core.clock().tick();
        if last.is_some_and(|(asked, last)| asked == id && now.since(last) < READ_AGAIN) {
            return None;
        }
        *last = Some((id, now));
        place.read().inspect_err(|error| tracing::error!("the sealing keys cannot be read again: {error:#}")).ok()?
    }
}

/// Seals with the key that the store names, as soon as the store names another.
async fn follow(keys: Arc<SealingKeys>, place: Place, core: Core) {
    let mut told = None;
    loop {
        tokio::time::sleep(LOOK).await;
        // If the store cannot be asked now, nothing can be written either.
        let Ok(Some(named)) = named(&core).await else { continue };
        if named == keys.sealing() {
            continue;
        }
        if !keys.has(named)
            && let Ok(Some(read)) = place.read()
        {
            keys.add(&read);
        }
        if keys.seal_by(named) {
            tracing::info!(key = %named, "sealing with another key from now on");
        } else if told.replace(named) != Some(named) {
            let error = refusal(&place, named, Some(&keys));
            tracing::error!("this server seals with a key from before a rotation, and opens no newer value: {error:#}");
        }
    }
}

/// Makes the file with mode 0600 and not at all where another process was quicker, whose key is then taken.
fn make(path: &Path, core: &Core) -> anyhow::Result<SealingKeys> {
    let (key, text) = SealingKey::draw(&**core.random())?;

    let temporary = path.with_extension(format!("sealing-key.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link fails where the name is taken: a key that is in use is never replaced.
        let linked = std::fs::hard_link(&temporary, path);
        std::fs::remove_file(&temporary)?;
        linked
    };
    match write() {
        Ok(()) => {
            tracing::info!(file = %path.display(), "made the key that seals credentials at rest; back it up apart from the store");
            Ok(key.into())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = Zeroizing::new(std::fs::read_to_string(path)?);
            text.parse().with_context(|| format!("in {}", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("the sealing key {} cannot be made", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_override_the_environment_and_that_the_file() {
        let path = |name: &str| Some(PathBuf::from(name));
        let named =
            |flag, has_variable, file_variable, configured| Named { flag, has_variable, file_variable, configured };
        let (sqlite, postgres): (StoreUrl, StoreUrl) =
            ("sqlite:a.db".parse().unwrap(), "postgres://localhost/a".parse().unwrap());
        let file = |name| Some(Place::File(PathBuf::from(name)));
        let cases = [
            (named(path("flag"), true, path("file variable"), path("configured")), file("flag")),
            (named(None, true, path("file variable"), path("configured")), Some(Place::Variable)),
            (named(None, false, path("file variable"), path("configured")), file("file variable")),
            (named(None, false, None, path("configured")), file("configured")),
        ];
        for (named, place) in cases {
            assert_eq!(Place::of(named, &postgres), place);
        }
        assert_eq!(Place::of(Named::default(), &sqlite), file("a.db.sealing-key"));
        assert_eq!(Place::of(Named::default(), &postgres), None);
    }
}
