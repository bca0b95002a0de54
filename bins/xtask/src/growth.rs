//! The rule that public types can grow: a new field or variant must not break a caller.

use std::collections::BTreeSet;

use serde_json::Value;

/// The types that are closed on purpose: the crate, the types, and the reason.
const CLOSED: [(&str, &str, &str); 11] = [
    ("doorward-api", "Access Action BackendAction OpenAction OperatorAction", "the table of paths is read whole"),
    ("doorward-api", "Keys", "an audience is for some keys or for all of them"),
    ("doorward-assertion", "Claims", "the signed format is fixed, and a literal cannot mix up issuer and audience"),
    (
        "doorward-auth",
        "CurrentValue FoundSecret Presence ProvisionedOnce Remedy StagedKey",
        "a caller decides on every case",
    ),
    ("doorward-link", "CallbackResponse UpstreamProtocol", "a server acts on every case"),
    ("doorward-origin", "CustomSchemes", "a caller decides between both"),
    (
        "doorward-records",
        "CredentialKey FoundLink LinkSession LinkStatus Revocation SealedKind SealedValue ToolCall ToolOutcome",
        "an engine stores all of it: a new part must not compile before each engine has it",
    ),
    (
        "doorward-store",
        "Cell Change ChangeContext ChangeTarget Committed CopiedTable CopyProgress EventFilter Facts KeyFacts KeyLabel Kind Knowledge \
         Observation OpenMode Operation OperationRow OrganizationUpdate OriginsChange OutboxEntry Provenance ProviderAccess Refusals SecretChange Session \
         SessionStatus SignIn SignInKind Step StoreIdentity Successor WhichKey",
        "an engine stores or applies all of it: a new part must not compile before each engine has it",
    ),
    ("doorward-store", "KeyRef Page Position", "complete by definition"),
    ("doorward-store-sql", "OrganizationFacts Value", "an engine reads or binds all of it"),
    ("doorward-types", "Environment OrganizationState SecretState", "the product's promise: no code forgets a case"),
];

/// Returns the faults of a published crate: each struct with public fields and each enum is `#[non_exhaustive]`, or stands in
/// [`CLOSED`], and nothing else does.
pub(crate) fn faults(package: &str, document: &Value) -> BTreeSet<String> {
    let listed = CLOSED.iter().filter(|(of, ..)| *of == package);
    let listed: BTreeSet<_> = listed.flat_map(|(_, names, _)| names.split_whitespace()).collect();
    let closed = closed(document);
    let missing = closed.difference(&listed).map(|name| format!("{package}: {name} is not #[non_exhaustive]"));
    let stale = listed.difference(&closed).map(|name| format!("{package}: {name} is no closed type, but is listed"));
    missing.chain(stale).collect()
}

/// Returns the names of the structs and enums that callers can build or match completely.
fn closed(document: &Value) -> BTreeSet<&str> {
    let items = document.get("index").and_then(Value::as_object).into_iter().flat_map(|index| index.values());
    let own = items.filter(|item| item.get("crate_id") == Some(&Value::from(0)));
    let closed = own.filter(|item| is_complete(item) && !is_non_exhaustive(item));
    closed.filter_map(|item| item.get("name").and_then(Value::as_str)).collect()
}

/// Returns true if an item is an enum, or a struct with named fields that are all public.
fn is_complete(item: &Value) -> bool {
    let fields = item.pointer("/inner/struct/kind/plain");
    let is_struct = fields.is_some_and(|plain| {
        plain.get("has_stripped_fields") == Some(&Value::Bool(false))
            && plain.get("fields").and_then(Value::as_array).is_some_and(|fields| !fields.is_empty())
    });
    is_struct || item.pointer("/inner/enum").is_some()
}

fn is_non_exhaustive(item: &Value) -> bool {
    let attributes = item.get("attrs").and_then(Value::as_array);
    attributes.is_some_and(|attributes| attributes.contains(&Value::from("non_exhaustive")))
}
