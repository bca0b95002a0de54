//! Reads forms, within limits.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use url::form_urlencoded;

use crate::body::BodyError;
use crate::page_error::PageError;

/// The maximum size of a form: ample for a name, an origin and a URL.
const MAX_FORM: usize = 64 * 1024;

/// The maximum time for a form to arrive.
const FORM_DEADLINE: Duration = Duration::from_secs(10);

/// The fields of a form, or of a query.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn of_query(uri: &Uri) -> Self {
        Self(form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// Returns a field's text without surrounding blanks, or `None` if the field is empty or missing.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Returns the texts of all fields with this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the texts that a person typed or chose, to show them again beside an error.
    pub(crate) fn typed(&self) -> Typed {
        let text = |name| self.get(name).unwrap_or_default().to_owned();
        Typed { name: text("name"), note: text("note") }
    }

    /// Returns all fields.
    pub(crate) fn fields(&self) -> &[(String, String)] {
        &self.0
    }

    /// Returns whether this is the query of a look for changes, which an open page takes every few seconds.
    pub(crate) fn is_live(&self) -> bool {
        self.has("live")
    }

    /// Returns whether a field is there, also without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Returns a field's parsed value, or `None` if the field is empty or missing.
    pub(crate) fn parsed<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, PageError> {
        self.get(name).map(|text| text.parse().map_err(|_| PageError::Field(name))).transpose()
    }
}

/// The texts that a person typed into a form that has an error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typed {
    pub(crate) name: String,
    pub(crate) note: String,
}

pub(crate) async fn read<B>(headers: &HeaderMap, body: B) -> Result<Form, PageError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>>,
{
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(PageError::NoForm);
    }
    let collected = tokio::time::timeout(FORM_DEADLINE, Limited::new(body, MAX_FORM).collect()).await;
    let bytes = collected.map_err(|_| PageError::NoForm)?.map_err(|_| PageError::NoForm)?.to_bytes();
    Ok(Form(form_urlencoded::parse(&bytes).into_owned().collect()))
}
