//! The choices of a person for all pages: colours and times. A cookie keeps them.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::cookies::cookie_named;
use crate::form::Form;
use crate::reply::{self, Reply};
use crate::state::Parts;

const COOKIE: &str = "__Host-doorward-view";

/// The colours of the pages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Theme {
    /// The colours of the person's system.
    #[default]
    System,
    Light,
    Dark,
}

/// The clock of absolute times.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Clock {
    #[default]
    Utc,
    /// The browser's clock. Only the page's script knows it.
    Local,
}

/// The choices of a person.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Preferences {
    pub(crate) theme: Theme,
    pub(crate) clock: Clock,
}

impl Preferences {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let (theme, clock) = cookie_named(headers, COOKIE).and_then(|text| text.split_once('.')).unwrap_or_default();
        Self::default().with_theme(theme).with_clock(clock)
    }

    fn with_theme(self, word: &str) -> Self {
        let theme = match word {
            "system" => Theme::System,
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => self.theme,
        };
        Self { theme, ..self }
    }

    fn with_clock(self, word: &str) -> Self {
        let clock = match word {
            "utc" => Clock::Utc,
            "local" => Clock::Local,
            _ => self.clock,
        };
        Self { clock, ..self }
    }

    pub(crate) const fn theme(&self) -> &'static str {
        match self.theme {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    pub(crate) const fn clock(&self) -> &'static str {
        match self.clock {
            Clock::Utc => "utc",
            Clock::Local => "local",
        }
    }
}

/// Keeps the choice that a form asks for, and leads back to its page.
pub(crate) fn change(parts: &Parts, headers: &HeaderMap, form: &Form) -> Reply {
    let word = |name| form.get(name).unwrap_or_default();
    let chosen = Preferences::of(headers).with_theme(word("theme")).with_clock(word("clock"));
    let back = own_path(parts, word("back")).unwrap_or_else(|| format!("{}/", parts.base));
    let mut reply = reply::see_other(&back);
    let year = 365 * 24 * 60 * 60;
    let cookie = format!(
        "{COOKIE}={}.{}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={year}",
        chosen.theme(),
        chosen.clock()
    );
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
    reply
}

/// Returns a path if it leads to a page of this dashboard, and not to another site.
pub(crate) fn own_path(parts: &Parts, path: &str) -> Option<String> {
    let rest = path.strip_prefix(parts.base.as_str())?;
    let is_plain = path.len() <= 1_024 && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let leads_inside = rest.is_empty() || (rest.starts_with('/') && !rest.starts_with("//"));
    let rest = without_values(rest)?;
    (is_plain && leads_inside && !(parts.base.is_empty() && rest.is_empty())).then(|| format!("{}{rest}", parts.base))
}

/// Returns a path and its query without what could be the value of a key, which no page repeats and no cookie keeps.
///
/// A query with such a text is left out. No path is left if the path itself has one.
pub(crate) fn without_values(path: &str) -> Option<&str> {
    // Only a value is longer than an id, with its letters as they are or percent-encoded.
    let is_value = |text: &&str| text.len() > "01h455vb4pex5vsknk084sn02q".len();
    let has_value = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '%').any(|run| is_value(&run));
    let (alone, query) = path.split_once('?').unwrap_or((path, ""));
    (!has_value(alone)).then_some(if has_value(query) { alone } else { path })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookies::tests::headers;

    #[test]
    fn no_path_carries_a_value() {
        let value = "dw_test_4fG7hJ2kLm_9aQxYbZcWdVeUfTgShRiQjPkOlNmM0L1K2J3";
        let hidden = value.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let page = "/dashboard/org_01h455vb4pex5vsknk084sn02q/audit";
        let filtered = format!("{page}?environment=test&key=key_01h455vb4pex5vsknk084sn02q");
        assert_eq!(without_values(&filtered), Some(&*filtered));
        for value in [value, &hidden] {
            assert_eq!(without_values(&format!("{page}?actor={value}")), Some(page));
            assert_eq!(without_values(&format!("{page}/{value}?environment=test")), None);
        }
    }

    #[test]
    fn a_choice_is_read_from_the_cookie_and_junk_is_no_choice() {
        let of = |cookie: &str| Preferences::of(&headers(&[("cookie", cookie)]));
        assert_eq!(of("__Host-doorward-view=dark.local"), Preferences { theme: Theme::Dark, clock: Clock::Local });
        for junk in ["__Host-doorward-view=", "__Host-doorward-view=x.y", "doorward-view=dark.local", "a=b"] {
            assert_eq!(of(junk), Preferences::default(), "{junk}");
        }
    }
}
