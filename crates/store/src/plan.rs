//! The decision on a change: a pure function from the facts that an engine reads to the rows that it writes.

use std::collections::BTreeSet;

use doorward_key::KeyPrefix;
use doorward_origin::AllowList;
use doorward_types::{AllowedOriginId, Environment, Locator, OrganizationId, SecretState, Timestamp};

use crate::{
    AccessKey, Change, ChangeContext, ChangeTarget, Conflict, Doubt, KeyLabel, KeyRef, LeakMarks, Operation,
    Organization, OrganizationUpdate, OriginEntry, Secret, StoreError, StoreIdentity, Successor,
};

/// The state for the decision on a change, read under the lock of changes.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The store.
    pub store: StoreIdentity,
    /// An earlier operation with the same actor and idempotency key.
    pub done: Option<Operation>,
    /// True if the store has an organization.
    pub any_organization: bool,
    /// The change's organization, if the store has it.
    pub organization: Option<Organization>,
    /// True if another organization that is not closed has the name of [`Change::names`].
    pub is_name_taken: bool,
    /// True if another organization has the external id of [`Change::names`].
    pub is_external_id_taken: bool,
    /// Every secret of the change's organization, in any order. Read only if [`Change::concerns_all_secrets`].
    pub secrets: Vec<(KeyRef, Locator)>,
    /// The state of the key that [`Change::key`] names, or `None` if there is no such key.
    pub key: Option<KeyFacts>,
    /// The list of allowed origins of the change's organization. Read only if [`Change::concerns_origins`].
    pub origins: Vec<OriginEntry>,
}

/// The state of one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyFacts {
    /// The words of people about the key.
    pub label: KeyLabel,
    /// The number of secrets that the key ever had.
    pub generations: u32,
    /// The active secrets.
    pub secrets: Vec<(Locator, SecretState)>,
    /// The marks of the active secrets that have any.
    pub marks: Vec<(Locator, LeakMarks)>,
}

/// A feature of a store that programs must know to use the store as soon as it is used there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Feature {
    /// Secrets that wait for an operator. A program that does not know them would accept them.
    Quarantine,
    /// The states of organizations. A program that does not know them would accept the keys of a suspended organization.
    States,
}

/// A row to write, allowed by [`Change::plan`].
#[derive(Clone, Debug)]
pub enum Step {
    /// Insert an organization.
    AddOrganization(Organization),
    /// Insert a key with this number of secrets.
    AddKey(AccessKey, u32),
    /// Insert a secret of a key.
    AddSecret(KeyRef, Secret),
    /// Insert an entry of a list of allowed origins.
    AddOrigin(OriginEntry),
    /// Make a staged secret the current one.
    Promote(KeyRef, Locator),
    /// Record that the secret with this locator was imported. The record is never deleted.
    RememberImport(Locator),
    /// Remember a secret that the next step deletes, and this time of its revocation.
    Retire(KeyRef, Locator, Timestamp),
    /// Delete a key without secrets.
    RemoveKey(KeyRef),
    /// Delete an entry of a list of allowed origins.
    RemoveOrigin(OrganizationId, AllowedOriginId),
    /// Exclude programs that do not know this feature from this store.
    Require(Feature),
    /// Delete a secret of a key.
    RemoveSecret(KeyRef, Locator),
    /// Write the record of an organization.
    SetOrganization(Organization),
    /// Write the words of people about a key.
    SetLabel(KeyRef, KeyLabel),
    /// Write the marks of a secret.
    SetMarks(KeyRef, Locator, LeakMarks),
    /// Write the number of secrets that a key ever had.
    SetGenerations(KeyRef, u32),
    /// Write the prefix of all keys into the store's own record.
    SetPrefix(KeyPrefix),
}

