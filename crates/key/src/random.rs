use std::fmt;

/// The source of secrets. It is an argument, so that tests choose the random bytes.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills the buffer with unpredictable bytes.
    ///
    /// # Errors
    ///
    /// Fails if there is no randomness. Callers must not use a partly filled buffer.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one place where randomness enters")]
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(|_| RandomError)
    }
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the operating system's random generator failed; no key was made")]
pub struct RandomError;
