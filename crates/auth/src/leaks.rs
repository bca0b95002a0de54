//! Reports from outside that a key has leaked.
//!
//! The reporter shows the value, and is no caller: the value opens nothing here. It proves only that the key has leaked, and a
//! [`LeakPolicy`] of the service says the rest. A report that waits for an operator's decision is not repeated: more reports of the
//! same secret change nothing.

use std::net::IpAddr;
use std::sync::Arc;

use doorward_audit::{Action, ActorId, SecretSummary};
use doorward_key::PresentedKey;
use doorward_store::{
    AccessKeyWithSecrets, Change, Events, KeyRef, LeakMarks, RequestHash, Secret, StoreError, WhichKey,
};
use doorward_types::{
    AccessKeyId, ActorName, Environment, Locator, Name, OrganizationId, RequestId, SecretState, as_text, with_fields,
    words,
};

use crate::issuer::{MAX_TRIES, between, in_state, locators, summaries, summary};
use crate::principal::Identity;
use crate::{ChangeRequest, Issuer, KnownKey, ManageError, OperatorPrincipal, Receipt, Verifier};

/// The actor of changes after a report. No operator can have the name.
const ACTOR: &str = "doorward-leak-report";

/// The answer of a service to a report that a key has leaked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LeakPolicy {
    /// People are told. The key works on.
    Notify,
    /// The secret is refused until an operator decides.
    Quarantine,
    /// The secret is revoked at once. A staged secret takes the place of a current production secret, or else a fresh secret
    /// that nobody knows. A test key is deleted.
    Revoke,
}

words! {
    LeakPolicy, "a policy for leaked keys is `notify`, `quarantine` or `revoke`":
    Notify = "notify", Quarantine = "quarantine", Revoke = "revoke"
}

as_text!(LeakPolicy);

/// The policies of a service for leaked keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LeakPolicies {
    /// The policy for production keys: at first, people decide.
    pub production: LeakPolicy,
    /// The policy for test keys: at first, people decide.
    pub test: LeakPolicy,
}

impl Default for LeakPolicies {
    fn default() -> Self {
        Self { production: LeakPolicy::Notify, test: LeakPolicy::Notify }
    }
}

with_fields! {
    LeakPolicies:
    with_production production: LeakPolicy,
    with_test test: LeakPolicy,
}

impl LeakPolicies {
    const fn of(self, environment: Environment) -> LeakPolicy {
        match environment {
            Environment::Production => self.production,
            Environment::Test => self.test,
        }
    }
}

/// The facts about a report.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LeakReport {
    /// The reporter and the kind of place, such as `GitHub: commit`.
    pub reporter: Option<Name>,
    /// The place of the value, without a value in it.
    pub url: Option<String>,
    /// The address of the reporter.
    pub source_address: Option<IpAddr>,
    /// The id of the HTTP request.
    pub request_id: Option<RequestId>,
}

with_fields! {
    LeakReport:
    with_reporter reporter: Option<Name>,
    with_url url: Option<String>,
    with_source_address source_address: Option<IpAddr>,
    with_request_id request_id: Option<RequestId>,
}

/// The key that a reported text belongs to. Only [`Verifier::reported`] makes it, from the value.
#[derive(Clone)]
pub struct LeakedKey(Arc<Identity>);

impl LeakedKey {
    /// Returns the secret with its key.
    #[must_use]
    pub fn known_key(&self) -> KnownKey {
        KnownKey::from(&self.0.live)
    }
}

impl std::fmt::Debug for LeakedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LeakedKey").field(&self.known_key().locator).finish()
    }
}

/// The standing of a reported text, as far as this node knows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reported {
    /// A key that is dead already.
    Dead,
    /// A key in force.
    InForce(LeakedKey),
    /// The text is no key of this service, or is a key that was revoked long ago.
    Unknown,
}

/// The changes that an accepted report made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LeakHandled {
    /// The policy that was applied.
    pub policy: LeakPolicy,
    /// The proof that the change is in effect.
    pub receipt: Receipt,
}

