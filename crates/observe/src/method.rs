use http::Method;

/// Returns a method's name. Clients can invent methods of any length, which share one name, as in OpenTelemetry's semantic
/// conventions.
pub(crate) fn name(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|name| *name == method.as_str()).unwrap_or("_OTHER")
}
