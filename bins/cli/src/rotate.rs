//! `doorward key rotate`: a rotation of the production key that does itself. It can be interrupted and run again at every step:
//! the store knows how far it is.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use doorward::api::views::RegeneratedView;
use doorward::auth::{FLUSH_INTERVAL, Impact, Issuer, ManageError, StagedKey, UsedSecret};
use doorward::key::ShownOnce;
use doorward::store::Organization;
use doorward::types::{Locator, Timestamp};

use crate::arguments::KeyRotation;
use crate::confirm;
use crate::context::CliContext;
use crate::failure::CliError;
use crate::people::ago;
use crate::progress::Progress;

/// The time after which every server has written its counts of uses, even if one write takes as long as the pause before it.
const COUNTS_LAG: Duration = FLUSH_INTERVAL.saturating_mul(2);

pub(crate) async fn run(context: &CliContext, rotation: &KeyRotation) -> Result<(), CliError> {
    let organization = context.organization(&rotation.which).await?;
    let what = format!(
        "The production key of {} is rotated: the next key goes to the command, and the current key dies after nobody has used it \
         for {} s.",
        organization.name,
        rotation.idle.as_secs()
    );
    confirm::by_name(rotation.consent, &what, organization.name.as_str())?;
    // The issuer of other commands shows a new value on standard output. Here, only the command gets it.
    let issuer = Issuer::new(&context.core);
    let impact = settled(context, &issuer, &organization, rotation.delivered).await?;
    match &impact.successor {
        Some(UsedSecret { usage: Some(_), secret, .. }) => {
            context.output.remark(&format!("Goes on: the next key {} is rolled out already.", secret.locator));
        }
        Some(UsedSecret { secret, .. }) if rotation.delivered => {
            context.output.remark(&format!("Goes on: the next key {} was delivered before.", secret.locator));
        }
        staged => {
            if staged.is_some() {
                context.output.remark(
                    "A next key is staged, and nobody uses it. Its value is lost if it was not delivered, so it is withdrawn, and \
                     another is made (--delivered keeps it).",
                );
                // Not a key that somebody else has staged since.
                let request = context.request.clone().with_expected_secrets(seen(&impact));
                issuer.unstage(organization.id, &request).await?;
            }
            stage_and_deliver(context, &issuer, &organization, &rotation.deliver).await?;
        }
    }
    loop {
        let impact = watch(context, &issuer, &organization, rotation).await?;
        // Without the next key, a regeneration would make another, whose value nobody gets.
        let request = context.request.clone().with_unused_for(rotation.idle).with_expected_secrets(seen(&impact));
        match issuer.regenerate(organization.id, StagedKey::Promote, &request).await {
            // Somebody has used the current key at the last moment.
            Err(ManageError::StillInUse { .. }) => {}
            regenerated => {
                let regenerated = regenerated?;
                let retired: Vec<_> = regenerated.retired.iter().map(|secret| secret.locator.to_string()).collect();
                let sentences = format!(
                    "Dead: {}. {}\nThe next key {} is current now.",
                    retired.join(", "),
                    regenerated.receipt,
                    regenerated.secret.locator
                );
                return context.output.done(&RegeneratedView::from(&regenerated), &sentences);
            }
        }
    }
}

/// Returns the secrets of the key at the time of a look.
fn seen(impact: &Impact) -> Vec<Locator> {
    impact.dying.iter().chain(&impact.successor).map(|used| used.secret.locator).collect()
}

/// Returns the impact of the rotation, once the uses of a next key are known.
async fn settled(
    context: &CliContext,
    issuer: &Issuer,
    organization: &Organization,
    is_delivered: bool,
) -> Result<Impact, CliError> {
    let look = async || issuer.preview_regeneration(context.operator(), organization.id, StagedKey::Promote).await;
    let found = look().await?;
    // It may be in use since a moment ago.
    if !is_delivered && found.successor.as_ref().is_some_and(|next| next.usage.is_none()) {
        tokio::time::sleep(COUNTS_LAG).await;
        return Ok(look().await?);
    }
    Ok(found)
}

/// Makes the next key, and hands its value to the command. If the command fails, it may have stored the value all the same: the
/// key stays, and is withdrawn just before another is made.
async fn stage_and_deliver(
    context: &CliContext,
    issuer: &Issuer,
    organization: &Organization,
    command: &str,
) -> Result<(), CliError> {
    let staged = issuer.stage(organization.id, &context.request).await?;
    context.output.remark(&format!("Staged the next key {}. {}", staged.secret.locator, staged.receipt));
    match deliver(command, &staged.value) {
        Ok(()) => {
            context.output.remark("Delivered its value. Both keys work.");
            Ok(())
        }
        Err(reason) => Err(CliError::failed(format!(
            "{reason}. The current key works as before. The next key stays staged, in case the command has stored it: run this again to \
             deliver another"
        ))),
    }
}

/// Runs a command of the shell with the value on its standard input. Its output goes to standard error.
fn deliver(command: &str, value: &ShownOnce) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("`{command}` cannot be run: {error}");
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", command]).stdin(Stdio::piped()).stdout(std::io::stderr());
    let mut child = shell.spawn().map_err(failed)?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(value.expose().as_bytes()));
    let status = child.wait().map_err(failed)?;
    match (status.success(), written) {
        (true, Ok(())) => Ok(()),
        (true, Err(error)) => Err(format!("`{command}` did not read the value: {error}")),
        (false, _) => Err(format!("`{command}` ended with {status}")),
    }
}

/// Waits until the next key is used, and the current key was unused for long enough. Returns what a regeneration would do then.
async fn watch(
    context: &CliContext,
    issuer: &Issuer,
    organization: &Organization,
    rotation: &KeyRotation,
) -> Result<Impact, CliError> {
    let mut progress = Progress::new(&context.output);
    loop {
        let impact = issuer.preview_regeneration(context.operator(), organization.id, StagedKey::Promote).await?;
        if impact.successor.is_none() {
            progress.end();
            return Err(CliError::conflict(
                "somebody else has withdrawn or promoted the next key meanwhile: look at `doorward key list`"
                    .to_owned(),
            ));
        }
        let now = context.core.clock().now();
        progress.show(&state(&impact, now), false);
        if !impact.is_successor_unused() && impact.used_within(rotation.idle).next().is_none() {
            progress.end();
            return Ok(impact);
        }
        tokio::time::sleep(rotation.every).await;
    }
}

/// Returns the state of the rollout, for people.
fn state(impact: &Impact, now: Timestamp) -> String {
    let hour = |used: &UsedSecret| used.usage.map_or(0, |usage| usage.uses_last_hour);
    let next = impact.successor.as_ref().map_or(0, hour);
    let all = next + impact.dying.iter().map(hour).sum::<u64>();
    let share = (next * 100).checked_div(all).unwrap_or_default();
    let last = impact.dying.iter().filter_map(|used| used.usage).map(|usage| usage.last_used_at).max();
    let last = last.map_or_else(|| "never".to_owned(), |last| ago(last, now));
    format!("{share} % of {all} calls in the last hour use the next key; the current key was last used {last}")
}
