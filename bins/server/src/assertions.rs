//! Assertions of who sent a request, for services behind a gateway; off unless a file of keys is named.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use doorward::api::{Assertions, Keys};
use doorward::assertion::AssertionKeys;
use zeroize::Zeroizing;

use crate::secret_file;

/// The pause between two looks at the file.
const LOOK: Duration = Duration::from_secs(10);

/// A profile of forward-auth with the audience of its assertions, written `production=https://api.example.com`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audience {
    pub(crate) profile: Keys,
    pub(crate) audience: String,
}

impl FromStr for Audience {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let form = "a profile and its audience are written as `production=https://api.example.com`";
        let (profile, audience) = text.split_once('=').ok_or(form)?;
        let profile = Keys::named(profile).ok_or("the profile is one of `production`, `test` and `any`")?;
        if audience.is_empty() { Err(form) } else { Ok(Self { profile, audience: audience.to_owned() }) }
    }
}

/// Reads the keys, if the configuration names a file, and looks after the file from now on.
///
/// # Errors
///
/// If the file cannot be used, or if a setting that an assertion needs is missing.
pub(crate) fn start(
    file: Option<PathBuf>,
    given: &[Audience],
    public_url: Option<&str>,
) -> anyhow::Result<Option<Arc<Assertions>>> {
    let Some(file) = file else {
        if given.is_empty() {
            return Ok(None);
        }
        bail!("--assertion-audience needs --assertion-key-file: `doorward assertion-key rotate FILE` makes one");
    };
    let issuer = public_url.context("--assertion-key-file needs --public-url, which assertions name")?;
    if given.is_empty() {
        bail!("--assertion-key-file needs --assertion-audience: a service must refuse assertions for another");
    }
    let audiences = given.iter().map(|given| (given.profile, given.audience.clone())).collect();
    let text = secret_file::read(&file)?;
    let keys = text.parse().with_context(|| format!("in {}", file.display()))?;
    let assertions = Arc::new(Assertions::new(issuer.trim_end_matches('/').to_owned(), audiences, keys));
    tokio::spawn(look_after(Arc::clone(&assertions), file, text));
    Ok(Some(assertions))
}

/// Reads the file again when it has changed. A file that cannot be used is logged, and changes nothing.
async fn look_after(assertions: Arc<Assertions>, file: PathBuf, mut seen: Zeroizing<String>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let read = secret_file::read(&file);
        if read.as_ref().is_ok_and(|text| *text == seen) {
            continue;
        }
        let keys = read.and_then(|text| Ok((text.parse::<AssertionKeys>()?, text)));
        match keys {
            Ok((keys, text)) => {
                tracing::info!(file = %file.display(), newest = keys.newest(), "read the assertion keys again");
                assertions.replace_keys(keys);
                seen = text;
            }
            Err(error) => tracing::error!("the assertion keys cannot be used; those before are kept: {error:#}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use doorward::types::Timestamp;

    use super::*;
    use crate::arguments::Arguments;
    use crate::config::Config;

    fn started(arguments: &[&str]) -> anyhow::Result<Option<Arc<Assertions>>> {
        let config = Config::new(Arguments::try_parse_from([&["doorward-server"], arguments].concat())?)?;
        start(config.assertion_key_file, &config.assertion_audiences, config.public_url.as_deref())
    }

    #[tokio::test]
    async fn assertions_are_off_unless_all_that_they_need_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let keys = AssertionKeys::default().rotated(Zeroizing::new([1; 32]), Timestamp::from_millis(0));
        std::fs::write(&file, keys.to_text().as_bytes()).unwrap();
        let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, mode).unwrap();
        let file = ["--assertion-key-file", file.to_str().unwrap()];
        let (audience, url) = (["--assertion-audience", "any=a"], ["--public-url", "https://keys.example.com"]);
        assert!(started(&[]).unwrap().is_none());
        assert!(started(&[file, audience, url].concat()).unwrap().is_some());
        let lacking = [vec![file, audience], vec![file, url], vec![audience, url]];
        for lacking in lacking {
            assert!(started(&lacking.concat()).is_err(), "{lacking:?}");
        }
        for audience in ["any", "any=", "=a", "staging=a", "any-nginx=a"] {
            assert!(started(&[&file[..], &["--assertion-audience", audience], &url].concat()).is_err(), "{audience}");
        }
    }
}
