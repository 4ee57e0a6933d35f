//! POST: a new upload, maybe with its first bytes (creation,
//! creation-with-upload and creation-defer-length extensions).

use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use hyper::{Request, StatusCode};
use uuid::Uuid;

use super::super::App;
use super::super::reply::{self, Reply};
use super::body::BodySource;
use super::checksum::promise;
use super::concat::concat;
use super::metadata::Metadata;
use super::{
    TusError, UPLOAD_DEFER_LENGTH, UPLOAD_LENGTH, UPLOAD_METADATA, bytes_header, check_version,
    describe, is_chunk, owned,
};
use crate::access::Caller;
use crate::config::UnknownModel;
use crate::store::helper;
use crate::upload::{Chunk, NewUpload, UploadError};
use crate::{languages, models};

/// Answers POST, once the upload and what came of its first bytes are durable.
pub async fn create(
    app: &App,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Reply, TusError> {
    let (head, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    let announced_bytes = body.size_hint().exact();
    let source = BodySource::new(body, &head);
    check_version(&head.headers)?;
    let new = parse(&head.headers, caller, app.default_language.clone())?;
    check_model(app, new.model.as_deref()).await?;
    let parts = new.parts();
    for part in parts {
        owned(app, caller, Some(*part)).await?;
    }
    if !parts.is_empty() && has_body {
        return Err(UploadError::Final.into());
    }
    if has_body && !is_chunk(&head.headers) && head.headers.contains_key(CONTENT_TYPE) {
        return Err(TusError::ContentType);
    }
    let chunk = Chunk {
        announced_bytes,
        checksum: promise(&head.headers)?,
        ..Chunk::default()
    };
    let first = is_chunk(&head.headers).then_some((chunk, source));
    let (id, status) = match new.parts() {
        [] => app.uploads.create(new, first).await?,
        _ => app.uploads.create_final(new).await?,
    };
    let mut reply = reply::empty(StatusCode::CREATED);
    describe(&mut reply, &status);
    reply::set(&mut reply, LOCATION, app.base_url.upload(id));
    Ok(reply)
}

fn parse(
    headers: &HeaderMap,
    caller: &Caller,
    default_language: Option<String>,
) -> Result<NewUpload, TusError> {
    let concat = concat(headers)?;
    let is_final = concat
        .as_ref()
        .is_some_and(|concat| !concat.parts.is_empty());
    let length = match (bytes_header(headers, UPLOAD_LENGTH)?, deferred(headers)?) {
        (None, false) if is_final => None,
        _ if is_final => return Err(TusError::FinalLength),
        (Some(_), true) => return Err(TusError::TwoLengths),
        (None, false) => {
            return Err(TusError::Missing {
                name: UPLOAD_LENGTH,
            });
        }
        (length, _) => length,
    };
    let raw = headers
        .get(UPLOAD_METADATA)
        .map(|value| {
            value
                .to_str()
                .map_err(|_| TusError::Metadata("it is not ASCII".into()))
        })
        .transpose()?;
    let metadata = Metadata::parse(raw.unwrap_or_default()).map_err(TusError::Metadata)?;
    let text = |key| metadata.text(key).map_err(TusError::Metadata);
    Ok(NewUpload {
        length,
        // The id of another task, or no UUID at all, is no reason to refuse. A
        // part is no task: its recording may want the id.
        wanted_id: text("taskId")?
            .and_then(|id| Uuid::try_parse(&id).ok())
            .filter(|id| !id.is_nil() && (concat.is_none() || is_final)),
        owner: caller.name().map(str::to_owned),
        metadata: raw.map(str::to_owned),
        filename: text("filename")?.map(|name| display_name(&name)),
        filetype: text("filetype")?,
        language: match text("language")? {
            Some(language) => languages::parse(&language)?,
            None => default_language,
        },
        model: text("model")?.filter(|model| !model.is_empty()),
        concat,
    })
}

/// creation-defer-length: the client will tell the length later.
fn deferred(headers: &HeaderMap) -> Result<bool, TusError> {
    match headers.get(UPLOAD_DEFER_LENGTH) {
        None => Ok(false),
        Some(value) if value == "1" => Ok(true),
        Some(_) => Err(TusError::DeferLength),
    }
}

/// The last part of a path, without what could fool a terminal or a reader.
fn display_name(name: &str) -> String {
    const NAME_MAX_CHARS: usize = 255;
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars()
        .filter(|c| !c.is_control())
        .take(NAME_MAX_CHARS)
        .collect()
}

async fn check_model(app: &App, wanted: Option<&str>) -> Result<(), TusError> {
    let Some(wanted) = wanted.filter(|_| app.unknown_model == UnknownModel::Reject) else {
        return Ok(());
    };
    let dir = app.models_dir.clone();
    let installed = helper::run(move || models::installed(&dir))
        .await
        .unwrap_or_default();
    if models::is_known(wanted, &installed) {
        return Ok(());
    }
    Err(TusError::UnknownModel(wanted.chars().take(80).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_presentable() {
        for (given, shown) in [
            ("a.wav", "a.wav"),
            ("C:\\Users\\me\\a.wav", "a.wav"),
            ("../../etc/passwd", "passwd"),
            ("a\x1b[31m\n.wav", "a[31m.wav"),
        ] {
            assert_eq!(display_name(given), shown);
        }
    }
}
