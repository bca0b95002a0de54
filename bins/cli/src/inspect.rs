//! `doorward key inspect`: what is known of a key that somebody holds.

use std::io::Read;

use doorward::StoreUrl;
use doorward::api::Code;
use doorward::key::{ImportFormat, KeyPrefix, PresentedForeignKey, PresentedKey};
use doorward::store::{ActiveSecret, Hold, RetiredSecret};
use doorward::types::{AccessKeyId, Environment, Name, OrganizationId, Timestamp};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::context::CliContext;
use crate::failure::CliError;
use crate::find::held;
use crate::output::Output;

/// The bytes that are read: longer than any key, so that a longer input is recognized.
const LONGEST_INPUT: u64 = 1_024;

/// The exit statuses of a key that is not in force, and of a text that is no key.
const DEAD: u8 = 1;
const NO_KEY: u8 = 2;

/// The exit statuses if there is no store to ask, and if it cannot be asked.
const NO_STORE: u8 = 5;
const UNASKED: u8 = 6;

#[derive(Default, Serialize)]
struct Inspection {
    well_formed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<AccessKeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Owner>,
    /// The time of the revocation, if the key was revoked in the last 30 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<Timestamp>,
    /// True if the key's organization is suspended, so that servers refuse the key.
    suspended: bool,
    /// True if the key was reported as leaked and waits for an operator, so that servers refuse it.
    quarantined: bool,
    #[serde(skip)]
    hold: Option<Hold>,
}

#[derive(Serialize)]
struct Owner {
    id: OrganizationId,
    name: Name,
}

impl Inspection {
    /// Notes what the store knows of the key.
    fn tell(&mut self, live: Option<&ActiveSecret>) {
        self.known = Some(live.is_some());
        self.key = live.map(|live| live.key.id);
        self.organization = live.map(|live| Owner { id: live.key.organization, name: live.organization_name.clone() });
        self.hold = live.and_then(ActiveSecret::hold);
        self.suspended = self.hold == Some(Hold::Suspended);
        self.quarantined = live.is_some_and(|live| live.secret.quarantined_at.is_some());
    }

    /// Notes that the store remembers the key as revoked.
    fn tell_retired(&mut self, retired: &RetiredSecret, name: Option<Name>) {
        self.key = Some(retired.access_key);
        self.organization = name.map(|name| Owner { id: retired.organization, name });
        self.retired_at = Some(retired.retired_at);
    }

    /// Returns the exit status: 0 if servers accept the key.
    fn status(&self) -> u8 {
        match (self.well_formed, self.known, self.hold) {
            (false, ..) => NO_KEY,
            (true, Some(true), None) => 0,
            (true, None, _) => NO_STORE,
            (true, ..) => DEAD,
        }
    }

    /// Returns the lines for people.
    fn lines(&self, url: &StoreUrl) -> String {
        if let Some(fault) = &self.fault {
            return format!("not well-formed: {fault}\n");
        }
        let known = match (self.known, &self.key, self.hold) {
            (Some(true), Some(key), Some(hold)) => format!("in force, of {key}, but {}", held(hold)),
            (Some(true), Some(key), None) => format!("in force, of {key}"),
            (Some(_), Some(key), _) => {
                let since = self.retired_at.map(|at| format!(" since {at}")).unwrap_or_default();
                format!("dead{since}, of {key}")
            }
            (Some(_), ..) => "not in force: unknown, deleted, or regenerated".to_owned(),
            (None, ..) => format!("there is no store at {url} to ask"),
        };
        let environment = self.environment.map(|environment| environment.to_string()).unwrap_or_default();
        let locator = self.locator.as_deref().unwrap_or_default();
        let mut lines =
            format!("well-formed\nenvironment: {environment}\nlocator:     {locator}\nknown:       {known}\n");
        if let Some(Owner { id, name }) = &self.organization {
            lines += &format!("owner:       {name} ({id})\n");
        }
        lines
    }
}

pub(crate) async fn run(url: &StoreUrl, output: &Output) -> Result<(), CliError> {
    let mut text = Zeroizing::new(Vec::new());
    let read = std::io::stdin().lock().take(LONGEST_INPUT).read_to_end(&mut text);
    read.map_err(|error| CliError::failed(format!("standard input cannot be read: {error}")))?;
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let context = match CliContext::open_existing(url, output).await {
        Err(error) if error.problem().code() == Code::NotFound.into() => None,
        opened => Some(opened.map_err(|error| error.with_status(UNASKED))?),
    };
    let found = inspect(context.as_ref(), text).await.map_err(|error| error.with_status(UNASKED))?;
    output.plain(&found, &found.lines(url))?;
    match found.status() {
        0 => Ok(()),
        status => Err(CliError::answered(status)),
    }
}

async fn inspect(context: Option<&CliContext>, text: &[u8]) -> Result<Inspection, CliError> {
    let prefix = context.map_or_else(KeyPrefix::default, |context| context.core.prefix().clone());
    let mut found = Inspection::default();
    match PresentedKey::parse(&prefix, text) {
        Err(fault) => match imported(context, &prefix, text).await? {
            None => found.fault = Some(fault.to_string()),
            Some(live) => {
                found.well_formed = true;
                found.environment = Some(live.key.environment);
                found.locator = Some(live.secret.locator.to_string());
                found.tell(Some(&live));
            }
        },
        Ok(presented) => {
            found.well_formed = true;
            found.environment = Some(presented.environment());
            found.locator = Some(presented.locator().to_string());
            if let Some(context) = context {
                let live = owner(context, &presented).await?;
                found.tell(live.as_ref());
                if live.is_none()
                    && let Some(retired) = retired(context, &presented).await?
                {
                    let organization = context.store.organization(retired.organization).await?;
                    found.tell_retired(&retired, organization.map(|organization| organization.name));
                }
            }
        }
    }
    Ok(found)
}

/// Returns the imported secret with this text.
async fn imported(
    context: Option<&CliContext>,
    prefix: &KeyPrefix,
    text: &[u8],
) -> Result<Option<ActiveSecret>, CliError> {
    let (Some(context), Some(foreign)) = (context, PresentedForeignKey::peek(prefix, text)) else { return Ok(None) };
    for digest in ImportFormat::ALL.into_iter().filter_map(|format| foreign.digest(format)) {
        if let Some(found) = context.issuer.imported(context.operator(), digest).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Returns the active secret with this text.
async fn owner(context: &CliContext, presented: &PresentedKey<'_>) -> Result<Option<ActiveSecret>, CliError> {
    let (_, live) = context.store.active_secret(presented.locator()).await?.proved_of_any_store()?;
    let is_same = |live: &ActiveSecret| {
        live.secret.digest == presented.digest() && live.key.environment == presented.environment()
    };
    Ok(live.filter(is_same))
}

/// Returns the revoked secret with this text.
async fn retired(context: &CliContext, presented: &PresentedKey<'_>) -> Result<Option<RetiredSecret>, CliError> {
    let Some(store) = context.store.retired_secrets() else { return Ok(None) };
    let found = store.retired(presented.locator()).await?;
    Ok(found.filter(|retired| retired.digest == presented.digest()))
}
