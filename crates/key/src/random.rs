use std::fmt;

/// Where secrets come from: an argument, so that tests can say what is drawn.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills the buffer with bytes that no one can predict.
    ///
    /// # Errors
    ///
    /// Where there are none to be had; nothing may be made from a partly filled buffer.
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
