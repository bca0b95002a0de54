//! Sign-in by passkeys: the two ceremonies of Web Authentication, Level 3 (W3C).
//!
//! A device makes a key pair for this page, and keeps the private half. The store has the public half. To sign in, the device
//! signs a challenge, after its owner has shown to be there by a finger, a face or a PIN. No name is typed: the device keeps the
//! operator's id beside the key.
//!
//! The server keeps no challenge: a sealed cookie has it, so that any node can finish what another began. The store keeps the
//! challenges that were answered, so that each is answered once.

mod cookie;
mod credential;

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_key::{Digest, Random};
use doorward_records::SealingKeys;
use doorward_store::{Operator, Passkey};
use doorward_types::{OperatorId, Timestamp};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use url::{Host, Url};
use webauthn_rp::bin::{Decode, Encode};
use webauthn_rp::request::auth::AuthenticationVerificationOptions;
use webauthn_rp::request::register::{
    CredProtect, Nickname, PublicKeyCredentialUserEntity, RegistrationVerificationOptions, UserHandle, Username,
};
use webauthn_rp::request::{AsciiDomain, PublicKeyCredentialDescriptor, RpId};
use webauthn_rp::response::auth::error::AuthCeremonyErr;
use webauthn_rp::response::register::Registration;
use webauthn_rp::response::{AuthTransports, CredentialId};
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthentication, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, RegistrationServerState,
};

use self::cookie::Purpose;
use self::credential::Credential;
use crate::passkey_error::PasskeyError;

pub(crate) use self::cookie::LIFETIME;

/// The length of a user handle: that of an operator's id.
const HANDLE: usize = 16;

/// No hint how a browser reaches a device: it asks every device.
const NO_TRANSPORTS: u8 = 0;

/// The page as devices know it: the origin for which they make passkeys. Cheap to clone.
///
/// ```
/// # use std::sync::Arc;
/// # fn mount(dashboard: doorward_dashboard::Dashboard, sealing_key: Arc<doorward_records::SealingKeys>) -> Result<(), doorward_dashboard::RelyingPartyError> {
/// use doorward_dashboard::RelyingParty;
///
/// let dashboard = dashboard.with_passkeys(RelyingParty::new("https://keys.example.com", sealing_key)?);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RelyingParty(Arc<Inner>);

struct Inner {
    origin: String,
    id: RpId,
    sealing_key: Arc<SealingKeys>,
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingParty").field("origin", &self.0.origin).finish_non_exhaustive()
    }
}

/// The reason why browsers make no passkeys for an origin.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("passkeys need an origin with https and a name of a host, or http://localhost: {origin} is none")]
pub struct RelyingPartyError {
    origin: String,
}

/// A ceremony that was begun: what the browser gets.
pub(crate) struct Begun {
    /// The options of the browser's call, as JSON.
    pub(crate) options: Vec<u8>,
    pub(crate) cookie: HeaderValue,
}

/// A ceremony that this browser has begun.
pub(crate) struct Open {
    state: Vec<u8>,
    /// The name of the challenge, to answer it once.
    pub(crate) challenge: Digest,
}

/// A new passkey whose device has proved that it has the key.
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) credential: Vec<u8>,
}

/// A device's signature, which proves nothing yet.
pub(crate) struct Signed(DiscoverableAuthentication<HANDLE>);

impl Signed {
    /// Reads what a browser sent.
    pub(crate) fn read(text: &str) -> Result<Self, PasskeyError> {
        DiscoverableAuthentication::from_json_relaxed(text.as_bytes()).map(Self).map_err(PasskeyError::unreadable)
    }

    /// Returns the id of the passkey that the device names.
    pub(crate) fn passkey(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0.raw_id().into_inner())
    }
}

