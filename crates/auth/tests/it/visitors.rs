//! A visitor manages one organization. For a visitor's principal nothing else exists, in any method of management.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward_auth::restore::RestoreReview;
use doorward_auth::{
    Core, ImportOwner, Issuer, KeyImport, Labelling, LostChanges, ManageError, NewOrganization, OperatorPrincipal,
    Operators, Renaming, StagedKey, Verifier, Visitor,
};
use doorward_key::{ImportedDigest, OfferedKey};
use doorward_store::{Operator, Organization, Page};
use doorward_store_memory::MemoryStore;
use doorward_types::{AccessKeyId, AllowedOriginId, Environment, IdSeed, Incarnation, OrganizationId, Timestamp};

use crate::support::{operator, request};

/// Methods that take what only an operator can get, and pass it on to a method that is tested here.
const PASSED_ON: [&str; 5] = ["disallow", "drop_passkey", "end_organization", "kill", "remove_operator"];

type Answers = Vec<(&'static str, Result<(), ManageError>)>;

macro_rules! answers {
    ($($name:ident: $call:expr;)*) => {
        vec![$((stringify!($name), $call.await.map(drop))),*]
    };
}

/// An installation with a visitor of its first organization.
struct Bench {
    issuer: Issuer,
    operators: Operators,
    losses: LostChanges,
    review: RestoreReview,
    ada: Operator,
    visitor: OperatorPrincipal,
    own: Organization,
    other: Organization,
}

#[expect(clippy::disallowed_methods, reason = "this test is the host, and says who its visitor is")]
fn visitor_of(organization: OrganizationId, id: &str) -> OperatorPrincipal {
    OperatorPrincipal::of_visitor(&Visitor::new(organization, id).unwrap())
}

fn seed() -> IdSeed {
    IdSeed::new(Timestamp::from_millis(0), [7; 10])
}

impl Bench {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let core = Core::new(store.clone());
        let issuer = Issuer::beside(&Verifier::start(&core).await.unwrap());
        let own = issuer.provision("Own".parse().unwrap(), &request()).await.unwrap().organization;
        let other = issuer.provision("Other".parse().unwrap(), &request()).await.unwrap().organization;
        let operators = Operators::new(&core, store.clone());
        let ada = operators.add("ada".parse().unwrap(), &request()).await.unwrap().operator;
        let visitor = visitor_of(own.id, "grace@example.com");
        let review = RestoreReview::new(&core, store.clone(), visitor.clone());
        Self { issuer, operators, losses: LostChanges::new(&core, store), review, ada, visitor, own, other }
    }

    /// Calls every method that manages an organization.
    #[expect(clippy::disallowed_methods, reason = "the test asks for every scope")]
    async fn manage(&self, of: &Organization) -> Answers {
        let (issuer, who, asked, id) = (&self.issuer, &self.visitor, &self.visitor.request(), of.id);
        let keys = issuer.access_keys(&operator(), id).await.unwrap();
        answers! {
            access_key: issuer.access_key(who, id, AccessKeyId::new(seed()));
            access_keys: issuer.access_keys(who, id);
            allow_origin: issuer.allow_origin(id, "app.example.com".parse().unwrap(), asked);
            allowed_origins: issuer.allowed_origins(who, of);
            create: issuer.create(id, "ci".parse().unwrap(), asked);
            create_offered: issuer.create_offered(id, "ci".parse().unwrap(), offered(1), asked);
            delete: issuer.delete(id, AccessKeyId::new(seed()), asked);
            disallow_origin: issuer.disallow_origin(id, AllowedOriginId::new(seed()), asked);
            label: issuer.label(id, AccessKeyId::new(seed()), Labelling::default(), asked);
            organization: issuer.organization(who, id);
            preview_regeneration: issuer.preview_regeneration(who, id, StagedKey::Promote);
            recent_uses: issuer.recent_uses(who, &keys);
            release: issuer.release(id, AccessKeyId::new(seed()), "0123456789".parse().unwrap(), asked);
            regenerate: issuer.regenerate(id, StagedKey::Promote, asked);
            report_leaked: issuer.report_leaked(id, None, asked);
            retired: issuer.retired(who, id);
            scope: async { who.scope(id, Environment::Production) };
            stage: issuer.stage(id, asked);
            unstage: issuer.unstage(id, asked);
            stage_offered: issuer.stage_offered(id, offered(2), asked);
            usage: issuer.usage(who, &keys);
            usage_with_spans: issuer.usage_with_spans(who, &keys, AccessKeyId::new(seed()));
        }
    }

    /// Calls every method that manages the installation.
    #[expect(clippy::disallowed_methods, reason = "the test asks for every scope")]
    async fn administer(&self) -> Answers {
        let Self { issuer, operators, losses, review, ada, visitor: who, .. } = self;
        let (asked, acme, own) = (&who.request(), || "Acme".parse().unwrap(), self.own.id);
        let (tenant, digest) = ("tenant-7".parse().unwrap(), ImportedDigest::sha256(&"0".repeat(64)).unwrap());
        let import = KeyImport::new(ImportOwner::Existing(own), Environment::Test, digest);
        let new = || NewOrganization::named(acme());
        answers! {
            accept: losses.accept(asked);
            add: operators.add(acme(), asked);
            add_by_provider: operators.add_by_provider(acme(), asked);
            add_passkey: operators.add_passkey("AAAA".to_owned(), acme(), vec![], asked);
            answer_for: review.answer_for(&[], asked);
            close: issuer.close(own, Duration::ZERO, asked);
            find: operators.find(who, "ada");
            find_secret: issuer.find_secret(who, "0123456789".parse().unwrap());
            finish: review.compare().finish();
            import: issuer.import(import, asked);
            imported: issuer.imported(who, digest);
            by_principal: operators.by_principal(who);
            key_overviews: issuer.key_overviews(who, &[]);
            list: operators.list(who);
            list: losses.list(who);
            login_link: operators.login_link(ada, asked);
            losses: review.losses();
            newest_retired: issuer.newest_retired(who);
            nodes: issuer.nodes(who);
            organization_by_external_id: issuer.organization_by_external_id(who, &tenant);
            organizations: issuer.organizations(who, Page::first(10));
            organizations_containing: issuer.organizations_containing(who, "a", Page::first(10));
            organizations_named: issuer.organizations_named(who, &acme(), 10);
            passkeys: operators.passkeys(who, ada.id);
            provision: issuer.provision(new(), asked);
            provision_first: issuer.provision_first(new(), asked);
            provision_once: issuer.provision_once(tenant.clone(), new(), asked);
            remove: operators.remove(ada, asked);
            remove_passkey: operators.remove_passkey("AAAA", asked);
            rename: issuer.rename(own, Renaming::default().with_name(acme()), asked);
            restored: review.restored(Incarnation::FIRST, asked);
            resume: issuer.resume(own, asked);
            scope: async { who.scope(OrganizationId::INSTALLATION, Environment::Production) };
            sessions: operators.sessions(who);
            sign_out_everywhere: operators.sign_out_everywhere(ada, asked);
            suspend: issuer.suspend(own, None, asked);
        }
    }
}

