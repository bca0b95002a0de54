//! The state of a value that was found, by the store.

use std::collections::HashMap;

use doorward::store::Hold;
use doorward::types::{Environment, Locator, Name, Timestamp};
use doorward_scan::{Kind, Sighting};
use serde::Serialize;

use crate::context::CliContext;
use crate::failure::CliError;

/// The state of a value: servers accept it or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    InForce,
    /// The value was reported as leaked: servers accept it again once an operator releases it.
    Quarantined,
    /// The organization is suspended: servers accept the value again once it is resumed.
    Suspended,
    /// Revoked in the last 30 days.
    Dead,
    Unknown,
    /// There is no store to ask, or it cannot be asked.
    Unasked,
}

impl State {
    /// Returns whether somebody may use the value, as far as is known.
    pub(super) const fn is_dangerous(self) -> bool {
        matches!(self, Self::InForce | Self::Quarantined | Self::Suspended | Self::Unasked)
    }

    /// Returns the word for people.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in force",
            Self::Quarantined => "quarantined",
            Self::Suspended => "suspended",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
            Self::Unasked => "unasked",
        }
    }
}

/// The organization or the operator of a value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Owner {
    pub(super) id: String,
    pub(super) name: Name,
}

/// The answer of the store about a value.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) state: State,
    pub(super) organization: Option<Owner>,
    pub(super) operator: Option<Owner>,
    pub(super) retired_at: Option<Timestamp>,
}

impl Answer {
    const fn of(state: State) -> Self {
        Self { state, organization: None, operator: None, retired_at: None }
    }
}

/// The answers of the store, which is asked once about each value.
pub(super) struct States<'a> {
    context: Option<&'a CliContext>,
    known: HashMap<(Kind, Locator, [u8; 32]), Answer>,
    fault: Option<CliError>,
}

impl<'a> States<'a> {
    pub(super) fn new(context: Option<&'a CliContext>) -> Self {
        Self { context, known: HashMap::new(), fault: None }
    }

    /// Returns the reason if the store could not be asked about a value.
    pub(super) fn into_fault(self) -> Option<CliError> {
        self.fault
    }

    /// Returns what the store says of a value. After a failure, it is not asked again.
    pub(super) async fn of(&mut self, sighting: &Sighting) -> Answer {
        let Some(context) = self.context.filter(|_| self.fault.is_none()) else { return Answer::of(State::Unasked) };
        let name = (sighting.kind, sighting.locator, sighting.digest.to_bytes());
        if let Some(known) = self.known.get(&name) {
            return known.clone();
        }
        let asked = match sighting.kind {
            Kind::AccessKey(environment) => key(context, sighting, environment).await,
            Kind::OperatorToken => token(context, sighting).await,
            // A kind that this program cannot ask about.
            _ => Ok(Answer::of(State::Unasked)),
        };
        match asked {
            Ok(answer) => self.known.entry(name).or_insert(answer).clone(),
            Err(fault) => {
                self.fault = Some(fault);
                Answer::of(State::Unasked)
            }
        }
    }
}

async fn key(context: &CliContext, sighting: &Sighting, environment: Environment) -> Result<Answer, CliError> {
    let (_, live) = context.store.active_secret(sighting.locator).await?.proved_of_any_store()?;
    if let Some(live) = live.filter(|live| live.secret.digest == sighting.digest && live.key.environment == environment)
    {
        let state = match live.hold() {
            None => State::InForce,
            Some(Hold::Quarantined) => State::Quarantined,
            Some(_) => State::Suspended,
        };
        let owner = Owner { id: live.key.organization.to_string(), name: live.organization_name };
        return Ok(Answer { organization: Some(owner), ..Answer::of(state) });
    }
    let Some(store) = context.store.retired_secrets() else { return Ok(Answer::of(State::Unknown)) };
    let found = store.retired(sighting.locator).await?;
    let Some(retired) = found.filter(|retired| retired.digest == sighting.digest) else {
        return Ok(Answer::of(State::Unknown));
    };
    let organization = context.store.organization(retired.organization).await?;
    let owner = organization.map(|found| Owner { id: found.id.to_string(), name: found.name });
    Ok(Answer { organization: owner, retired_at: Some(retired.retired_at), ..Answer::of(State::Dead) })
}

async fn token(context: &CliContext, sighting: &Sighting) -> Result<Answer, CliError> {
    let found = context.store.operator_by_locator(sighting.locator).await?;
    Ok(match found.filter(|operator| operator.digest == sighting.digest) {
        Some(operator) => {
            let owner = Owner { id: operator.id.to_string(), name: operator.name };
            Answer { operator: Some(owner), ..Answer::of(State::InForce) }
        }
        None => Answer::of(State::Unknown),
    })
}
