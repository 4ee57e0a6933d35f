//! What the query of a request tells of the recording in its body.

use crate::http::error::api::ApiError;
use crate::http::upload_request::Told;
use crate::options::Options;

/// Reads it. Of a parameter that is there twice the first one counts; unknown
/// ones are nobody's fault.
pub fn told_by(query: Option<&str>) -> Result<Told, ApiError> {
    let mut told = Told::default();
    let mut options = Options::default();
    let mut seen = Vec::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if seen.contains(&name) {
            continue;
        }
        match &*name {
            "language" => told.language = Some(value.into_owned()),
            "model" => told.model = Some(value.into_owned()),
            "taskId" => told.task_id = Some(value.into_owned()),
            "callback_url" => told.callback_url = Some(value.into_owned()),
            _ => options.set(&name, &value)?,
        }
        seen.push(name);
    }
    Ok(Told { options, ..told })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_forms_write_them() {
        let told = told_by(Some(
            "language=de&model=base&beam_size=2&beam_size=9&x=y&initial_prompt=a+b%20c&callback_url=http%3A%2F%2Fnas%2F%3Fa%3Db",
        ))
        .unwrap();
        assert_eq!(told.language.as_deref(), Some("de"));
        assert_eq!(told.model.as_deref(), Some("base"));
        assert_eq!(told.options.beam_size, Some(2), "the first one counts");
        assert_eq!(told.options.initial_prompt.as_deref(), Some("a b c"));
        assert_eq!(told.callback_url.as_deref(), Some("http://nas/?a=b"));
        assert!(told_by(None).unwrap().language.is_none());
        let refused = told_by(Some("task=summarize")).unwrap_err().to_string();
        assert!(refused.contains("task must be"), "{refused}");
    }
}