impl Verifier {
    /// Returns the key that a reported text belongs to. It counts no use, and reads nothing but memory.
    #[must_use]
    pub fn reported(&self, text: &[u8]) -> Reported {
        let digests: Vec<_> = match PresentedKey::parse(self.prefix(), text) {
            Ok(presented) => vec![(presented.locator(), presented.digest())],
            Err(_) => self.imported_digests(text).map(|found| (found.locator(), found.digest())).collect(),
        };
        let is_dead = || digests.iter().any(|(locator, digest)| self.node.revoked.find(*locator, *digest).is_some());
        let in_force = digests.iter().find_map(|(locator, digest)| {
            self.node.index.identity(locator).filter(|identity| identity.live.secret.digest == *digest)
        });
        match in_force {
            Some(identity) => Reported::InForce(LeakedKey(identity)),
            None if is_dead() => Reported::Dead,
            None => Reported::Unknown,
        }
    }
}

impl Issuer {
    /// Does to a leaked key as the policies say, and writes `access_key.reported_leaked`. Returns `None` if the secret was
    /// revoked meanwhile, or if an earlier report of it waits for an operator already.
    ///
    /// # Errors
    ///
    /// [`ManageError`] if the change was not made.
    pub async fn report(
        &self,
        leaked: &LeakedKey,
        report: &LeakReport,
        policies: LeakPolicies,
    ) -> Result<Option<LeakHandled>, ManageError> {
        let known = leaked.known_key();
        let (policy, request) = (policies.of(known.environment), request_of(report));
        let mut tries = 0..MAX_TRIES;
        loop {
            let found = self.core.store.access_key(known.organization, WhichKey::Id(known.key)).await?;
            let Some(found) = found else { return Ok(None) };
            let presented = &leaked.0.live.secret;
            let is_it = |secret: &&Secret| secret.locator == presented.locator && secret.digest == presented.digest;
            let Some(secret) = found.secrets.iter().find(is_it).copied() else { return Ok(None) };
            let waits = match policy {
                LeakPolicy::Notify => secret.reported_at,
                LeakPolicy::Quarantine => secret.quarantined_at,
                LeakPolicy::Revoke => None,
            };
            if waits.is_some() {
                return Ok(None);
            }
            let (change, events) = match policy {
                LeakPolicy::Revoke => self.revocation(&found, &secret, report, &request)?,
                _ => self.marking(&found, &secret, policy, report, &request),
            };
            let hash = RequestHash::of(["reported", &secret.locator.to_string()]);
            match self.commit(change, events, hash, &request).await {
                Err(ManageError::ChangedMeanwhile | ManageError::StateUnchanged) if tries.next().is_some() => {}
                Err(ManageError::Store(StoreError::NotFound)) => return Ok(None),
                receipt => return Ok(Some(LeakHandled { policy, receipt: receipt? })),
            }
        }
    }

    /// Ends the report of a secret: it has not leaked, or an operator lets it work all the same. A secret in quarantine works again.
    /// Another report begins again.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchKey`] if the organization has no such key, or the key no such secret. [`ManageError::StateUnchanged`]
    /// if no report of the secret waits.
    pub async fn release(
        &self,
        organization: OrganizationId,
        id: AccessKeyId,
        locator: Locator,
        request: &ChangeRequest,
    ) -> Result<Receipt, ManageError> {
        let (subject, secret) = (id.to_string(), locator.to_string());
        let parts = ["release", &organization.to_string(), &subject, &secret];
        let hash = self.first_request(organization, parts, request).await?;
        let mut tries = 0..MAX_TRIES;
        loop {
            let found = self.key_to_change(organization, id).await?;
            let secret = found.secrets.iter().find(|secret| secret.locator == locator);
            let Some(secret) = secret else {
                return Err(self.in_effect(&subject, ManageError::NoSuchKey).await);
            };
            let marks = LeakMarks::default();
            let detail = between(&found, works_after(&found, secret, marks)).with_before(works(&found));
            let event = self.event(Action::AccessKeyReleased, &found.key, request, detail);
            let seen = secret.leak_marks();
            let change = Change::Mark { key: KeyRef::of(&found.key), locator, seen, marks };
            match self.commit(change, event.into(), hash, request).await {
                Err(ManageError::ChangedMeanwhile) if tries.next().is_some() => {}
                Err(ManageError::Store(StoreError::NotFound)) => {
                    return Err(self.in_effect(&subject, ManageError::NoSuchKey).await);
                }
                receipt => return receipt,
            }
        }
    }

