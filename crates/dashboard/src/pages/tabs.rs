//! The head of an organization's pages.

use doorward_store::Organization;

use crate::state::Parts;

/// The pages of an organization.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tab {
    Audit,
    Connectors,
    Keys,
    Origins,
}

/// The organization's name, and the links to its pages.
pub(super) struct Tabs {
    pub(super) organization: String,
    pub(super) links: Vec<Link>,
}

pub(super) struct Link {
    pub(super) path: String,
    pub(super) label: String,
    pub(super) is_here: bool,
}

impl Tabs {
    pub(super) fn of(parts: &Parts, organization: &Organization, here: Tab) -> Self {
        let origins = match parts.verifier.allowed_origin_count(organization.id) {
            0 => "Callback origins".to_owned(),
            count => format!("Callback origins ({count})"),
        };
        let all = [
            (Tab::Keys, "", "API Keys".to_owned()),
            (Tab::Origins, "/callback-origins", origins),
            (Tab::Connectors, "/connectors", "Connectors".to_owned()),
            (Tab::Audit, "/audit", "Audit Trail".to_owned()),
        ];
        let exists = |tab| tab != Tab::Connectors || parts.connectors.is_some();
        let links = all.into_iter().filter(|(tab, ..)| exists(*tab)).map(|(tab, rest, label)| Link {
            path: format!("{}{rest}", parts.path(organization.id)),
            label,
            is_here: tab == here,
        });
        Self { organization: organization.name.to_string(), links: links.collect() }
    }
}
