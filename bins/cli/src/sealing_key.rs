//! `doorward sealing-key rotate`: another key for all that is sealed at rest, while servers run.
//!
//! First the file gets the key, then the store names it, then every value is sealed with it. Whatever ends the command in
//! between, the file holds every key that a value needs, and the next run goes on.

use std::path::Path;

use doorward::audit::{Action, EventDraft};
use doorward::records::{Resealed, SealStep, SealingError, SealingKey, SealingKeys, is_half_sealed, opens_any, reseal};
use doorward::store::SealingKeyId;
use doorward::types::{Environment, OrganizationId};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::arguments::Rotation;
use crate::confirm;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::key_file::KeyFile;
use crate::output::Output;
use crate::progress::Progress;

#[derive(Serialize)]
struct Rotated {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<u64>,
}

pub(crate) async fn rotate(desk: &Desk, rotation: &Rotation, output: &Output) -> Result<(), Failure> {
    let file = KeyFile::hold(&rotation.file)?;
    let text = match file.read()? {
        None if !rotation.accept_loss => return Err(missing(&rotation.file)),
        text => text.unwrap_or_default(),
    };
    let held = match text.trim() {
        "" if rotation.accept_loss => None,
        text => Some(text.parse::<SealingKeys>().map_err(|error| file.cannot("used", &error))?),
    };
    let mut named = named(desk).await?;
    if !opens(desk, named, held.as_ref()).await? {
        if !rotation.accept_loss {
            return Err(not_held(named, held.as_ref(), &rotation.file));
        }
        let what =
            "What is sealed with the lost key is lost for good: credentials, connectors and links that are under way.";
        confirm::by_name(rotation.consent, what, "lost")?;
    }
    if let (None, Some(held)) = (named, &held) {
        // No server has started since stores name their key.
        if !desk.store.name_sealing_key(None, held.sealing(), None).await? {
            return Err(Failure::conflict("a server has started at this moment: run this again".to_owned()));
        }
        named = Some(held.sealing());
    }
    let waiting = match &held {
        Some(held) if named != Some(held.sealing()) => Some("is in the file, and the store names another"),
        Some(held) if is_half_sealed(&*desk.store, held, held.sealing()).await? => {
            Some("does not seal every value yet")
        }
        _ => None,
    };
    let keys = match (held, waiting) {
        (Some(held), Some(why)) if !rotation.stage => {
            output
                .remark(&format!("The key {} {why}: the rotation to it goes on, and no key is added.", held.sealing()));
            held
        }
        (Some(held), Some(_)) => {
            let key = held.sealing();
            return staged(key, &rotation.file, "was added before", output);
        }
        (_, None) | (None, _) => add(&file, &text)?,
    };
    if rotation.stage {
        return staged(keys.sealing(), &rotation.file, "is in the file", output);
    }
    name(desk, named, keys.sealing()).await?;
    let resealed = seal_everything(desk, &keys, output).await?;
    let (key, lines) = (keys.sealing(), keys.ids().len());
    let shape = Rotated { key: key.to_string(), sealed: Some(resealed.sealed), unreadable: Some(resealed.unreadable) };
    output.done(&shape, &sentences(key, lines, resealed, &rotation.file))?;
    match resealed.unreadable {
        0 => Ok(()),
        _ if rotation.accept_loss => Ok(()),
        count => {
            let what = format!(
                "{count} values open with none of the keys, and stay as they are: add the key that sealed them to the file, as \
                 its first line, and run this again"
            );
            Err(if output.format() == crate::arguments::Format::Json {
                Failure::told(&what)
            } else {
                Failure::failed(what)
            })
        }
    }
}

/// Returns the key that the store names.
async fn named(desk: &Desk) -> Result<Option<SealingKeyId>, Failure> {
    Ok(desk.store.identity().await?.proved_of_any_store()?.1.sealing_key)
}

/// Returns whether the keys are those of the store, as far as that shows.
async fn opens(desk: &Desk, named: Option<SealingKeyId>, held: Option<&SealingKeys>) -> Result<bool, Failure> {
    match named {
        Some(named) => Ok(held.is_some_and(|held| held.has(named))),
        None => Ok(opens_any(&*desk.store, held).await? != Some(false)),
    }
}