impl Change {
    /// Decides on the change and returns the rows to write, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyDone`] or [`StoreError::IdempotencyKeyReused`] if the idempotency key was used before.
    /// [`StoreError::Doubtful`] if the store is not the expected one. [`StoreError::OtherPrefix`] if the store's keys
    /// have another prefix. [`StoreError::PrefixUnknown`] if the store does not know its keys' prefix.
    /// [`StoreError::NotFound`] if the organization or the key does not exist. [`StoreError::Conflict`] if the state
    /// does not allow the change.
    pub fn plan(&self, facts: &Facts, context: &ChangeContext) -> Result<Vec<Step>, StoreError> {
        if let Some(done) = &facts.done {
            return Err(done.repeated(&context.request));
        }
        if let Some(expected) = context.store.filter(|expected| *expected != facts.store.id) {
            return Err(Doubt::OtherStore { expected, found: facts.store.id }.into());
        }
        let mut steps = match &facts.store.prefix {
            None if facts.any_organization => return Err(StoreError::PrefixUnknown),
            None => vec![Step::SetPrefix(context.prefix.clone())],
            Some(prefix) if *prefix == context.prefix => vec![],
            Some(prefix) => return Err(StoreError::OtherPrefix { store: prefix.clone() }),
        };
        for step in self.steps(facts)? {
            let before = match &step {
                // An engine refuses a second row, so a revoked secret cannot be imported again.
                Step::AddSecret(_, Secret { imported, locator, .. }) if imported.is_some() || context.is_offered => {
                    Some(Step::RememberImport(*locator))
                }
                Step::RemoveSecret(key, locator) => Some(Step::Retire(*key, *locator, context.events.first().time)),
                _ => None,
            };
            steps.extend(before.into_iter().chain([step]));
        }
        Ok(steps)
    }

    fn steps(&self, facts: &Facts) -> Result<Vec<Step>, StoreError> {
        match self {
            Self::Provision { organization, key, secret, only_if_empty, allow_duplicate_name } => {
                if *only_if_empty && facts.any_organization {
                    return Err(Conflict::NotEmpty.into());
                }
                if facts.organization.is_some() {
                    return Err(Conflict::Duplicate.into());
                }
                facts.are_names_free(*allow_duplicate_name)?;
                Ok(vec![
                    Step::AddOrganization(organization.clone()),
                    Step::AddKey(key.clone(), secret.generation),
                    Step::AddSecret(KeyRef::of(key), *secret),
                ])
            }
            Self::Create { key, secret } => {
                facts.open_organization()?;
                // Provisioning has already made the organization's production key.
                if key.environment == Environment::Production || facts.key.is_some() {
                    return Err(Conflict::Duplicate.into());
                }
                Ok(vec![Step::AddKey(key.clone(), secret.generation), Step::AddSecret(KeyRef::of(key), *secret)])
            }
            Self::Stage { key, secret } => {
                let found = facts.key()?;
                if found.secrets.iter().any(|(_, state)| *state == SecretState::Staged) {
                    return Err(Conflict::AlreadyStaged.into());
                }
                found.is_next(secret)?;
                Ok(vec![Step::SetGenerations(*key, secret.generation), Step::AddSecret(*key, *secret)])
            }
            Self::Unstage { key, staged } => {
                if !facts.key()?.secrets.contains(&(*staged, SecretState::Staged)) {
                    return Err(Conflict::Stale.into());
                }
                Ok(vec![Step::RemoveSecret(*key, *staged)])
            }
            Self::Regenerate { key, retired, successor } => {
                let found = facts.key()?;
                let (survivor, mut steps) = match successor {
                    Successor::Promote(locator) => {
                        // A promoted secret in quarantine would leave the key without a secret that works.
                        let is_held = found.marks_of(*locator)?.quarantined_at.is_some();
                        if is_held || !found.secrets.contains(&(*locator, SecretState::Staged)) {
                            return Err(Conflict::Stale.into());
                        }
                        (Some(*locator), vec![Step::Promote(*key, *locator)])
                    }
                    Successor::Fresh(secret) => {
                        found.is_next(secret)?;
                        let raise = Step::SetGenerations(*key, secret.generation);
                        (None, vec![raise, Step::AddSecret(*key, *secret)])
                    }
                };
                found.has_just(retired.iter().copied().chain(survivor))?;
                // Remove the revoked secrets first: a key has only one current secret.
                let mut all: Vec<_> = retired.iter().map(|locator| Step::RemoveSecret(*key, *locator)).collect();
                all.append(&mut steps);
                Ok(all)
            }
            Self::Delete { key, retired } => {
                // An organization always keeps its production key.
                if key.environment == Environment::Production {
                    return Err(Conflict::Stale.into());
                }
                facts.key()?.has_just(retired.iter().copied())?;
                let dead = retired.iter().map(|locator| Step::RemoveSecret(*key, *locator));
                Ok(dead.chain([Step::RemoveKey(*key)]).collect())
            }
            Self::Label { key, seen, label } => {
                let known = &facts.key()?.label;
                if known != seen {
                    return Err(Conflict::Stale.into());
                }
                if known == label {
                    return Err(Conflict::Unchanged.into());
                }
                Ok(vec![Step::SetLabel(*key, label.clone())])
            }
            Self::Mark { key, locator, seen, marks } => {
                let known = facts.key()?.marks_of(*locator)?;
                if known != *seen {
                    return Err(Conflict::Stale.into());
                }
                if known == *marks {
                    return Err(Conflict::Unchanged.into());
                }
                let required = marks.quarantined_at.map(|_| Step::Require(Feature::Quarantine));
                Ok([Step::SetMarks(*key, *locator, *marks)].into_iter().chain(required).collect())
            }
            Self::AllowOrigin { entry } => {
                facts.open_organization()?;
                if facts.origins.iter().any(|known| known.id == entry.id || known.origin == entry.origin) {
                    return Err(Conflict::Duplicate.into());
                }
                if facts.origins.len() >= AllowList::MAX_ENTRIES {
                    return Err(Conflict::ListFull.into());
                }
                Ok(vec![Step::AddOrigin(entry.clone())])
            }
            Self::DisallowOrigin { organization, id } => {
                if !facts.origins.iter().any(|known| known.id == *id) {
                    return Err(StoreError::NotFound);
                }
                Ok(vec![Step::RemoveOrigin(*organization, *id)])
            }
            Self::Update { seen, update } => update.steps(seen, facts),
        }
    }

