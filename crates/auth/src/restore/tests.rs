use std::collections::BTreeSet;
use std::sync::Arc;

use doorward_audit::{ChainVerifier, Checkpoint, Event, FiledEvent, NoteKey, Pruned, SecretSummary};
use doorward_key::ShownOnce;
use doorward_origin::AllowedOrigin;
use doorward_store::{AuditLog, EventFilter, KeyStore, OperatorStore, Page, Scope, SignIns};
use doorward_store_memory::MemoryStore;
use doorward_types::{AccessKeyId, Environment, Incarnation, Locator, Name, OrganizationId, SecretState};

use super::*;
use crate::{LeakPolicies, LeakPolicy, LeakReport, Provisioned, Reported, Verifier};

/// A store whose backup is restored after further changes.
struct Drill {
    store: Arc<MemoryStore>,
    issuer: Issuer,
    operators: Operators,
    acme: Provisioned,
}

fn request() -> ChangeRequest {
    operator().request()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
fn operator() -> OperatorPrincipal {
    OperatorPrincipal::local_administrator("cli:root".parse().unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a test reads any log")]
fn scope_of(organization: OrganizationId, environment: Environment) -> Scope {
    operator().scope(organization, environment).unwrap()
}

/// A restored backup.
struct Backup {
    store: Arc<MemoryStore>,
    core: Core,
}

impl Backup {
    fn desk(&self) -> RestoreReview {
        RestoreReview::new(&self.core, self.store.clone(), operator())
    }
}

impl Drill {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let core = Core::new(store.clone());
        let issuer = Issuer::new(&core);
        let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        Self { operators: Operators::new(&core, store.clone()), store, issuer, acme }
    }

    const fn acme(&self) -> OrganizationId {
        self.acme.organization.id
    }

    /// Takes a backup.
    async fn backup(&self) -> Backup {
        let store = Arc::new(self.store.backup());
        Backup { core: Core::new(store.clone()).adopt().await.unwrap(), store }
    }

    /// Returns all events as lines of a file.
    async fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (organization, environment) in self.store.logs().await.unwrap() {
            let scope = scope_of(organization, environment);
            let events = self.store.chain(&scope, Page::first(1_000)).await.unwrap();
            lines.extend(events.into_iter().map(|event| event.unwrap().to_json_line()));
        }
        lines
    }
}

async fn compare(restored: &Backup, lines: &[String]) -> Findings {
    let mut comparison = restored.desk().compare();
    for line in lines {
        comparison.add(&FiledEvent::from_line(line).unwrap()).await.unwrap();
    }
    comparison.finish().await.unwrap()
}

/// Removes everything again and returns the new keys.
async fn kill_all(restored: &Backup, findings: &Findings) -> Vec<KilledKey> {
    let desk = restored.desk();
    let mut killed = Vec::new();
    for key in &findings.keys {
        killed.push(desk.kill(key, &request()).await.unwrap());
    }
    for passkey in &findings.passkeys {
        desk.drop_passkey(passkey, &request()).await.unwrap();
    }
    for operator in &findings.operators {
        desk.remove_operator(operator, &request()).await.unwrap();
    }
    for origin in &findings.origins {
        desk.disallow(origin, &request()).await.unwrap();
    }
    for organization in &findings.organizations {
        desk.end_organization(organization, &request()).await.unwrap();
    }
    killed
}

async fn works(restored: &Backup, value: &ShownOnce) -> bool {
    let verifier = Verifier::start(&restored.core).await.unwrap();
    let verified = verifier.verify(value.expose().as_bytes()).is_ok();
    verifier.stop().await;
    verified
}

async fn newest(restored: &Backup, organization: OrganizationId, environment: Environment) -> Event {
    let scope = scope_of(organization, environment);
    let events = restored.store.events(&scope, &EventFilter::default(), Page::first(1)).await.unwrap();
    events.into_iter().next().unwrap()
}

fn remedies(findings: &Findings) -> Vec<(Remedy, usize)> {
    findings.keys.iter().map(|key| (key.remedy, key.dead.len())).collect()
}

#[tokio::test]
async fn a_regenerated_key_is_regenerated_again() {
    let drill = Drill::new().await;
    let restored = drill.backup().await;
    let lost = drill.issuer.regenerate(drill.acme(), StagedKey::Promote, &request()).await.unwrap();
    assert!(works(&restored, &drill.acme.value).await);

    let findings = compare(&restored, &drill.lines().await).await;
    assert_eq!(remedies(&findings), [(Remedy::Regenerate, 1)]);
    assert_eq!((findings.read, findings.missing), (3, 1));
    let [gone] = &findings.gone.secrets[..] else { panic!("{findings:?}") };
    assert_eq!((gone.locator, gone.key), (lost.secret.locator, drill.acme.key.id));
    assert_eq!(findings.uncertain, []);

    let [killed] = &kill_all(&restored, &findings).await[..] else { panic!("one key") };
    assert!(!works(&restored, &drill.acme.value).await);
    assert!(!works(&restored, &lost.value.into_fresh().unwrap()).await);
    assert!(works(&restored, killed.value.as_ref().unwrap()).await);
    let event = newest(&restored, drill.acme(), Environment::Production).await;
    assert_eq!(event.draft.action, Action::AccessKeyRegenerated);
    assert_eq!(event.draft.detail.reason, Some(Reason::StoreRestored));

    let again = compare(&restored, &drill.lines().await).await;
    assert!(!again.has_revived(), "{again:?}");
    let stale = restored.desk().kill(&findings.keys[0], &request()).await;
    assert!(matches!(stale, Err(ManageError::ChangedMeanwhile)), "{stale:?}");
}

/// A quarantine that the store has lost counts as a revocation, unless an operator has ended it.
#[tokio::test]
async fn a_quarantine_after_the_backup_is_a_revocation_until_it_is_ended() {
    let drill = Drill::new().await;
    let test = drill.issuer.create(drill.acme(), name("ci"), &request()).await.unwrap();
    let verifier = Verifier::start(&Core::new(drill.store.clone())).await.unwrap();
    let policies = LeakPolicies::default().with_production(LeakPolicy::Quarantine).with_test(LeakPolicy::Quarantine);
    let report = async |value: &ShownOnce| {
        let Reported::InForce(leaked) = verifier.reported(value.expose().as_bytes()) else { panic!("it is in force") };
        drill.issuer.report(&leaked, &LeakReport::default(), policies).await.unwrap().unwrap();
    };
    let release = async |minted: (AccessKeyId, Locator)| {
        drill.issuer.release(drill.acme(), minted.0, minted.1, &request()).await.unwrap();
    };
    let (production, ci) = ((drill.acme.key.id, drill.acme.secret.locator), (test.key.id, test.secret.locator));
    // A quarantine from before the backup, which an operator has ended.
    report(&drill.acme.value).await;
    release(production).await;
    let restored = drill.backup().await;
    assert!(!compare(&restored, &drill.lines().await).await.has_revived());

    report(&drill.acme.value).await;
    report(&test.value).await;
    let findings = compare(&restored, &drill.lines().await).await;
    assert_eq!(remedies(&findings), [(Remedy::Regenerate, 1), (Remedy::Delete, 1)]);
    release(ci).await;
    let findings = compare(&restored, &drill.lines().await).await;
    assert_eq!(remedies(&findings), [(Remedy::Regenerate, 1)]);
    kill_all(&restored, &findings).await;
    assert!(!works(&restored, &drill.acme.value).await && works(&restored, &test.value).await);
    verifier.stop().await;
}

/// The backup has a next key in quarantine, which cannot take the place of the revived key.
#[tokio::test]
async fn a_staged_key_in_quarantine_is_not_promoted() {
    let drill = Drill::new().await;
    let staged = drill.issuer.stage(drill.acme(), &request()).await.unwrap();
    let verifier = Verifier::start(&Core::new(drill.store.clone())).await.unwrap();
    let Reported::InForce(leaked) = verifier.reported(staged.value.expose().as_bytes()) else { panic!("in force") };
    let policies = LeakPolicies::default().with_production(LeakPolicy::Quarantine);
    drill.issuer.report(&leaked, &LeakReport::default(), policies).await.unwrap().unwrap();
    let restored = drill.backup().await;
    drill.issuer.release(drill.acme(), staged.key.id, staged.secret.locator, &request()).await.unwrap();
    drill.issuer.regenerate(drill.acme(), StagedKey::Promote, &request()).await.unwrap();

    let findings = compare(&restored, &drill.lines().await).await;
    assert_eq!(remedies(&findings), [(Remedy::Regenerate, 1)]);
    kill_all(&restored, &findings).await;
    assert!(!works(&restored, &drill.acme.value).await);
    verifier.stop().await;
}

#[tokio::test]
async fn a_staged_key_that_was_promoted_is_promoted() {
    let drill = Drill::new().await;
    let staged = drill.issuer.stage(drill.acme(), &request()).await.unwrap();
    let restored = drill.backup().await;
    drill.issuer.regenerate(drill.acme(), StagedKey::Promote, &request()).await.unwrap();

    let findings = compare(&restored, &drill.lines().await).await;
    assert_eq!(remedies(&findings), [(Remedy::Promote, 1)]);
    assert!(findings.gone.is_empty(), "{findings:?}");
    let [killed] = &kill_all(&restored, &findings).await[..] else { panic!("one key") };
    assert!(killed.value.is_none() && killed.secret.unwrap().locator == staged.secret.locator);
    assert!(!works(&restored, &drill.acme.value).await && works(&restored, &staged.value).await);
}

#[tokio::test]
async fn a_staged_key_that_was_withdrawn_is_withdrawn() {
    let drill = Drill::new().await;
    let staged = drill.issuer.stage(drill.acme(), &request()).await.unwrap();
    let restored = drill.backup().await;
    drill.issuer.unstage(drill.acme(), &request()).await.unwrap();

    let findings = compare(&restored, &drill.lines().await).await;
    assert_eq!(remedies(&findings), [(Remedy::Unstage, 1)]);
    kill_all(&restored, &findings).await;
    assert!(works(&restored, &drill.acme.value).await && !works(&restored, &staged.value).await);
}

#[tokio::test]
async fn both_secrets_of_a_key_die_if_both_died() {
    let drill = Drill::new().await;
    let staged = drill.issuer.stage(drill.acme(), &request()).await.unwrap();
    let restored = drill.backup().await;
    // Promoted, and then regenerated.
    drill.issuer.regenerate(drill.acme(), StagedKey::Promote, &request()).await.unwrap();
    drill.issuer.regenerate(drill.acme(), StagedKey::Promote, &request()).await.unwrap();

    let findings = compare(&restored, &drill.lines().await).await;
    assert_eq!(remedies(&findings), [(Remedy::Regenerate, 2)]);
    let [killed] = &kill_all(&restored, &findings).await[..] else { panic!("one key") };
    assert!(!works(&restored, &drill.acme.value).await && !works(&restored, &staged.value).await);
    assert!(works(&restored, killed.value.as_ref().unwrap()).await);
}

#[tokio::test]
async fn everything_that_was_removed_is_removed_again_and_what_was_made_is_named() {
    let drill = Drill::new().await;
    let (issuer, operators, acme) = (&drill.issuer, &drill.operators, drill.acme());
    let deleted = issuer.create(acme, name("deleted"), &request()).await.unwrap();
    let kept = issuer.create(acme, name("kept"), &request()).await.unwrap();
    let ada = operators.add(name("ada"), &request()).await.unwrap().operator;
    operators.add(name("bob"), &request()).await.unwrap();
    let [gone, back] = ["https://gone.example", "https://back.example"].map(|text| text.parse().unwrap());
    for origin in [&gone, &back] {
        issuer.allow_origin(acme, AllowedOrigin::clone(origin), &request()).await.unwrap();
    }
    let restored = drill.backup().await;

    issuer.delete(acme, deleted.key.id, &request()).await.unwrap();
    operators.remove(&ada, &request()).await.unwrap();
    for entry in KeyStore::allowed_origins(&*drill.store, acme).await.unwrap() {
        issuer.disallow_origin(acme, entry.id, &request()).await.unwrap();
    }
    issuer.allow_origin(acme, back.clone(), &request()).await.unwrap();
    issuer.allow_origin(acme, "https://made.example".parse().unwrap(), &request()).await.unwrap();
    let made = issuer.create(acme, name("made"), &request()).await.unwrap();
    let brief = issuer.create(acme, name("brief"), &request()).await.unwrap();
    issuer.delete(acme, brief.key.id, &request()).await.unwrap();
    let eve = operators.add(name("eve"), &request()).await.unwrap().operator;
    let zeta = issuer.provision("Zeta".parse().unwrap(), &request()).await.unwrap();

    let findings = compare(&restored, &drill.lines().await).await;
    assert_eq!(remedies(&findings), [(Remedy::Delete, 1)]);
    assert_eq!(findings.keys[0].key.id, deleted.key.id);
    assert_eq!(findings.operators.iter().map(|found| found.operator.id).collect::<Vec<_>>(), [ada.id]);
    assert_eq!(
        findings.origins.iter().map(|found| found.entry.origin.clone()).collect::<Vec<_>>(),
        std::slice::from_ref(&gone)
    );
    let Gone { organizations, secrets, operators, origins } = &findings.gone;
    assert_eq!(organizations.iter().map(|gone| gone.id).collect::<Vec<_>>(), [zeta.organization.id]);
    let gone_secrets: BTreeSet<_> = secrets.iter().map(|gone| gone.locator).collect();
    assert_eq!(gone_secrets, [made.secret.locator, zeta.secret.locator].into());
    assert_eq!(operators.iter().map(|gone| gone.id).collect::<Vec<_>>(), [eve.id]);
    assert_eq!(origins.iter().map(|gone| gone.origin.to_string()).collect::<Vec<_>>(), ["https://made.example"]);

    kill_all(&restored, &findings).await;
    assert!(!works(&restored, &deleted.value).await && works(&restored, &kept.value).await);
    let left: Vec<_> = restored.store.operators().await.unwrap().into_iter().map(|found| found.name).collect();
    assert_eq!(left, [name("bob")]);
    let left = restored.store.allowed_origins(acme).await.unwrap();
    assert_eq!(left.into_iter().map(|entry| entry.origin).collect::<Vec<_>>(), [back]);
    for (log, action) in [
        ((acme, Environment::Production), Action::AllowedOriginRemoved),
        ((acme, Environment::Test), Action::AccessKeyDeleted),
        ((OrganizationId::INSTALLATION, Environment::Production), Action::OperatorDeleted),
    ] {
        let event = newest(&restored, log.0, log.1).await;
        assert_eq!((event.draft.action, event.draft.detail.reason), (action, Some(Reason::StoreRestored)));
    }
    assert!(!compare(&restored, &drill.lines().await).await.has_revived());
}

#[tokio::test]
async fn a_passkey_that_was_removed_is_removed_again() {
    let drill = Drill::new().await;
    let (desk, store): (_, &dyn SignIns) = (&drill.operators, &*drill.store);
    let ada = desk.add(name("ada"), &request()).await.unwrap().operator;
    let who = OperatorPrincipal::of_operator(&ada);
    for id in ["kept", "lost"] {
        desk.add_passkey(id.to_owned(), name(id), vec![7], &who.request()).await.unwrap();
    }
    let restored = drill.backup().await;
    desk.remove_passkey("lost", &who.request()).await.unwrap();
    assert_eq!(store.passkeys().unwrap().passkeys_of(ada.id).await.unwrap().len(), 1);

    let findings = compare(&restored, &drill.lines().await).await;
    assert_eq!(findings.passkeys.iter().map(|found| found.passkey.id.as_str()).collect::<Vec<_>>(), ["lost"]);
    assert!(findings.has_revived());
    kill_all(&restored, &findings).await;
    let left = restored.store.passkeys().unwrap().passkeys_of(ada.id).await.unwrap();
    assert_eq!(left.iter().map(|passkey| passkey.id.as_str()).collect::<Vec<_>>(), ["kept"]);
    let event = newest(&restored, OrganizationId::INSTALLATION, Environment::Production).await;
    assert_eq!(event.draft.action, Action::OperatorPasskeyRemoved);
    assert_eq!(event.draft.detail.reason, Some(Reason::StoreRestored));
    assert!(!compare(&restored, &drill.lines().await).await.has_revived());
}

#[tokio::test]
async fn a_restore_begins_an_incarnation_and_ends_sessions() {
    let drill = Drill::new().await;
    let ada = drill.operators.add(name("ada"), &request()).await.unwrap().operator;
    #[expect(clippy::disallowed_methods, reason = "a test is its own identity provider")]
    let session = drill.operators.sign_in_as(&ada, crate::Visit::default()).await.unwrap();
    let restored = drill.backup().await;
    drill.operators.sign_out(&session, crate::Visit::default()).await.unwrap();
    let desk = restored.desk();
    let begun = desk.restored(Incarnation::FIRST, &request()).await.unwrap();
    assert_eq!(begun, Restored { incarnation: Incarnation(2), ended_sessions: 1 });
    let signed_in = Operators::new(&restored.core, restored.store.clone())
        .session(&session, crate::Presence::Active)
        .await
        .unwrap();
    assert!(signed_in.is_none());
    let log = scope_of(OrganizationId::INSTALLATION, Environment::Production);
    let told = restored.store.events(&log, &EventFilter::default(), Page::first(2)).await.unwrap();
    let told: Vec<_> = told.iter().map(|event| (event.draft.action, event.incarnation)).collect();
    assert_eq!(told, [Action::OperatorSignedOut, Action::StoreRestored].map(|action| (action, Incarnation(2))));

    // The backup is restored once more: the files have the first restore.
    let again = drill.backup().await;
    let events = restored.store.chain(&log, Page::first(10)).await.unwrap();
    let lines: Vec<_> = events.into_iter().map(|event| event.unwrap().to_json_line()).collect();
    let findings = compare(&again, &lines).await;
    assert_eq!(findings.incarnation, Incarnation(2));
    let desk = again.desk();
    assert_eq!(desk.restored(findings.incarnation, &request()).await.unwrap().incarnation, Incarnation(3));
    let forged = desk.restored(Incarnation(u64::MAX), &request()).await.unwrap();
    assert_eq!(forged.incarnation, Incarnation(3 + MAX_RESTORES + 1));
}

#[tokio::test]
async fn a_store_that_lost_nothing_has_nothing_to_remove() {
    let drill = Drill::new().await;
    drill.issuer.regenerate(drill.acme(), StagedKey::Promote, &request()).await.unwrap();
    let restored = drill.backup().await;
    let findings = compare(&restored, &drill.lines().await).await;
    assert!(!findings.has_revived() && findings.gone.is_empty() && findings.uncertain.is_empty(), "{findings:?}");
    assert_eq!((findings.read, findings.missing), (3, 0));
}

/// A person who can write the file can cause removals, but nothing else.
#[tokio::test]
async fn a_forged_event_kills_at_most() {
    let drill = Drill::new().await;
    let test = drill.issuer.create(drill.acme(), name("ci"), &request()).await.unwrap();
    let restored = drill.backup().await;
    // Another organization's log, another key's name: the locator decides.
    let elsewhere = (OrganizationId::from_u128(1), Environment::Test);
    let secret = |locator| SecretSummary::new(locator, 1, SecretState::Current);
    let forged = |locator: Locator| {
        let subject = "key_01h455vb4pex5vsknk084sn02q".to_owned();
        let now = restored.core.clock().now();
        let draft = EventDraft::new(&request().attribution, now, Action::AccessKeyDeleted, subject, elsewhere);
        let detail = Detail::default().with_before(vec![secret(locator)]);
        Event::following(None, Incarnation::FIRST, draft.with_detail(detail)).to_json_line().replace("cli:root", "eve")
    };
    let lines = [forged(test.secret.locator), forged("0000000000".parse().unwrap())];
    let findings = compare(&restored, &lines).await;
    assert_eq!(remedies(&findings), [(Remedy::Delete, 1)]);
    assert_eq!(findings.keys[0].key.organization, drill.acme());
    let log = format!("doorward/{}/test", OrganizationId::from_u128(1));
    assert!(findings.uncertain.contains(&Uncertainty::Changed { log, sequence: 1 }), "{findings:?}");
}

#[tokio::test]
async fn what_the_files_do_not_tell_is_named() {
    let drill = Drill::new().await;
    drill.issuer.create(drill.acme(), name("ci"), &request()).await.unwrap();
    let restored = drill.backup().await;
    for _ in 0..3 {
        drill.issuer.regenerate(drill.acme(), StagedKey::Promote, &request()).await.unwrap();
    }
    let lines = drill.lines().await;
    let log = |environment| format!("doorward/{}/{environment}", drill.acme());
    let of = |part: &str| lines.iter().filter(|line| line.contains(part)).cloned().collect::<Vec<_>>();
    // The test log is in no file.
    let production = of("\"environment\":\"production\"");
    let untold = Uncertainty::Untold { log: log("test") };
    assert_eq!(compare(&restored, &production).await.uncertain, std::slice::from_ref(&untold));
    // The order of lines and repeated lines do not matter.
    let mut shuffled = [&production[..], &production[3..]].concat();
    shuffled.reverse();
    let findings = compare(&restored, &shuffled).await;
    assert_eq!((findings.uncertain, findings.missing), (vec![untold.clone()], 3));
    // The first lost event is in no file, so the secret that it revoked is not found.
    let gap = Uncertainty::Gap { log: log("production"), sequence: 4 };
    let findings = compare(&restored, &[&production[..2], &production[3..]].concat()).await;
    assert_eq!(findings.uncertain, [gap, untold]);
    assert_eq!(remedies(&findings), []);
}

#[tokio::test]
async fn a_log_that_was_cut_off_hides_no_death() {
    let drill = Drill::new().await;
    let scope = scope_of(drill.acme(), Environment::Production);
    let restored = drill.backup().await;
    drill.issuer.regenerate(drill.acme(), StagedKey::Promote, &request()).await.unwrap();
    let lines = drill.lines().await;
    // Meanwhile, the restored log has grown, and was pruned up to the lost event.
    for _ in 0..2 {
        let log = (drill.acme(), Environment::Production);
        let draft = EventDraft::new(
            &request().attribution,
            restored.core.clock().now(),
            Action::AuditLogExported,
            "x".into(),
            log,
        );
        restored.store.record(draft).await.unwrap();
    }
    prune(&restored, &scope, 3).await;
    let findings = compare(&restored, &lines).await;
    assert_eq!(remedies(&findings), [(Remedy::Regenerate, 1)]);
    assert!(findings.gone.is_empty() && findings.uncertain.is_empty(), "{findings:?}");
}

async fn prune(restored: &Backup, scope: &Scope, size: u64) {
    let (store, mut chain) = (&restored.store, ChainVerifier::default());
    for event in store.chain(scope, Page::first(u32::try_from(size).unwrap())).await.unwrap() {
        chain.follow(&event.unwrap()).unwrap();
    }
    let log = (scope.organization(), scope.environment());
    let name = Checkpoint::origin_of(log.0, log.1);
    let pruned = chain.prune(&name, &NoteKey::from_seed(&[7; 32].into())).unwrap().unwrap();
    let (now, subject) = (restored.core.clock().now(), Pruned::subject(&name, size));
    let event = EventDraft::new(&request().attribution, now, Action::AuditLogPruned, subject, log);
    store.prune(scope, pruned, event).await.unwrap();
}

#[tokio::test]
async fn an_organization_is_closed_or_suspended_again() {
    let drill = Drill::new().await;
    let beta = drill.issuer.provision("Beta".parse().unwrap(), &request()).await.unwrap();
    let gamma = drill.issuer.provision("Gamma".parse().unwrap(), &request()).await.unwrap();
    let restored = drill.backup().await;
    let issuer = &drill.issuer;
    for _ in 0..2 {
        issuer.suspend(beta.organization.id, None, &request()).await.unwrap();
        issuer.suspend(gamma.organization.id, None, &request()).await.unwrap();
        issuer.resume(gamma.organization.id, &request()).await.unwrap();
        issuer.resume(beta.organization.id, &request()).await.unwrap();
    }
    issuer.suspend(beta.organization.id, None, &request()).await.unwrap();
    issuer.suspend(drill.acme(), None, &request()).await.unwrap();
    issuer.close(drill.acme(), std::time::Duration::ZERO, &request()).await.unwrap();
    for value in [&drill.acme.value, &beta.value, &gamma.value] {
        assert!(works(&restored, value).await);
    }

    // The order of the lines does not matter.
    let mut lines = drill.lines().await;
    lines.reverse();
    let findings = compare(&restored, &lines).await;
    assert!(findings.has_revived() && findings.keys.is_empty());
    let found = findings.organizations.iter().map(|found| (found.organization.id, found.was_closed));
    assert_eq!(found.collect::<Vec<_>>(), [(drill.acme(), true), (beta.organization.id, false)]);
    kill_all(&restored, &findings).await;
    assert!(!works(&restored, &drill.acme.value).await && !works(&restored, &beta.value).await);
    assert!(works(&restored, &gamma.value).await);
    assert_eq!(
        newest(&restored, beta.organization.id, Environment::Production).await.draft.detail.reason,
        Some(Reason::StoreRestored)
    );
    let findings = compare(&restored, &drill.lines().await).await;
    assert!(!findings.has_revived());
}
