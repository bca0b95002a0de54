//! Questions before something dies. For production, people must type its name.

use std::io::{BufRead, IsTerminal, Write};

use crate::arguments::Consent;
use crate::failure::CliError;

/// Asks to type `name`, unless consent was given. Without a terminal, consent must have been given.
///
/// # Errors
///
/// Fails with exit status 3 if the name was not typed.
pub fn by_name(consent: Consent, what_happens: &str, name: &str) -> Result<(), CliError> {
    if consent.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::cancelled(format!(
            "{what_happens} There is no terminal to ask on: add --yes to continue."
        )));
    }
    let typed = ask(&format!("{what_happens}\nType {name} to continue: "))?;
    if typed == name {
        Ok(())
    } else {
        Err(CliError::cancelled("That is another name. Nothing was changed.".to_owned()))
    }
}

/// Asks yes or no on a terminal, unless consent was given.
///
/// # Errors
///
/// Fails with exit status 3 if the answer was not yes.
pub fn yes_or_no(consent: Consent, what_happens: &str) -> Result<(), CliError> {
    if consent.yes || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    match ask(&format!("{what_happens} Continue? [y/N] "))?.as_str() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CliError::cancelled("Nothing was changed.".to_owned())),
    }
}

fn ask(question: &str) -> Result<String, CliError> {
    let unanswered = |error: std::io::Error| CliError::cancelled(format!("The terminal cannot be read: {error}"));
    let mut terminal = anstream::stderr();
    write!(terminal, "{question}").and_then(|()| terminal.flush()).map_err(unanswered)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(unanswered)?;
    Ok(answer.trim().to_owned())
}