    /// Returns the entities that this change affects, given the facts of [`Change::plan`]. Every node is notified of
    /// them.
    #[must_use]
    pub fn touched(&self, facts: &Facts) -> Vec<ChangeTarget> {
        match self {
            Self::AllowOrigin { entry } => vec![ChangeTarget::Origins(entry.organization)],
            Self::DisallowOrigin { organization, .. } => vec![ChangeTarget::Origins(*organization)],
            Self::Update { seen, .. } => {
                let secrets = facts.secrets.iter().map(|(_, locator)| ChangeTarget::Secret(*locator));
                let origins = self.concerns_origins().then_some(ChangeTarget::Origins(seen.id));
                secrets.chain(origins).collect()
            }
            // Nodes have the name of the key beside each of its secrets.
            Self::Label { .. } => {
                let secrets = facts.key.iter().flat_map(|key| &key.secrets);
                secrets.map(|(locator, _)| ChangeTarget::Secret(*locator)).collect()
            }
            _ => self.locators().into_iter().map(ChangeTarget::Secret).collect(),
        }
    }
}

impl OrganizationUpdate {
    fn steps(&self, seen: &Organization, facts: &Facts) -> Result<Vec<Step>, StoreError> {
        let known = facts.open_organization()?;
        let updated = self.applied_to(known);
        match self {
            Self::Rename { allow_duplicate_name, .. } => facts.are_names_free(*allow_duplicate_name)?,
            Self::Resume | Self::Suspend if updated.state == known.state => return Err(Conflict::Unchanged.into()),
            _ => {}
        }
        // The audit event of the change tells what the caller saw.
        if known != seen {
            return Err(Conflict::Stale.into());
        }
        let mut steps = if updated.is_closed() { facts.all_removed() } else { vec![] };
        steps.push(Step::SetOrganization(updated));
        if *self == Self::Suspend {
            steps.push(Step::Require(Feature::States));
        }
        Ok(steps)
    }
}

impl Facts {
    fn key(&self) -> Result<&KeyFacts, StoreError> {
        self.key.as_ref().ok_or(StoreError::NotFound)
    }

