/// The reason why a text is no key. It says what to look for, and never holds the text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// A byte that no key has.
    #[error("a key has the characters 0-9, A-Z, a-z and _ only")]
    Alphabet,
    /// It does not start with the prefix and an environment.
    #[error("a key starts with this service's prefix and its environment, such as dw_prod_ or dw_test_")]
    Prefix,
    /// Too short, too long, or beyond the 128 bytes that are looked at.
    #[error("the key's length is wrong: it may have been cut off, or copied with something beside it")]
    Length,
    /// The underscores stand elsewhere.
    #[error("the key's parts are not where they should be: prefix_environment_locator_secret")]
    Shape,
    /// The last six characters do not match the others.
    #[error("the key's checksum does not match: a character was mistyped or lost")]
    Checksum,
}
