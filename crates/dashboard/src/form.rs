//! Reading what a form sends, within limits.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use url::form_urlencoded;

use crate::body::BodyError;
use crate::fault::Fault;

/// Ample for a name, an origin and a URL to try.
const MAX_FORM: usize = 64 * 1024;

/// How long a form may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);

/// The fields of a form, or of a query.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn of_query(uri: &Uri) -> Self {
        Self(form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// What a field says, without blanks around it; none where it is empty, or not there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// What a field says, read as what it means; none where it is empty, or not there.
    pub(crate) fn parsed<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Fault> {
        self.get(name).map(|text| text.parse().map_err(|_| Fault::Field(name))).transpose()
    }
}

pub(crate) async fn read<B>(headers: &HeaderMap, body: B) -> Result<Form, Fault>
where
    B: Body<Data = Bytes, Error: Into<BodyError>>,
{
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Fault::NoForm);
    }
    let collected = tokio::time::timeout(DEADLINE, Limited::new(body, MAX_FORM).collect()).await;
    let bytes = collected.map_err(|_| Fault::NoForm)?.map_err(|_| Fault::NoForm)?.to_bytes();
    Ok(Form(form_urlencoded::parse(&bytes).into_owned().collect()))
}
