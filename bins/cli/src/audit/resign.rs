//! Signing the statements on pruned events again: after a change of the signing key, and for prunings of older programs.

use doorward::audit::{Action, Checkpoint, EventDraft, Pruned};
use doorward::store::{EventFilter, LogCheck, LogError, Page, Scope, verify_log};
use serde::Serialize;

use super::verify::{Signer, is_about_a_signature};
use crate::arguments::{Consent, Log};
use crate::confirm;
use crate::context::CliContext;
use crate::failure::CliError;

#[derive(Serialize)]
struct ResignedView {
    resigned: Vec<String>,
}

pub(super) async fn resign(context: &CliContext, log: &Log, signer: &Signer, consent: Consent) -> Result<(), CliError> {
    let scopes: Vec<Scope> = context.logs(log).await?.into_iter().map(|(scope, _)| scope).collect();
    signer.each_fits(scopes.iter())?;
    let mut resigned = Vec::new();
    for scope in &scopes {
        let name = Checkpoint::origin_of(scope.organization(), scope.environment());
        let Some(before) = context.store.pruned(scope).await? else { continue };
        if before.is_signed_by(&name, &signer.key.verifier(&name)) {
            continue;
        }
        let after = before.signed_again(&name, &signer.key).map_err(|fault| refused(&name, &fault))?;
        match check(context, scope, &before, signer).await {
            Ok(()) => {}
            Err(fault) if is_about_a_signature(&fault) => {
                // Before the question, the rest of the log must be intact and record the pruning.
                check(context, scope, &after, signer).await.map_err(|fault| refused_fault(&name, fault))?;
                confirm::by_name(consent, &question(context, scope, &name, before.size).await?, &name)?;
            }
            Err(fault) => return Err(refused_fault(&name, fault)),
        }
        context.store.resign(&before, after, told(context, scope, &name, before.size)).await?;
        resigned.push(name);
    }
    let sentence = match resigned.len() {
        0 => "Every log that was pruned is signed by this key.".to_owned(),
        _ => format!("Signed again: {}.", resigned.join(", ")),
    };
    context.output.done(&ResignedView { resigned }, &sentence)
}

async fn check(context: &CliContext, scope: &Scope, base: &Pruned, signer: &Signer) -> Result<(), LogError> {
    let keys = signer.trusted(&Checkpoint::origin_of(scope.organization(), scope.environment()));
    let check = LogCheck::default().with_keys(&keys).with_base(base);
    verify_log(&*context.store, scope, &check, &mut |_| {}).await.map(drop)
}

fn told(context: &CliContext, scope: &Scope, name: &str, size: u64) -> EventDraft {
    context.event(scope, Action::AuditLogResigned, Pruned::subject(name, size))
}

/// Returns the question to the person who answers for a pruning without proof.
async fn question(context: &CliContext, scope: &Scope, name: &str, size: u64) -> Result<String, CliError> {
    let filter = EventFilter {
        action: Some(Action::AuditLogPruned),
        subject: Some(Pruned::subject(name, size)),
        ..EventFilter::default()
    };
    let events = context.store.events(scope, &filter, Page::first(1)).await?;
    let told = events.first().map(|event| {
        let (sequence, actor, time) = (event.sequence, &event.draft.actor, event.draft.time);
        format!(" Its event {sequence} says that {actor} did, at {time}.")
    });
    Ok(format!(
        "No key that you gave has signed that events 1 to {size} of {name} were pruned.{} Anyone who can write to the database \
         could have written that, to hide a deletion. If you sign, you answer for it.",
        told.unwrap_or_default()
    ))
}

fn refused(name: &str, fault: &dyn std::fmt::Display) -> CliError {
    CliError::failed(format!("{name}: {fault}. Nothing is signed of such a log"))
}

fn refused_fault(name: &str, fault: LogError) -> CliError {
    match fault {
        LogError::Store(error) => error.into(),
        fault => refused(name, &fault),
    }
}
