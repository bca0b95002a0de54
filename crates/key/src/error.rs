/// The reason why a text is not a key. It names the mistake, and never contains the text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A character that no key contains.
    #[error("a key has the characters 0-9, A-Z, a-z and _ only")]
    Alphabet,
    /// The text does not start with the prefix and an environment.
    #[error("a key starts with this service's prefix and its environment, PREFIX_prod_ or PREFIX_test_")]
    Prefix,
    /// The text is too short, too long, or over the limit of 128 bytes.
    #[error("the key's length is wrong: it may have been cut off, or copied with something beside it")]
    Length,
    /// The underscores are in the wrong places.
    #[error("the key's parts are in the wrong places: prefix_environment_locator_secret")]
    Shape,
    /// The last six characters do not match the rest.
    #[error("the key's checksum does not match: a character was mistyped or lost")]
    Checksum,
}
