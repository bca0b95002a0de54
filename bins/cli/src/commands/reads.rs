//! The calls to the store of each command: it reads each thing once, whatever else the store holds.

#[path = "../../../../crates/auth/tests/it/support/noted.rs"]
mod noted;
#[expect(dead_code, reason = "the tests of the core use all of it")]
#[path = "../../../../crates/auth/tests/it/support/store.rs"]
mod store;

use std::sync::Arc;

use doorward::auth::{Core, Issuer, OperatorPrincipal};
use doorward::memory::MemoryStore;
use doorward::records::Store;

use self::noted::Noted;
use self::store::{Call, Carried};
use super::*;

struct Bench {
    store: Arc<Carried<Noted>>,
    desk: Desk,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
    async fn new() -> Self {
        let store = Carried::new(&Arc::new(MemoryStore::new()), Noted::default());
        let core = Core::new(Arc::clone(&store) as Arc<dyn Store>);
        let request = OperatorPrincipal::local_administrator("test".parse().unwrap()).request();
        let desk = Desk { issuer: Issuer::new(&core), core, store: store.clone(), request };
        for name in ["Acme", "Other"] {
            desk.issuer.provision(name.parse().unwrap(), &desk.request).await.unwrap();
        }
        Self { store, desk }
    }

    async fn calls(&self, command: impl AsyncFnOnce(&Desk, &Output) -> Result<(), Failure>) -> Vec<Call> {
        self.store.way.take();
        command(&self.desk, &Output::new(Format::Json)).await.unwrap();
        self.store.way.take()
    }
}

fn acme() -> Which {
    Which { org: Some("Acme".to_owned()) }
}

const CONSENT: Consent = Consent { yes: true };

#[tokio::test]
async fn a_command_reads_each_thing_once() {
    let bench = Bench::new().await;
    let list = async |desk: &Desk, output: &Output| key(desk, Key::List { which: acme() }, output).await;
    assert_eq!(bench.calls(list).await, ["organizations_named", "access_keys", "usage"]);

    let regenerate = Key::Regenerate { which: acme(), discard_staged: false, consent: CONSENT };
    let regenerate = async |desk: &Desk, output: &Output| key(desk, regenerate, output).await;
    let preview = ["organizations_named", "access_key", "usage"];
    assert_eq!(bench.calls(regenerate).await, [&preview[..], &["access_key", "change", "sessions"]].concat());

    let made = bench.desk.organization(&acme()).await.unwrap();
    let made = bench.desk.issuer.create(made.id, "ci".parse().unwrap(), &bench.desk.request).await.unwrap();
    let delete = Key::Delete { which: acme(), key: made.key.id, consent: CONSENT };
    let delete = async |desk: &Desk, output: &Output| key(desk, delete, output).await;
    assert_eq!(bench.calls(delete).await, ["organizations_named", "access_key", "change", "sessions"]);

    let create = Operator::Create { name: "ada".parse().unwrap(), by_provider: false };
    let create = async |desk: &Desk, output: &Output| operator(desk, create, output).await;
    assert_eq!(bench.calls(create).await, ["add_operator"]);
    let sign_out = Operator::SignOut { operator: "ada".to_owned() };
    let sign_out = async |desk: &Desk, output: &Output| operator(desk, sign_out, output).await;
    assert_eq!(bench.calls(sign_out).await, ["operators", "take_sign_ins"]);
}