    /// Returns the change's organization. Fails if there is none, or if it is closed.
    fn open_organization(&self) -> Result<&Organization, StoreError> {
        let found = self.organization.as_ref().ok_or(StoreError::NotFound)?;
        if found.is_closed() { Err(Conflict::Closed.into()) } else { Ok(found) }
    }

    /// Fails if another organization has the name or the external id of the change.
    fn are_names_free(&self, allow_duplicate_name: bool) -> Result<(), StoreError> {
        if self.is_external_id_taken {
            return Err(Conflict::ExternalIdTaken.into());
        }
        if self.is_name_taken && !allow_duplicate_name { Err(Conflict::NameTaken.into()) } else { Ok(()) }
    }

    /// Returns the steps that remove every key and origin of the organization.
    fn all_removed(&self) -> Vec<Step> {
        let secrets = self.secrets.iter().map(|(key, locator)| Step::RemoveSecret(*key, *locator));
        let keys: BTreeSet<_> = self.secrets.iter().map(|(key, _)| *key).collect();
        let origins = self.origins.iter().map(|entry| Step::RemoveOrigin(entry.organization, entry.id));
        secrets.chain(keys.into_iter().map(Step::RemoveKey)).chain(origins).collect()
    }
}

impl KeyFacts {
    /// Fails if the secret's generation is not the next one: the key has changed since the caller read it.
    fn is_next(&self, secret: &Secret) -> Result<(), StoreError> {
        if secret.generation == self.generations + 1 { Ok(()) } else { Err(Conflict::Stale.into()) }
    }

    /// Returns the marks of a secret. Fails if the key has no such secret.
    fn marks_of(&self, secret: Locator) -> Result<LeakMarks, StoreError> {
        if !self.secrets.iter().any(|(locator, _)| *locator == secret) {
            return Err(Conflict::Stale.into());
        }
        Ok(self.marks.iter().find(|(locator, _)| *locator == secret).map(|(_, marks)| *marks).unwrap_or_default())
    }