impl RelyingParty {
    /// Returns the page of this origin, such as `https://keys.example.com`. A path is ignored. A passkey works for one name of
    /// a host: if the name changes, operators add new passkeys. All nodes that serve the same browsers need the same sealing key.
    ///
    /// # Errors
    ///
    /// Fails if browsers make no passkeys for the origin.
    pub fn new(origin: &str, sealing_key: Arc<SealingKeys>) -> Result<Self, RelyingPartyError> {
        let refused = || RelyingPartyError { origin: origin.to_owned() };
        let url = Url::parse(origin).map_err(|_| refused())?;
        let Some(Host::Domain(host)) = url.host() else { return Err(refused()) };
        if !(url.scheme() == "https" || (url.scheme() == "http" && host == "localhost")) {
            return Err(refused());
        }
        let id = RpId::Domain(AsciiDomain::try_from(host.to_owned()).map_err(|_| refused())?);
        Ok(Self(Arc::new(Inner { origin: url.origin().ascii_serialization(), id, sealing_key })))
    }

    pub(crate) fn origin(&self) -> &str {
        &self.0.origin
    }

    /// Begins to add a passkey to an operator. A device that has one of the known passkeys makes no second one.
    pub(crate) fn begin_adding(
        &self,
        operator: &Operator,
        known: &[Passkey],
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Begun, PasskeyError> {
        let (name, handle) = (operator.name.as_str(), handle_of(operator.id)?);
        let id = operator.id.to_string();
        // A name with a space is no user name, but may be shown.
        let user = Username::try_from(name).or_else(|_| Username::try_from(id.as_str()));
        let user = PublicKeyCredentialUserEntity {
            name: user.map_err(PasskeyError::begin)?,
            id: &handle,
            display_name: Nickname::try_from(name).ok(),
        };
        let known = known.iter().filter_map(|passkey| {
            let id = BASE64_URL_SAFE_NO_PAD.decode(&passkey.id).ok()?;
            let id = CredentialId::<Vec<u8>>::decode(id).ok()?;
            Some(PublicKeyCredentialDescriptor { id, transports: AuthTransports::decode(NO_TRANSPORTS).ok()? })
        });
        let mut options = PublicKeyCredentialCreationOptions::passkey(&self.0.id, user, known.collect());
        // Devices that know of no protection would be left out. Each signature must say that the device verified its owner.
        options.extensions.cred_protect = CredProtect::None;
        let (state, options) = options.start_ceremony().map_err(PasskeyError::begin)?;
        let state = state.encode().map_err(PasskeyError::begin)?;
        self.begun(Purpose::Adding, &state, serde_json::to_vec(&options), random, now)
    }

    /// Begins a sign-in by any passkey.
    pub(crate) fn begin_sign_in(&self, random: &dyn Random, now: Timestamp) -> Result<Begun, PasskeyError> {
        let options = DiscoverableCredentialRequestOptions::passkey(&self.0.id);
        let (state, options) = options.start_ceremony().map_err(PasskeyError::begin)?;
        let state = state.encode().map_err(PasskeyError::begin)?;
        self.begun(Purpose::SignIn, &state, serde_json::to_vec(&options), random, now)
    }

    fn begun(
        &self,
        purpose: Purpose,
        state: &[u8],
        options: Result<Vec<u8>, serde_json::Error>,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Begun, PasskeyError> {
        let cookie = cookie::seal(purpose, state, &self.0.sealing_key, random, now)?;
        Ok(Begun { options: options.map_err(PasskeyError::begin)?, cookie })
    }

    /// Returns the adding of a passkey that this browser has begun.
    pub(crate) fn adding(&self, headers: &HeaderMap, now: Timestamp) -> Result<Open, PasskeyError> {
        self.open(Purpose::Adding, headers, now)
    }

    /// Returns the sign-in that this browser has begun.
    pub(crate) fn sign_in(&self, headers: &HeaderMap, now: Timestamp) -> Result<Open, PasskeyError> {
        self.open(Purpose::SignIn, headers, now)
    }

    fn open(&self, purpose: Purpose, headers: &HeaderMap, now: Timestamp) -> Result<Open, PasskeyError> {
        let state = cookie::open(purpose, headers, &self.0.sealing_key, now).ok_or(PasskeyError::NotBegun)?;
        let challenge = Digest::from_bytes(Sha256::digest(&state).into());
        Ok(Open { state, challenge })
    }

    /// Checks what a browser sent of a new passkey, for the operator who began.
    pub(crate) fn made(&self, open: &Open, operator: OperatorId, text: &str) -> Result<Made, PasskeyError> {
        let state = RegistrationServerState::<HANDLE>::decode(&open.state).map_err(PasskeyError::unreadable)?;
        let made = Registration::from_json_relaxed(text.as_bytes()).map_err(PasskeyError::unreadable)?;
        let origins = [self.origin()];
        let options = RegistrationVerificationOptions::<&str, &str> {
            allowed_origins: &origins,
            // Managers of passwords send extensions that nobody asked for. None is read here.
            error_on_unsolicited_extensions: false,
            ..RegistrationVerificationOptions::default()
        };
        let made = state.verify(&self.0.id, &made, &options).map_err(PasskeyError::proof)?;
        if *made.user_id() != handle_of(operator)? {
            return Err(PasskeyError::NotBegun);
        }
        let id = BASE64_URL_SAFE_NO_PAD.encode(made.id().into_inner());
        let fixed = made.static_state().encode().map_err(PasskeyError::begin)?;
        Ok(Made { id, credential: credential::bytes(made.dynamic_state(), &fixed)? })
    }

    /// Checks a device's signature. Returns the passkey's credential with its new count of signatures.
    pub(crate) fn check(&self, open: &Open, signed: &Signed, passkey: &Passkey) -> Result<Vec<u8>, PasskeyError> {
        let state = DiscoverableAuthenticationServerState::decode(&open.state).map_err(PasskeyError::unreadable)?;
        let Credential { changing, fixed, fixed_bytes } = Credential::read(&passkey.credential)?;
        let handle = handle_of(passkey.operator)?;
        let known = AuthenticatedCredential::new(signed.0.raw_id(), &handle, fixed, changing);
        let mut known = known.map_err(PasskeyError::unreadable)?;
        let origins = [self.origin()];
        let options = AuthenticationVerificationOptions::<&str, &str> {
            allowed_origins: &origins,
            error_on_unsolicited_extensions: false,
            ..AuthenticationVerificationOptions::default()
        };
        match state.verify(&self.0.id, &signed.0, &mut known, &options) {
            Ok(_) => credential::bytes(known.dynamic_state(), fixed_bytes),
            Err(AuthCeremonyErr::SignatureCounter) => Err(PasskeyError::Counter(passkey.name.to_string())),
            Err(error) => Err(PasskeyError::proof(error)),
        }
    }
}

/// Returns the user handle of an operator: the bytes of the operator's id, which tell a device nothing about the person.
fn handle_of(operator: OperatorId) -> Result<UserHandle<HANDLE>, PasskeyError> {
    UserHandle::decode(operator.as_u128().to_be_bytes()).map_err(PasskeyError::begin)
}

#[cfg(test)]
mod tests {
    use doorward_records::SealingKey;
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn only_an_origin_with_a_name_and_tls_has_passkeys() {
        let of = |origin: &str| {
            let key = Arc::new(SealingKey::new(&Zeroizing::new([7; 32])).into());
            RelyingParty::new(origin, key).map(|party| party.origin().to_owned()).ok()
        };
        for (origin, expected) in [
            ("https://keys.example.com", "https://keys.example.com"),
            ("https://keys.example.com:8443/a/", "https://keys.example.com:8443"),
            ("https://Keys.Example.Com:443", "https://keys.example.com"),
            ("http://localhost:8080", "http://localhost:8080"),
        ] {
            assert_eq!(of(origin).as_deref(), Some(expected), "{origin}");
        }
        for origin in [
            "http://keys.example.com",
            "http://127.0.0.1:8080",
            "https://192.0.2.1",
            "https://[::1]",
            "http://localhost.evil.example",
            "ftp://localhost",
            "keys.example.com",
            "",
        ] {
            assert_eq!(of(origin), None, "{origin}");
        }
    }
}
