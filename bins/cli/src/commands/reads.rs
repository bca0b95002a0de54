//! The calls to the store of each command: it reads each record once, however many records the store holds.

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
use crate::arguments::{Format, KeyFilter};

struct Bench {
    store: Arc<Carried<Noted>>,
    context: CliContext,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
    async fn new() -> Self {
        let store = Carried::new(&Arc::new(MemoryStore::new()), Noted::default());
        let core = Core::new(Arc::clone(&store) as Arc<dyn Store>);
        let request = OperatorPrincipal::local_administrator("test".parse().unwrap()).request();
        let context = CliContext {
            issuer: Issuer::new(&core),
            core,
            store: store.clone(),
            request,
            output: Output::new(Format::Json, None),
        };
        for name in ["Acme", "Other"] {
            context.issuer.provision(name.parse().unwrap(), &context.request).await.unwrap();
        }
        Self { store, context }
    }

    async fn calls(&self, command: impl AsyncFnOnce(&CliContext) -> Result<(), CliError>) -> Vec<Call> {
        self.store.way.take();
        command(&self.context).await.unwrap();
        self.store.way.take()
    }
}

fn acme() -> Which {
    Which { org: Some("Acme".to_owned()), external_id: None }
}

const SHOWN: crate::arguments::Shown = crate::arguments::Shown { format: crate::arguments::ValueFormat::Value };

const CONSENT: Consent = Consent { yes: true };

#[tokio::test]
async fn a_command_reads_each_thing_once() {
    let bench = Bench::new().await;
    let list = async |context: &CliContext| {
        let filter = KeyFilter { which: acme(), all: false, due: false, unused_for: None };
        key(context, Key::List(filter)).await
    };
    assert_eq!(bench.calls(list).await, ["organizations_named", "access_keys", "usage"]);

    let regenerate = Key::Regenerate {
        which: acme(),
        discard_staged: false,
        leaked: false,
        note: None,
        if_unused_for: None,
        shown: SHOWN,
        consent: CONSENT,
    };
    let regenerate = async |context: &CliContext| key(context, regenerate).await;
    let preview = ["organizations_named", "access_key", "usage"];
    assert_eq!(bench.calls(regenerate).await, [&preview[..], &["access_key", "change", "sessions"]].concat());

    let made = bench.context.organization(&acme()).await.unwrap();
    let made = bench.context.issuer.create(made.id, "ci".parse().unwrap(), &bench.context.request).await.unwrap();
    let delete = Key::Delete { which: acme(), key: made.key.id.to_string(), consent: CONSENT };
    let delete = async |context: &CliContext| key(context, delete).await;
    let shown = ["organizations_named", "access_key", "usage"];
    assert_eq!(bench.calls(delete).await, [&shown[..], &["access_key", "change", "sessions"]].concat());

    let create = Operator::Create { name: "ada".parse().unwrap(), by_provider: false, shown: SHOWN };
    let create = async |context: &CliContext| operator(context, create).await;
    assert_eq!(bench.calls(create).await, ["add_operator"]);
    let sign_out = Operator::SignOut { operator: "ada".to_owned() };
    let sign_out = async |context: &CliContext| operator(context, sign_out).await;
    assert_eq!(bench.calls(sign_out).await, ["operators", "delete_sign_ins"]);
}