fn missing(file: &Path) -> Failure {
    Failure::not_found(format!(
        "there is no file {}: name the one that the servers' --sealing-key-file names; without that flag, it is the store's \
         path with .sealing-key after it. A key in DOORWARD_SEALING_KEY is put into a file first",
        file.display()
    ))
}

fn not_held(named: Option<SealingKeyId>, held: Option<&SealingKeys>, file: &Path) -> Failure {
    let ids: Vec<_> = held.iter().flat_map(|held| held.ids()).map(|id| id.to_string()).collect();
    let sealed = named.map_or_else(
        || "the store's values open with no key of the file".to_owned(),
        |named| format!("the store is sealed with the key {named}"),
    );
    Failure::conflict(format!(
        "{sealed}, and {} holds {}. Bring the key back from a server or from the backup, as the first line of the file. If it is \
         lost for good, add --accept-loss",
        file.display(),
        ids.join(", ")
    ))
}

/// Adds a fresh key to the file; returns all keys, of which it is the newest.
fn add(file: &KeyFile, text: &Zeroizing<String>) -> Result<SealingKeys, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    let (_, line) = SealingKey::draw(&doorward::key::SystemRandom).map_err(|error| failed(&error))?;
    let separator = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let text = Zeroizing::new(format!("{}{separator}{}", text.as_str(), line.as_str()));
    let keys = text.parse().map_err(|error: doorward::records::SealingKeyError| failed(&error))?;
    file.replace(text.as_bytes())?;
    Ok(keys)
}

fn staged(key: SealingKeyId, file: &Path, how: &str, output: &Output) -> Result<(), Failure> {
    let sentences = format!(
        "The key {key} {how}, and seals nothing yet. Copy {file} to every server and into your backup; servers read it by \
         themselves. Then run `doorward sealing-key rotate {file}`.",
        file = file.display()
    );
    output.done(&Rotated { key: key.to_string(), sealed: None, unreadable: None }, &sentences)
}

/// Has the store name the key, with the event that tells of it.
async fn name(desk: &Desk, before: Option<SealingKeyId>, key: SealingKeyId) -> Result<(), Failure> {
    if before == Some(key) {
        return Ok(());
    }
    let log = (OrganizationId::INSTALLATION, Environment::Production);
    let (attribution, now) = (desk.request.attribution(), desk.core.clock().now());
    let event = EventDraft::new(attribution, now, Action::SealingKeyRotated, key.to_string(), log);
    if desk.store.name_sealing_key(before, key, Some(event)).await? {
        return Ok(());
    }
    Err(Failure::conflict(
        "another rotation has begun at this moment, with another file: let it end, and copy its file here".to_owned(),
    ))
}

/// Seals every value with the newest key.
async fn seal_everything(desk: &Desk, keys: &SealingKeys, output: &Output) -> Result<Resealed, Failure> {
    let store = &desk.store;
    let mut progress = Progress::new(output);
    let mut report = |SealStep { kind, done, of }: SealStep| {
        progress.show(&format!("sealing {}: {done} of {of}", kind.as_str()), false);
    };
    let resealed = reseal(&**store, keys, &**desk.core.random(), &mut report).await;
    progress.end();
    resealed.map_err(failure)
}

fn failure(error: SealingError) -> Failure {
    match error {
        SealingError::Store(error) => error.into(),
        SealingError::Random(error) => Failure::failed(format!("{error}. Run this again: it goes on")),
    }
}

fn sentences(key: SealingKeyId, lines: usize, resealed: Resealed, file: &Path) -> String {
    let file = file.display();
    let mut text = format!(
        "Everything that opens is sealed with the key {key}; {} values were sealed again. Copy {file} to every server that has a \
         copy of its own, and into your backup.",
        resealed.sealed
    );
    if resealed.unreadable > 0 {
        text += &format!(" {} values open with none of the keys.", resealed.unreadable);
    } else if lines > 1 {
        text += " Its lines above the last one can be removed when every server has the file, and when no backup of the store \
                 from before is kept.";
    }
    text
}
