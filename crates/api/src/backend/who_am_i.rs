//! `GET /v1/whoami`: tells whom the key speaks for.
//!
//! Answers 200 `{"organization":{"id","name"},"environment","key":{"id","name","locator","generation"}}`.

use doorward_auth::Principal;

use crate::answer::{self, Answer};
use crate::shapes::WhoAmI;

pub(super) fn handle(principal: &Principal) -> Answer {
    answer::ok(&WhoAmI::from(principal))
}
