//! Options of an upload in the query of its request.

use crate::http::error::api::ApiError;
use crate::http::upload_request::UploadRequest;
use crate::options::Options;

/// Parses a query. The first of several parameters of one name counts; unknown
/// ones are ignored.
pub fn from_query(query: Option<&str>) -> Result<UploadRequest, ApiError> {
    let mut wanted = UploadRequest::default();
    let mut options = Options::default();
    let mut seen = Vec::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if seen.contains(&name) {
            continue;
        }
        match &*name {
            "language" => wanted.language = Some(value.into_owned()),
            "model" => wanted.model = Some(value.into_owned()),
            "taskId" => wanted.task_id = Some(value.into_owned()),
            "callback_url" => wanted.callback_url = Some(value.into_owned()),
            _ => options.set(&name, &value)?,
        }
        seen.push(name);
    }
    Ok(UploadRequest { options, ..wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_forms_write_them() {
        let wanted = from_query(Some(
            "language=de&model=base&beam_size=2&beam_size=9&x=y&initial_prompt=a+b%20c&callback_url=http%3A%2F%2Fnas%2F%3Fa%3Db",
        ))
        .unwrap();
        assert_eq!(wanted.language.as_deref(), Some("de"));
        assert_eq!(wanted.model.as_deref(), Some("base"));
        assert_eq!(wanted.options.beam_size, Some(2), "the first one counts");
        assert_eq!(wanted.options.initial_prompt.as_deref(), Some("a b c"));
        assert_eq!(wanted.callback_url.as_deref(), Some("http://nas/?a=b"));
        assert!(from_query(None).unwrap().language.is_none());
        let refused = from_query(Some("task=summarize")).unwrap_err().to_string();
        assert!(refused.contains("task must be"), "{refused}");
    }
}
