//! The choices of a person for all pages: colours and times. A cookie keeps them.

use doorward_types::words;
use http::HeaderMap;

use crate::cookies::{self, cookie_named};
use crate::form::Form;
use crate::reply::{self, Reply};
use crate::returning::own_path;
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

words! {
    Theme, "the colours are `system`, `light` or `dark`": System = "system", Light = "light", Dark = "dark"
}

/// The clock of absolute times.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Clock {
    #[default]
    Utc,
    /// The browser's clock. Only the page's script knows it.
    Local,
}

words! {
    Clock, "a clock is `utc` or `local`": Utc = "utc", Local = "local"
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

    /// Changes a choice to the one of this word. Junk changes nothing.
    fn with_theme(self, word: &str) -> Self {
        Self { theme: word.parse().unwrap_or(self.theme), ..self }
    }

    fn with_clock(self, word: &str) -> Self {
        Self { clock: word.parse().unwrap_or(self.clock), ..self }
    }
}

/// Keeps the choice that a form asks for, and leads back to its page.
pub(crate) fn change(parts: &Parts, headers: &HeaderMap, form: &Form) -> Reply {
    let word = |name| form.get(name).unwrap_or_default();
    let chosen = Preferences::of(headers).with_theme(word("theme")).with_clock(word("clock"));
    let back = own_path(parts, word("back")).unwrap_or_else(|| format!("{}/", parts.base));
    let mut reply = reply::see_other(&back);
    let year = 365 * 24 * 60 * 60;
    let cookie =
        format!("{COOKIE}={}.{}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={year}", chosen.theme, chosen.clock);
    cookies::set(&mut reply, &cookie);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookies::tests::headers;

    #[test]
    fn a_choice_is_read_from_the_cookie_and_junk_is_no_choice() {
        let of = |cookie: &str| Preferences::of(&headers(&[("cookie", cookie)]));
        assert_eq!(of("__Host-doorward-view=dark.local"), Preferences { theme: Theme::Dark, clock: Clock::Local });
        for junk in ["__Host-doorward-view=", "__Host-doorward-view=x.y", "doorward-view=dark.local", "a=b"] {
            assert_eq!(of(junk), Preferences::default(), "{junk}");
        }
    }
}