    fn marking(
        &self,
        found: &AccessKeyWithSecrets,
        secret: &Secret,
        policy: LeakPolicy,
        report: &LeakReport,
        request: &ChangeRequest,
    ) -> (Change, Events) {
        let now = self.core.clock.now();
        let held = (policy == LeakPolicy::Quarantine).then_some(now);
        let seen = secret.leak_marks();
        let marks =
            LeakMarks { reported_at: seen.reported_at.or(Some(now)), quarantined_at: seen.quarantined_at.or(held) };
        let event = self.reported(found, works_after(found, secret, marks), report, request);
        (Change::Mark { key: KeyRef::of(&found.key), locator: secret.locator, seen, marks }, event)
    }

    /// Returns the change that revokes a secret, with its events.
    fn revocation(
        &self,
        found: &AccessKeyWithSecrets,
        secret: &Secret,
        report: &LeakReport,
        request: &ChangeRequest,
    ) -> Result<(Change, Events), ManageError> {
        let key = KeyRef::of(&found.key);
        let rest: Vec<Secret> = found.secrets.iter().copied().filter(|other| other.locator != secret.locator).collect();
        let reported = self.reported(
            found,
            summaries(rest.iter().filter(|other| other.quarantined_at.is_none())),
            report,
            request,
        );
        let with = |action, after| reported.clone().and(self.event(action, &found.key, request, between(found, after)));
        Ok(match (key.environment, secret.state) {
            (Environment::Test, _) => {
                let change = Change::Delete { key, retired: locators(&found.secrets) };
                (change, with(Action::AccessKeyDeleted, vec![]))
            }
            (Environment::Production, SecretState::Staged) => {
                let change = Change::Unstage { key, staged: secret.locator };
                (change, with(Action::AccessKeyStageDiscarded, summaries(&rest)))
            }
            (Environment::Production, _) => {
                // A staged secret that was reported as well dies too.
                let staged = in_state(found, SecretState::Staged).filter(|staged| staged.reported_at.is_none());
                // Nobody gets the value of a fresh secret: an operator regenerates the key again, and sees the value then.
                let (current, _, successor) = self.successor(found, staged)?;
                let dying: Vec<_> =
                    found.secrets.iter().copied().filter(|other| other.locator != current.locator).collect();
                let change = Change::Regenerate { key, retired: locators(&dying), successor };
                (change, with(Action::AccessKeyRegenerated, vec![summary(&current)]))
            }
        })
    }

    fn reported(
        &self,
        found: &AccessKeyWithSecrets,
        after: Vec<SecretSummary>,
        report: &LeakReport,
        request: &ChangeRequest,
    ) -> Events {
        let detail = between(found, after)
            .with_before(works(found))
            .with_note(report.reporter.clone())
            .with_urls_after(report.url.iter().cloned().collect::<Vec<_>>());
        self.event(Action::AccessKeyReportedLeaked, &found.key, request, detail).into()
    }
}

/// Returns the secrets that are not in quarantine.
fn works(found: &AccessKeyWithSecrets) -> Vec<SecretSummary> {
    summaries(found.secrets.iter().filter(|secret| secret.quarantined_at.is_none()))
}

/// Returns the secrets that are not in quarantine once one secret has these marks.
fn works_after(found: &AccessKeyWithSecrets, marked: &Secret, marks: LeakMarks) -> Vec<SecretSummary> {
    let held_at =
        |secret: &Secret| if secret.locator == marked.locator { marks.quarantined_at } else { secret.quarantined_at };
    summaries(found.secrets.iter().filter(|secret| held_at(secret).is_none()))
}

/// Returns the request of the service itself. The reporter has no right to it: the policy of the service has.
#[expect(clippy::disallowed_methods, reason = "the value of the key was shown, and the service's policy says the rest")]
fn request_of(report: &LeakReport) -> ChangeRequest {
    let actor: ActorName = ACTOR.parse().unwrap_or_else(|_| unreachable!("the name of the actor is valid"));
    let service = OperatorPrincipal::local_administrator(actor).with_actor_id(ActorId::SERVER);
    service.request().with_source(report.source_address, report.request_id)
}