fn offered(number: u8) -> OfferedKey {
    format!("000000000{number}:{}", "0".repeat(64)).parse().unwrap()
}

#[tokio::test]
async fn a_visitor_manages_the_own_organization_and_no_other_exists() {
    let bench = Bench::new().await;
    for (call, answer) in bench.manage(&bench.own).await {
        let absent = matches!(answer, Err(ManageError::NoSuchKey | ManageError::NoSuchOrigin));
        assert!(answer.is_ok() || absent, "{call} of the own organization: {answer:?}");
    }
    for (call, answer) in bench.manage(&bench.other).await.into_iter().chain(bench.administer().await) {
        assert!(matches!(answer, Err(ManageError::NoSuchOrganization)), "{call}: {answer:?}");
    }
    let untouched = bench.issuer.access_keys(&operator(), bench.other.id).await.unwrap();
    assert_eq!((untouched.len(), untouched.first().unwrap().secrets.len()), (1, 1));
}

#[tokio::test]
async fn a_host_that_names_the_installation_as_an_organization_opens_nothing() {
    let bench = Bench { visitor: visitor_of(OrganizationId::INSTALLATION, "grace"), ..Bench::new().await };
    for (call, answer) in bench.administer().await {
        assert!(matches!(answer, Err(ManageError::NoSuchOrganization)), "{call}: {answer:?}");
    }
}

#[tokio::test]
async fn no_operator_has_the_name_of_a_visitor() {
    let bench = Bench::new().await;
    for name in ["host:ada", "HOST:ada", "hоst:ada"] {
        let refused = bench.operators.add(name.parse().unwrap(), &request()).await;
        assert!(matches!(refused, Err(ManageError::NameReserved)), "{name}");
    }
}

/// Every public method that takes a proof of management is among the calls above, so that a new method is tested too.
#[tokio::test]
async fn no_method_of_management_is_left_out() {
    let bench = Bench::new().await;
    let calls = bench.manage(&bench.own).await.into_iter().chain(bench.administer().await);
    let tested: BTreeSet<_> = calls.map(|(name, _)| name).chain(PASSED_ON).collect();
    let mut methods = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut methods);
    assert!(methods.len() > 20, "{methods:?}");
    let untested: Vec<_> = methods.iter().filter(|name| !tested.contains(name.as_str())).collect();
    assert!(untested.is_empty(), "add to this file: {untested:?}");
}

/// Collects the names of the public asynchronous functions that take a proof of management.
fn collect(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            collect(&entry, into);
            continue;
        }
        let text = std::fs::read_to_string(entry).unwrap();
        for function in text.split("pub async fn ").skip(1) {
            let signature = function.split('{').next().unwrap();
            if signature.contains("&OperatorPrincipal") || signature.contains("&ChangeRequest") {
                into.insert(signature.split(['(', '<']).next().unwrap().to_owned());
            }
        }
    }
}