    /// Fails unless the caller named exactly the key's secrets: else the key has changed since the caller read it.
    fn has_just(&self, named: impl Iterator<Item = Locator>) -> Result<(), StoreError> {
        let sorted = |mut locators: Vec<Locator>| {
            locators.sort_unstable();
            locators
        };
        let named = sorted(named.collect());
        let there = sorted(self.secrets.iter().map(|(locator, _)| *locator).collect());
        if named == there { Ok(()) } else { Err(Conflict::Stale.into()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doorward_audit::{Action, Attribution, EventDraft};
    use doorward_key::Digest;
    use doorward_types::{AccessKeyId, Incarnation, OrganizationState, Timestamp};

    use super::*;
    use crate::{OperationId, RequestHash, Revision, StoreId};

    const NOW: Timestamp = Timestamp::from_millis(1);
    const STORE: StoreId = StoreId::from_bytes([7; 16]);
    const ORGANIZATION: OrganizationId = OrganizationId::from_u128(1);
    const KEY: KeyRef =
        KeyRef { organization: ORGANIZATION, environment: Environment::Test, id: AccessKeyId::from_u128(2) };

    fn locator(number: u8) -> Locator {
        Locator::new([b'A' + number; Locator::LENGTH]).unwrap()
    }

    fn secret(generation: u32, state: SecretState) -> Secret {
        let digest = Digest::from_bytes([0; 32]);
        Secret::new(state, locator(generation as u8), digest, generation, NOW)
    }

    fn key(environment: Environment) -> AccessKey {
        let name = "key".parse().unwrap();
        AccessKey {
            id: KEY.id,
            organization: ORGANIZATION,
            environment,
            name,
            created_at: NOW,
            created_by: "ada".parse().unwrap(),
        }
    }

    fn context() -> ChangeContext {
        let (by, log) = (Attribution::local("ada".parse().unwrap()), (ORGANIZATION, Environment::Test));
        let told = EventDraft::new(&by, NOW, Action::AccessKeyCreated, "x".into(), log);
        let (operation, request) = (OperationId::from_bytes([0; 16]), RequestHash::of(["x"]));
        ChangeContext::new(operation, told.into(), request, KeyPrefix::default())
    }

    /// Returns the facts of a store with an organization, whose key has a current secret (1) and a staged secret (2).
    fn facts() -> Facts {
        let secrets = vec![(locator(1), SecretState::Current), (locator(2), SecretState::Staged)];
        Facts {
            store: StoreIdentity {
                id: STORE,
                incarnation: Incarnation::FIRST,
                prefix: Some(KeyPrefix::default()),
                sealing_key: None,
                longest_lease: Duration::ZERO,
            },
            done: None,
            any_organization: true,
            organization: Some(organization()),
            is_name_taken: false,
            is_external_id_taken: false,
            secrets: vec![],
            key: Some(KeyFacts { label: label("key"), generations: 2, secrets, marks: vec![] }),
            origins: vec![],
        }
    }

    fn label(name: &str) -> KeyLabel {
        KeyLabel { name: name.parse().unwrap(), note: None }
    }

    /// Returns the rows of a plan as text, without the memory of revoked secrets.
    fn rows(change: &Change, facts: &Facts) -> Vec<String> {
        let row = |step: &Step| match step {
            Step::AddSecret(_, secret) => format!("add secret {}", secret.generation),
            Step::Promote(_, locator) => format!("promote {locator}"),
            Step::RemoveSecret(_, locator) => format!("remove secret {locator}"),
            Step::SetGenerations(_, generations) => format!("generations {generations}"),
            other => format!("{other:?}").split(['(', ' ']).next().unwrap().to_owned(),
        };
        let steps = change.plan(facts, &context()).unwrap();
        steps.iter().filter(|step| !matches!(step, Step::Retire(..))).map(row).collect()
    }

    fn refused(change: &Change, facts: &Facts) -> StoreError {
        change.plan(facts, &context()).unwrap_err()
    }

    #[track_caller]
    fn conflicts(change: &Change, facts: &Facts, expected: Conflict) {
        let refused = refused(change, facts);
        assert!(matches!(&refused, StoreError::Conflict(found) if *found == expected), "{refused:?}");
    }

    fn organization() -> Organization {
        Organization::new(ORGANIZATION, "Acme".parse().unwrap(), NOW)
    }

    #[test]
    fn every_removed_secret_is_remembered_just_before() {
        for change in [promote(&[1], 2), replace(&[1, 2], 3), delete(Environment::Test, &[1, 2])] {
            let steps = change.plan(&facts(), &context()).unwrap();
            let removed = steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::RemoveSecret(..)));
            for (place, step) in removed {
                let Step::RemoveSecret(key, locator) = step else { unreachable!() };
                assert!(matches!(&steps[place - 1], Step::Retire(of, known, NOW) if of == key && known == locator));
            }
        }
    }

    #[test]
    fn a_secret_is_marked_only_as_it_was_seen_and_a_quarantine_excludes_older_programs() {
        let reported = LeakMarks { reported_at: Some(NOW), quarantined_at: None };
        let held = LeakMarks { quarantined_at: Some(NOW), ..reported };
        let mark = |seen, marks| Change::Mark { key: KEY, locator: locator(1), seen, marks };
        let none = LeakMarks::default();
        assert_eq!(rows(&mark(none, reported), &facts()), ["SetMarks"]);
        assert_eq!(rows(&mark(none, held), &facts()), ["SetMarks", "Require"]);
        conflicts(&mark(none, none), &facts(), Conflict::Unchanged);
        conflicts(&mark(reported, held), &facts(), Conflict::Stale);
        let mut facts = facts();
        let promote =
            Change::Regenerate { key: KEY, retired: vec![locator(1)], successor: Successor::Promote(locator(2)) };
        assert!(promote.steps(&facts).is_ok());
        let mut staged_is_held = facts.clone();
        staged_is_held.key.as_mut().unwrap().marks.push((locator(2), held));
        conflicts(&promote, &staged_is_held, Conflict::Stale);
        facts.key.as_mut().unwrap().marks.push((locator(1), held));
        assert_eq!(rows(&mark(held, none), &facts), ["SetMarks"]);
        conflicts(&mark(none, held), &facts, Conflict::Stale);
        let of_no_secret = Change::Mark { key: KEY, locator: locator(3), seen: none, marks: held };
        conflicts(&of_no_secret, &facts, Conflict::Stale);
        assert_eq!(mark(held, none).touched(&facts), [ChangeTarget::Secret(locator(1))]);
    }

    #[test]
    fn the_words_about_a_key_are_changed_only_as_they_were_seen() {
        let to = |seen, new| Change::Label { key: KEY, seen: label(seen), label: label(new) };
        assert_eq!(rows(&to("key", "ci"), &facts()), ["SetLabel"]);
        conflicts(&to("other", "ci"), &facts(), Conflict::Stale);
        conflicts(&to("key", "key"), &facts(), Conflict::Unchanged);
        let touched = to("key", "ci").touched(&facts());
        assert_eq!(touched, [ChangeTarget::Secret(locator(1)), ChangeTarget::Secret(locator(2))]);
    }

    fn provision(only_if_empty: bool) -> Change {
        let (key, secret) = (key(Environment::Production), secret(1, SecretState::Current));
        Change::Provision { organization: organization(), key, secret, only_if_empty, allow_duplicate_name: false }
    }

    fn update(update: OrganizationUpdate) -> Change {
        Change::Update { seen: organization(), update }
    }

    fn rename(allow_duplicate_name: bool) -> Change {
        let name = Some("Acme Inc".parse().unwrap());
        update(OrganizationUpdate::Rename { name, external_id: None, allow_duplicate_name })
    }

    fn create(environment: Environment) -> Change {
        Change::Create { key: key(environment), secret: secret(1, SecretState::Current) }
    }

    fn stage(generation: u32) -> Change {
        Change::Stage { key: KEY, secret: secret(generation, SecretState::Staged) }
    }

    fn promote(retired: &[u8], successor: u8) -> Change {
        let retired = retired.iter().map(|number| locator(*number)).collect();
        Change::Regenerate { key: KEY, retired, successor: Successor::Promote(locator(successor)) }
    }

    fn replace(retired: &[u8], generation: u32) -> Change {
        let retired = retired.iter().map(|number| locator(*number)).collect();
        let successor = Successor::Fresh(secret(generation, SecretState::Current));
        Change::Regenerate { key: KEY, retired, successor }
    }

    fn delete(environment: Environment, retired: &[u8]) -> Change {
        let retired = retired.iter().map(|number| locator(*number)).collect();
        Change::Delete { key: KeyRef { environment, ..KEY }, retired }
    }

    #[test]
    fn an_organization_is_provisioned_once_and_if_asked_only_into_an_empty_store() {
        let others = Facts { organization: None, key: None, ..facts() };
        let empty = Facts { any_organization: false, ..others.clone() };
        for only_if_empty in [false, true] {
            assert_eq!(rows(&provision(only_if_empty), &empty), ["AddOrganization", "AddKey", "add secret 1"]);
        }
        assert_eq!(rows(&provision(false), &others).len(), 3);
        conflicts(&provision(true), &others, Conflict::NotEmpty);
        conflicts(&provision(false), &facts(), Conflict::Duplicate);
    }

    #[test]
    fn a_test_key_is_added_to_an_organization_and_a_production_key_never() {
        let without_key = Facts { key: None, ..facts() };
        assert_eq!(rows(&create(Environment::Test), &without_key), ["AddKey", "add secret 1"]);
        conflicts(&create(Environment::Test), &facts(), Conflict::Duplicate);
        conflicts(&create(Environment::Production), &without_key, Conflict::Duplicate);
        let nobody = Facts { organization: None, ..without_key };
        assert!(matches!(refused(&create(Environment::Test), &nobody), StoreError::NotFound));
    }

    #[test]
    fn one_secret_is_staged_at_a_time_and_no_generation_comes_twice() {
        let unstaged = KeyFacts {
            label: label("key"),
            generations: 2,
            secrets: vec![(locator(1), SecretState::Current)],
            marks: vec![],
        };
        let unstaged = Facts { key: Some(unstaged), ..facts() };
        assert_eq!(rows(&stage(3), &unstaged), ["generations 3", "add secret 3"]);
        conflicts(&stage(3), &facts(), Conflict::AlreadyStaged);
        conflicts(&stage(2), &unstaged, Conflict::Stale);
        conflicts(&stage(4), &unstaged, Conflict::Stale);
        assert_eq!(rows(&Change::Unstage { key: KEY, staged: locator(2) }, &facts()).len(), 1);
        conflicts(&Change::Unstage { key: KEY, staged: locator(1) }, &facts(), Conflict::Stale);
        conflicts(&Change::Unstage { key: KEY, staged: locator(2) }, &unstaged, Conflict::Stale);
    }

    #[test]
    fn exactly_one_secret_is_left_after_a_regeneration() {
        let removed = |number| format!("remove secret {}", locator(number));
        let promoted = format!("promote {}", locator(2));
        assert_eq!(rows(&promote(&[1], 2), &facts()), [removed(1), promoted]);
        let fresh = ["generations 3".to_owned(), "add secret 3".to_owned()];
        let dead = [removed(1), removed(2)];
        assert_eq!(rows(&replace(&[1, 2], 3), &facts()), [&dead[..], &fresh[..]].concat());
        for stale in [promote(&[], 2), promote(&[2], 1), promote(&[1, 3], 2), promote(&[1, 1], 2), promote(&[1, 2], 2)]
        {
            conflicts(&stale, &facts(), Conflict::Stale);
        }
        for stale in [replace(&[1], 3), replace(&[1, 2, 3], 3), replace(&[1, 2, 2], 3), replace(&[1, 2], 2)] {
            conflicts(&stale, &facts(), Conflict::Stale);
        }
    }

    #[test]
    fn a_test_key_is_deleted_with_all_of_its_secrets_and_a_production_key_never() {
        let dead = rows(&delete(Environment::Test, &[2, 1]), &facts());
        assert_eq!(dead.last().unwrap(), "RemoveKey");
        assert_eq!(dead.len(), 3);
        conflicts(&delete(Environment::Test, &[1]), &facts(), Conflict::Stale);
        conflicts(&delete(Environment::Production, &[1, 2]), &facts(), Conflict::Stale);
    }

    #[test]
    fn a_key_that_is_gone_is_missing() {
        let gone = Facts { key: None, ..facts() };
        let unstage = Change::Unstage { key: KEY, staged: locator(2) };
        for change in [stage(3), unstage, promote(&[1], 2), delete(Environment::Test, &[1, 2])] {
            assert!(matches!(refused(&change, &gone), StoreError::NotFound), "{change:?}");
        }
    }

    #[test]
    fn a_repeat_is_told_so_before_all_else() {
        let done = |request| Operation { subject: "key".into(), request, revision: Revision(5) };
        let again = Facts { done: Some(done(Some(context().request))), ..facts() };
        let other = ChangeContext { store: Some(StoreId::from_bytes([8; 16])), ..context() };
        let told = stage(3).plan(&again, &other).unwrap_err();
        assert!(matches!(told, StoreError::AlreadyDone { revision: Revision(5), .. }), "{told:?}");
        let reused = Facts { done: Some(done(Some(RequestHash::of(["y"])))), ..facts() };
        assert!(matches!(refused(&stage(3), &reused), StoreError::IdempotencyKeyReused));
    }

    #[test]
    fn a_change_is_for_the_expected_store_and_its_prefix() {
        let plan = |store: Option<StoreId>, prefix: Option<&str>, any_organization| {
            let context = ChangeContext { store, ..context() };
            let found = Facts { organization: None, key: None, any_organization, ..facts() };
            let prefix = prefix.map(|prefix| prefix.parse().unwrap());
            let store = StoreIdentity { prefix, ..found.store.clone() };
            provision(false).plan(&Facts { store, ..found }, &context).map(|steps| steps.len())
        };
        let ours = KeyPrefix::default().to_string();
        assert_eq!(plan(Some(STORE), Some(&ours), true).unwrap(), 3);
        assert!(matches!(plan(Some(StoreId::from_bytes([8; 16])), Some(&ours), true), Err(StoreError::Doubtful(_))));
        assert!(matches!(plan(None, Some("other"), true), Err(StoreError::OtherPrefix { .. })));
        assert!(matches!(plan(None, None, true), Err(StoreError::PrefixUnknown)));
        // The first change of a store stores the prefix.
        assert_eq!(plan(None, None, false).unwrap(), 4);
    }

    #[test]
    fn a_list_of_origins_is_full_at_a_thousand_entries() {
        let entry = |number: u128| OriginEntry {
            id: AllowedOriginId::from_u128(number),
            organization: ORGANIZATION,
            origin: format!("app-{number}.example.com").parse().unwrap(),
            created_at: NOW,
            created_by: "ada".parse().unwrap(),
        };
        let with = |there: u128| Facts { origins: (0..there).map(entry).collect(), ..facts() };
        let allow = |number| Change::AllowOrigin { entry: entry(number) };
        assert_eq!(rows(&allow(5_000), &with(999)), ["AddOrigin"]);
        for there in [1_000, 1_500] {
            conflicts(&allow(5_000), &with(there), Conflict::ListFull);
            // An existing entry cannot be added again, and can be removed.
            conflicts(&allow(7), &with(there), Conflict::Duplicate);
            let id = AllowedOriginId::from_u128(7);
            assert_eq!(rows(&Change::DisallowOrigin { organization: ORGANIZATION, id }, &with(there)).len(), 1);
        }
    }

    #[test]
    fn a_name_is_taken_once_unless_a_duplicate_is_asked_for_and_an_external_id_always_once() {
        let taken = Facts { is_name_taken: true, ..facts() };
        conflicts(&rename(false), &taken, Conflict::NameTaken);
        assert_eq!(rows(&rename(true), &taken), ["SetOrganization"]);
        assert_eq!(rows(&rename(false), &facts()), ["SetOrganization"]);
        let others = Facts { organization: None, key: None, ..taken };
        conflicts(&provision(false), &others, Conflict::NameTaken);
        let others = Facts { is_name_taken: false, is_external_id_taken: true, ..others };
        conflicts(&provision(false), &others, Conflict::ExternalIdTaken);
        conflicts(&rename(true), &Facts { organization: Some(organization()), ..others }, Conflict::ExternalIdTaken);
    }

    #[test]
    fn an_organization_is_suspended_and_resumed_in_turn() {
        let in_state = |state| Facts { organization: Some(Organization { state, ..organization() }), ..facts() };
        let suspended = in_state(OrganizationState::Suspended);
        let resume =
            Change::Update { seen: suspended.organization.clone().unwrap(), update: OrganizationUpdate::Resume };
        assert_eq!(rows(&update(OrganizationUpdate::Suspend), &facts()), ["SetOrganization", "Require"]);
        assert_eq!(rows(&resume, &suspended), ["SetOrganization"]);
        // The caller saw an active organization.
        conflicts(&update(OrganizationUpdate::Resume), &suspended, Conflict::Stale);
        conflicts(&rename(true), &suspended, Conflict::Stale);
        conflicts(&update(OrganizationUpdate::Resume), &facts(), Conflict::Unchanged);
        conflicts(&update(OrganizationUpdate::Suspend), &suspended, Conflict::Unchanged);
        // Management goes on while the keys are refused.
        assert_eq!(rows(&create(Environment::Test), &Facts { key: None, ..suspended }).len(), 2);
    }

    #[test]
    fn a_closed_organization_has_no_key_and_stays_closed() {
        let secrets = vec![(KEY, locator(1)), (KEY, locator(2))];
        let close = update(OrganizationUpdate::Close { erase_at: NOW });
        let removed = |number| format!("remove secret {}", locator(number));
        let found = Facts { secrets, ..facts() };
        let expected = [removed(1), removed(2), "RemoveKey".to_owned(), "SetOrganization".to_owned()];
        assert_eq!(rows(&close, &found), expected);
        assert_eq!(close.touched(&found).len(), 3);
        let closed = Organization { state: OrganizationState::Closed, ..organization() };
        let closed = Facts { organization: Some(closed), key: None, ..facts() };
        let resume = update(OrganizationUpdate::Resume);
        for change in [close, resume, update(OrganizationUpdate::Suspend), rename(true), create(Environment::Test)] {
            conflicts(&change, &closed, Conflict::Closed);
        }
        let gone = Facts { organization: None, ..closed };
        assert!(matches!(refused(&rename(true), &gone), StoreError::NotFound));
    }
}
