//! Signing again what stands for pruned events: when the signing key changes, and for programs from before.

use doorward::audit::{Action, Checkpoint, EventDraft, Pruned};
use doorward::store::{EventFilter, LogCheck, LogFault, Page, Scope, verify_log};
use serde::Serialize;

use super::verify::{Signer, is_about_a_signature};
use crate::arguments::{Consent, Log};
use crate::confirm;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Serialize)]
struct ResignedShape {
    resigned: Vec<String>,
}

pub(super) async fn resign(
    desk: &Desk,
    log: &Log,
    signer: &Signer,
    consent: Consent,
    output: &Output,
) -> Result<(), Failure> {
    let scopes: Vec<Scope> = desk.logs(log).await?.into_iter().map(|(scope, _)| scope).collect();
    signer.each_fits(scopes.iter())?;
    let mut resigned = Vec::new();
    for scope in &scopes {
        let name = Checkpoint::origin_of(scope.organization(), scope.environment());
        let Some(before) = desk.core.store().pruned(scope).await? else { continue };
        if before.is_signed_by(&name, &signer.key.verifier(&name)) {
            continue;
        }
        let after = before.signed_again(&name, &signer.key).map_err(|fault| refused(&name, &fault))?;
        match check(desk, scope, &before, signer).await {
            Ok(()) => {}
            Err(fault) if is_about_a_signature(&fault) => {
                // The rest of the log must be whole, and tell of the prune, before anyone is asked.
                check(desk, scope, &after, signer).await.map_err(|fault| refused_fault(&name, fault))?;
                confirm::by_name(consent, &question(desk, scope, &name, before.size).await?, &name)?;
            }
            Err(fault) => return Err(refused_fault(&name, fault)),
        }
        desk.core.store().resign(&before, after, told(desk, scope, &name, before.size)).await?;
        resigned.push(name);
    }
    let sentence = match resigned.len() {
        0 => "Every log that was pruned is signed by this key.".to_owned(),
        _ => format!("Signed again: {}.", resigned.join(", ")),
    };
    output.done(&ResignedShape { resigned }, &sentence)
}

async fn check(desk: &Desk, scope: &Scope, base: &Pruned, signer: &Signer) -> Result<(), LogFault> {
    let keys = signer.trusted(&Checkpoint::origin_of(scope.organization(), scope.environment()));
    let check = LogCheck { keys: &keys, base: Some(base), ..LogCheck::default() };
    verify_log(&**desk.core.store(), scope, &check, &mut |_| {}).await.map(drop)
}

fn told(desk: &Desk, scope: &Scope, name: &str, size: u64) -> EventDraft {
    desk.event(scope, Action::AuditLogResigned, Pruned::subject(name, size))
}

/// The question to the one who answers for a prune that nothing proves.
async fn question(desk: &Desk, scope: &Scope, name: &str, size: u64) -> Result<String, Failure> {
    let filter = EventFilter {
        action: Some(Action::AuditLogPruned),
        subject: Some(Pruned::subject(name, size)),
        ..EventFilter::default()
    };
    let events = desk.core.store().events(scope, &filter, Page::first(1)).await?;
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

fn refused(name: &str, fault: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("{name}: {fault}. Nothing is signed of such a log"))
}

fn refused_fault(name: &str, fault: LogFault) -> Failure {
    match fault {
        LogFault::Store(error) => error.into(),
        fault => refused(name, &fault),
    }
}
