//! `doorward sealing-key rotate`: another key for all that is sealed at rest, while servers run.
//!
//! First the file gets the key, then the store names it, then every value is sealed with it. If the command ends in between,
//! the file holds every key that a value needs, and the next run goes on.

use std::path::Path;

use doorward::audit::{Action, EventDraft};
use doorward::records::{Resealed, SealStep, SealingError, SealingKey, SealingKeys, is_half_sealed, opens_any, reseal};
use doorward::secret_files::KeyFile;
use doorward::store::SealingKeyId;
use doorward::types::{Environment, OrganizationId};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::arguments::Rotation;
use crate::confirm;
use crate::context::CliContext;
use crate::failure::CliError;
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

pub(crate) async fn rotate(context: &CliContext, rotation: &Rotation) -> Result<(), CliError> {
    let file = KeyFile::hold(&rotation.file)?;
    let text = match file.read()? {
        None if !rotation.accept_loss => return Err(missing(&rotation.file)),
        text => text.unwrap_or_default(),
    };
    let held = match text.trim() {
        "" if rotation.accept_loss => None,
        text => Some(text.parse::<SealingKeys>().map_err(|error| CliError::of_file("used", &rotation.file, &error))?),
    };
    let mut named = named(context).await?;
    if !opens(context, named, held.as_ref()).await? {
        if !rotation.accept_loss {
            return Err(not_held(named, held.as_ref(), &rotation.file));
        }
        let what =
            "Values that only the lost key opens are lost permanently: credentials, connectors and links under way.";
        confirm::by_name(rotation.consent, what, "lost")?;
    }
    if let (None, Some(held)) = (named, &held) {
        // No server has started since stores name their key.
        if !context.store.name_sealing_key(None, held.sealing(), None).await? {
            return Err(CliError::conflict("a server has just started: run this again".to_owned()));
        }
        named = Some(held.sealing());
    }
    let waiting = match &held {
        Some(held) if named != Some(held.sealing()) => Some("is in the file, and the store names another"),
        Some(held) if is_half_sealed(&*context.store, held, held.sealing()).await? => {
            Some("does not seal every value yet")
        }
        _ => None,
    };
    let keys = match (held, waiting) {
        (Some(held), Some(why)) if !rotation.stage => {
            context
                .output
                .remark(&format!("The key {} {why}: the rotation to it goes on, and no key is added.", held.sealing()));
            held
        }
        (Some(held), Some(_)) => {
            let key = held.sealing();
            return staged(key, &rotation.file, "was added before", &context.output);
        }
        (_, None) | (None, _) => add(&file, &text)?,
    };
    if rotation.stage {
        return staged(keys.sealing(), &rotation.file, "is in the file", &context.output);
    }
    name(context, named, keys.sealing()).await?;
    let resealed = seal_everything(context, &keys).await?;
    let (key, lines) = (keys.sealing(), keys.ids().len());
    let view = Rotated { key: key.to_string(), sealed: Some(resealed.sealed), unreadable: Some(resealed.unreadable) };
    context.output.done(&view, &sentences(key, lines, resealed, &rotation.file))?;
    match resealed.unreadable {
        0 => Ok(()),
        _ if rotation.accept_loss => Ok(()),
        count => {
            let what = format!(
                "{count} values open with none of the keys, and stay as they are: add the key that sealed them to the file, as \
                 its first line, and run this again"
            );
            Err(if context.output.format() == crate::arguments::Format::Json {
                CliError::told(&what)
            } else {
                CliError::failed(what)
            })
        }
    }
}

/// Returns the key that the store names.
async fn named(context: &CliContext) -> Result<Option<SealingKeyId>, CliError> {
    Ok(context.store.identity().await?.proved_of_any_store()?.1.sealing_key)
}

/// Returns whether the keys open the store's values, as far as that can be seen.
async fn opens(
    context: &CliContext,
    named: Option<SealingKeyId>,
    held: Option<&SealingKeys>,
) -> Result<bool, CliError> {
    match named {
        Some(named) => Ok(held.is_some_and(|held| held.has(named))),
        None => Ok(opens_any(&*context.store, held).await? != Some(false)),
    }
}

fn missing(file: &Path) -> CliError {
    CliError::not_found(format!(
        "there is no file {}: give the file of the servers' --sealing-key-file; without that flag, it is the store's path \
         with .sealing-key after it. If the key is in DOORWARD_SEALING_KEY, put it into a file first",
        file.display()
    ))
}

fn not_held(named: Option<SealingKeyId>, held: Option<&SealingKeys>, file: &Path) -> CliError {
    let ids: Vec<_> = held.iter().flat_map(|held| held.ids()).map(|id| id.to_string()).collect();
    let sealed = named.map_or_else(
        || "the store's values open with no key of the file".to_owned(),
        |named| format!("the store is sealed with the key {named}"),
    );
    CliError::conflict(format!(
        "{sealed}, and {} holds {}. Bring the key back from a server or from the backup, as the first line of the file. If it is \
         lost permanently, add --accept-loss",
        file.display(),
        ids.join(", ")
    ))
}

/// Adds a new key to the file. Returns all keys, of which it is the newest.
fn add(file: &KeyFile, text: &Zeroizing<String>) -> Result<SealingKeys, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::failed(error.to_string());
    let (_, line) = SealingKey::draw(&doorward::key::SystemRandom).map_err(|error| failed(&error))?;
    let separator = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let text = Zeroizing::new(format!("{}{separator}{}", text.as_str(), line.as_str()));
    let keys = text.parse().map_err(|error: doorward::records::SealingKeyError| failed(&error))?;
    file.replace(text.as_bytes())?;
    Ok(keys)
}

fn staged(key: SealingKeyId, file: &Path, how: &str, output: &Output) -> Result<(), CliError> {
    let sentences = format!(
        "The key {key} {how}, and seals nothing yet. Copy {file} to every server and into your backup; servers read it by \
         themselves. Then run `doorward sealing-key rotate {file}`.",
        file = file.display()
    );
    output.done(&Rotated { key: key.to_string(), sealed: None, unreadable: None }, &sentences)
}

/// Names the key in the store, with the event that records it.
async fn name(context: &CliContext, before: Option<SealingKeyId>, key: SealingKeyId) -> Result<(), CliError> {
    if before == Some(key) {
        return Ok(());
    }
    let log = (OrganizationId::INSTALLATION, Environment::Production);
    let (attribution, now) = (context.request.attribution(), context.core.clock().now());
    let event = EventDraft::new(attribution, now, Action::SealingKeyRotated, key.to_string(), log);
    if context.store.name_sealing_key(before, key, Some(event)).await? {
        return Ok(());
    }
    Err(CliError::conflict(
        "another rotation has just begun, with another file: wait for its end, and copy its file here".to_owned(),
    ))
}

/// Seals every value with the newest key.
async fn seal_everything(context: &CliContext, keys: &SealingKeys) -> Result<Resealed, CliError> {
    let store = &context.store;
    let mut progress = Progress::new(&context.output);
    let mut report = |SealStep { kind, done, of, .. }: SealStep| {
        progress.show(&format!("sealing {}: {done} of {of}", kind.as_str()), false);
    };
    let resealed = reseal(&**store, keys, &**context.core.random(), &mut report).await;
    progress.end();
    resealed.map_err(failure)
}

fn failure(error: SealingError) -> CliError {
    match error {
        SealingError::Store(error) => error.into(),
        error => CliError::failed(format!("{error}. Run this again: it goes on")),
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
