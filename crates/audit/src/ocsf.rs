use doorward_types::Incarnation;
use serde_json::{Value, json};

use crate::{Action, Checkpoint, Event, SecretSummary};

/// The OCSF version of the schema.
const VERSION: &str = "1.5.0";

/// The class Entity Management, in the category Identity & Access Management.
const CLASS: u32 = 3004;
const CATEGORY: u32 = 3;

/// The activity, by the numbers of the class.
#[derive(Clone, Copy)]
enum Activity {
    Create = 1,
    Read = 2,
    Update = 3,
    Delete = 4,
}

/// Returns OCSF's activity and Doorward's word for the changed entity.
const fn activity(action: Action) -> (Activity, &'static str) {
    match action {
        Action::AccessKeyCreated | Action::AccessKeyImported => (Activity::Create, "Access Key"),
        Action::AccessKeyDeleted => (Activity::Delete, "Access Key"),
        Action::AccessKeyRegenerated
        | Action::AccessKeyReleased
        | Action::AccessKeyRenamed
        | Action::AccessKeyReportedLeaked
        | Action::AccessKeyStaged
        | Action::AccessKeyStageDiscarded => (Activity::Update, "Access Key"),
        Action::AllowedOriginAdded => (Activity::Create, "Allowed Origin"),
        Action::AllowedOriginRemoved => (Activity::Delete, "Allowed Origin"),
        Action::AuditLogExported => (Activity::Read, "Audit Log"),
        Action::AuditLogPruned => (Activity::Delete, "Audit Log"),
        Action::AuditLogResigned => (Activity::Update, "Audit Log"),
        Action::ConnectorPut => (Activity::Update, "Connector"),
        Action::ConnectorRemoved => (Activity::Delete, "Connector"),
        Action::CredentialPut => (Activity::Update, "Credential"),
        Action::CredentialRemoved => (Activity::Delete, "Credential"),
        Action::LostChangeAccepted | Action::StoreRestored => (Activity::Update, "Store"),
        Action::OperatorBound => (Activity::Update, "Operator"),
        Action::OperatorCreated => (Activity::Create, "Operator"),
        Action::OperatorDeleted => (Activity::Delete, "Operator"),
        Action::OperatorLinkMinted => (Activity::Create, "Sign-in Link"),
        Action::OperatorPasskeyAdded => (Activity::Create, "Passkey"),
        Action::OperatorPasskeyRemoved => (Activity::Delete, "Passkey"),
        Action::OperatorSignedIn => (Activity::Create, "Session"),
        Action::OperatorSignedOut => (Activity::Delete, "Session"),
        Action::OrganizationClosed => (Activity::Delete, "Organization"),
        Action::OrganizationCreated => (Activity::Create, "Organization"),
        Action::OrganizationRenamed | Action::OrganizationResumed | Action::OrganizationSuspended => {
            (Activity::Update, "Organization")
        }
        Action::RegisteredUserDeleted => (Activity::Delete, "Registered User"),
        Action::SealingKeyRotated => (Activity::Update, "Sealing Key"),
    }
}

impl Event {
    /// Returns the event for security tools: OCSF 1.5, class Entity Management (3004). `unmapped` contains the event in
    /// Doorward's own form, with its hashes.
    ///
    /// Source: <https://schema.ocsf.io/1.5.0/classes/entity_management>
    #[must_use]
    pub fn to_ocsf(&self) -> Value {
        let draft = &self.draft;
        let (activity, kind) = activity(draft.action);
        let id = activity as u32;
        let name = match activity {
            Activity::Create => "Create",
            Activity::Read => "Read",
            Activity::Update => "Update",
            Activity::Delete => "Delete",
        };
        let log = Checkpoint::origin_of(draft.organization, draft.environment);
        let entity = |secrets: &[SecretSummary]| json!({"uid": draft.subject, "name": draft.detail.name, "type": kind, "type_id": 99, "data": {"secrets": secrets, "origin": draft.detail.origin}});
        let mut shown = json!({
            "activity_id": id,
            "activity_name": name,
            "actor": {"user": {"name": draft.actor, "uid": draft.actor_id, "type_id": 99, "type": "Operator"}},
            "category_name": "Identity & Access Management",
            "category_uid": CATEGORY,
            "class_name": "Entity Management",
            "class_uid": CLASS,
            "entity": entity(&draft.detail.before),
            "entity_result": entity(&draft.detail.after),
            "message": format!("{} by {}: {}", draft.action, draft.actor, draft.subject),
            "metadata": {
                "correlation_uid": draft.request_id,
                "event_code": draft.action,
                "labels": [draft.environment],
                "log_name": log,
                "product": {"name": "Doorward", "vendor_name": "Doorward"},
                "sequence": self.sequence,
                "tenant_uid": draft.organization,
                "uid": self.uid(),
                "version": VERSION,
            },
            "severity": "Informational",
            "severity_id": 1,
            "src_endpoint": draft.source_address.map(|address| json!({"ip": address})),
            "status": "Success",
            "status_id": 1,
            "time": draft.time.as_millis(),
            "type_name": format!("Entity Management: {name}"),
            "type_uid": CLASS * 100 + id,
            "unmapped": self,
        });
        drop_nulls(&mut shown);
        shown
    }

    /// Returns the unique name of this event: its log, its place, and the incarnation if the store was restored.
    #[must_use]
    pub fn uid(&self) -> String {
        let log = Checkpoint::origin_of(self.draft.organization, self.draft.environment);
        match self.incarnation {
            Incarnation::FIRST => format!("{log}/{}", self.sequence),
            restored => format!("{log}/{restored}/{}", self.sequence),
        }
    }
}

/// Drops unknown fields. OCSF omits them; in `unmapped` they stay, since the hash covers them.
fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.iter_mut().filter(|(name, _)| *name != "unmapped").for_each(|(_, value)| drop_nulls(value));
    }
}
