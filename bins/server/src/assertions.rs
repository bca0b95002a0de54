//! Assertions of a request's sender, for services behind a gateway; off unless a file of keys is set.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use doorward::api::{Assertions, Audience};
use doorward::assertion::AssertionKeys;
use doorward::secret_files;

/// The pause between two looks at the file.
const READ_INTERVAL: Duration = Duration::from_secs(10);

/// Reads the keys, if the configuration names a file, and follows the file from now on.
///
/// # Errors
///
/// Fails if the file cannot be used, or if a setting that assertions need is missing.
pub(crate) fn start(
    file: Option<PathBuf>,
    audiences: &[Audience],
    public_url: Option<&str>,
) -> anyhow::Result<Option<Arc<Assertions>>> {
    let Some(file) = file else {
        if audiences.is_empty() {
            return Ok(None);
        }
        bail!("--assertion-audience needs --assertion-key-file: `doorward assertion-key rotate FILE` makes one");
    };
    let issuer = public_url.context("--assertion-key-file needs --public-url, which assertions name")?;
    if audiences.is_empty() {
        bail!("--assertion-key-file needs --assertion-audience: a service must refuse assertions for another");
    }
    let text = secret_files::read(&file)?;
    let keys = text.parse().with_context(|| format!("in {}", file.display()))?;
    let assertions = Arc::new(Assertions::new(issuer.trim_end_matches('/').to_owned(), audiences, keys));
    let followed = Arc::clone(&assertions);
    tokio::spawn(secret_files::follow(file, text, READ_INTERVAL, move |text| {
        let keys: AssertionKeys = text.parse()?;
        tracing::info!(newest = keys.newest(), "read the assertion keys again");
        followed.replace_keys(keys);
        Ok::<_, <AssertionKeys as std::str::FromStr>::Err>(())
    }));
    Ok(Some(assertions))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use doorward::types::Timestamp;
    use zeroize::Zeroizing;

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
