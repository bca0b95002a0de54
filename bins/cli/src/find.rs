//! `doorward key find`: whose locator it is, and whether the secret is in force.

use doorward::api::views::FoundSecretView;
use doorward::auth::FoundSecret;
use doorward::store::Hold;
use doorward::types::{Locator, Name};

use crate::context::CliContext;
use crate::failure::CliError;

/// The exit status of a secret that is not in force.
const DEAD: u8 = 1;

pub(crate) async fn run(context: &CliContext, text: &str) -> Result<(), CliError> {
    let locator = locator_in(text).ok_or_else(|| {
        CliError::usage("a locator has ten letters and digits, such as 4fG7hJ2kLm: keys are `dw_test_LOCATOR_…`".into())
    })?;
    let Some(found) = context.issuer.find_secret(context.operator(), locator).await? else {
        let unknown = "no key in force has this locator, and none that was revoked in the last 30 days";
        return Err(CliError::not_found(unknown.into()).with_status(DEAD));
    };
    let name = match &found {
        FoundSecret::InForce(live) => Some(live.organization_name.clone()),
        FoundSecret::Revoked(retired) => {
            context.store.organization(retired.organization).await?.map(|found| found.name)
        }
    };
    context.output.plain(&FoundSecretView::from(&found), &lines(&found, name.as_ref()))?;
    match &found {
        FoundSecret::InForce(live) if live.hold().is_none() => Ok(()),
        _ => Err(CliError::answered(DEAD)),
    }
}

/// Returns the locator in a text: the text itself, or the third part of a key's public beginning.
fn locator_in(text: &str) -> Option<Locator> {
    let of_key = || text.split('_').nth(2)?.parse().ok();
    text.parse().ok().or_else(of_key)
}

/// Returns the lines for people.
fn lines(found: &FoundSecret, name: Option<&Name>) -> String {
    let name = name.map(Name::as_str).unwrap_or_default();
    match found {
        FoundSecret::InForce(live) => {
            let state = match live.hold() {
                Some(hold) => format!("in force, but {}", held(hold)),
                None => format!("in force ({})", live.secret.state),
            };
            format!(
                "state:       {state}\nenvironment: {}\nkey:         {} ({})\nowner:       {name} ({})\n",
                live.key.environment, live.key.name, live.key.id, live.key.organization
            )
        }
        FoundSecret::Revoked(retired) => {
            let calls = match (retired.refused, retired.last_refused_at) {
                (0, _) | (_, None) => "none".to_owned(),
                (calls, Some(last)) => {
                    let from = retired.last_refused_from.map(|from| format!(" from {from}")).unwrap_or_default();
                    format!("{calls}, the last at {last}{from}")
                }
            };
            format!(
                "state:       dead since {}\nenvironment: {}\nkey:         {}\nowner:       {name} ({})\nrefused:     {calls}\n",
                retired.retired_at, retired.environment, retired.access_key, retired.organization
            )
        }
    }
}

/// Returns the reason why servers refuse a key that is in force, and the cure.
pub(crate) const fn held(hold: Hold) -> &'static str {
    match hold {
        Hold::Quarantined => "reported as leaked: refused until `doorward key release`, or until the key is replaced",
        _ => "its organization is suspended: refused until `doorward org resume`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locator_is_found_in_the_public_beginning_of_a_key() {
        for text in ["4fG7hJ2kLm", "dw_test_4fG7hJ2kLm_…", "acme_prod_4fG7hJ2kLm", "dw_test_4fG7hJ2kLm_9aQ"] {
            assert_eq!(locator_in(text).unwrap().to_string(), "4fG7hJ2kLm", "{text}");
        }
        for none in ["", "dw", "dw_test", "dw_test_short_9aQ"] {
            assert!(locator_in(none).is_none(), "{none}");
        }
    }
}
