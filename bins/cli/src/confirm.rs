//! Asking before something dies. What belongs to production is asked for by name.

use std::io::{BufRead, IsTerminal, Write};

use crate::arguments::Consent;
use crate::failure::Failure;

/// Asks to type `name`, unless consent was given. Where there is no terminal to ask on, consent must have been given.
///
/// # Errors
///
/// Exit status 3, where it was not typed.
pub fn by_name(consent: Consent, what_happens: &str, name: &str) -> Result<(), Failure> {
    if consent.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::cancelled(format!("{what_happens} There is no terminal to ask on: add --yes to go on.")));
    }
    let typed = ask(&format!("{what_happens}\nType {name} to go on: "))?;
    if typed == name {
        Ok(())
    } else {
        Err(Failure::cancelled("That is another name. Nothing was changed.".to_owned()))
    }
}

/// Asks yes or no on a terminal, unless consent was given.
///
/// # Errors
///
/// Exit status 3, where the answer was not yes.
pub fn yes_or_no(consent: Consent, what_happens: &str) -> Result<(), Failure> {
    if consent.yes || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    match ask(&format!("{what_happens} Go on? [y/N] "))?.as_str() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::cancelled("Nothing was changed.".to_owned())),
    }
}

fn ask(question: &str) -> Result<String, Failure> {
    let unanswered = |error: std::io::Error| Failure::cancelled(format!("The terminal cannot be read: {error}"));
    let mut terminal = anstream::stderr();
    write!(terminal, "{question}").and_then(|()| terminal.flush()).map_err(unanswered)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(unanswered)?;
    Ok(answer.trim().to_owned())
}
