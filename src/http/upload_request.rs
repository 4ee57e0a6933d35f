//! Requests for new uploads, of every protocol.

use uuid::Uuid;

use super::error::unmet::Unmet;
use super::headers::disposition::display_name;
use super::owned::OwnedUpload;
use crate::access::Caller;
use crate::blocking;
use crate::http::app::App;
use crate::languages::UnknownLanguage;
use crate::models::UnknownModel;
use crate::options::Options;
use crate::shares::require_one_more;
use crate::store::facts::{Concat, Facts, Priority};
use crate::upload::NewUpload;
use crate::{languages, models};

/// A request for a new upload, as the client wrote it.
#[derive(Debug, Default)]
pub struct UploadRequest {
    /// Length in bytes, if known.
    pub length: Option<u64>,
    /// `Upload-Metadata`.
    pub metadata: Option<String>,
    /// Wanted id of the upload and its task.
    pub task_id: Option<String>,
    /// Name of the file.
    pub filename: Option<String>,
    /// Media type.
    pub filetype: Option<String>,
    /// Code or name of a language.
    pub language: Option<String>,
    /// Name of a model.
    pub model: Option<String>,
    /// Whether it is partial or final (TUS, concatenation extension).
    pub concat: Option<Concat>,
    /// Options of the transcription.
    pub options: Options,
    /// URL for the webhook at the end of the task.
    pub callback_url: Option<String>,
    /// Priority in the queue.
    pub priority: Priority,
}

/// Validates a request and adds the defaults.
pub async fn new_upload(
    app: &App,
    caller: &Caller,
    wanted: UploadRequest,
) -> Result<NewUpload, Unmet> {
    let model = model(app, wanted.model).await?;
    let callback_url = wanted.callback_url.filter(|url| !url.is_empty());
    let callback_url = callback_url.map(|url| app.outgoing.url(&url));
    let callback_url = callback_url.transpose().map_err(Unmet::Callback)?;
    let is_partial = wanted.concat.as_ref().is_some_and(Concat::is_partial);
    if !is_partial {
        require_place(app, caller)?;
    }
    for part in wanted.concat.iter().flat_map(|concat| &concat.parts) {
        OwnedUpload::check(app, caller, Some(*part)).await?;
    }
    Ok(NewUpload {
        length: wanted.length,
        // A taken id, or one that is not a UUID, is replaced. A partial upload is
        // no task: the final one may want the id.
        wanted_id: wanted
            .task_id
            .and_then(|id| Uuid::try_parse(&id).ok())
            .filter(|id| !id.is_nil() && !is_partial),
        facts: Facts {
            owner: caller.name().map(str::to_owned),
            network: caller.network(),
            metadata: wanted.metadata,
            filename: wanted.filename.map(|name| display_name(&name)),
            filetype: wanted.filetype,
            language: language(app, wanted.language)?,
            model,
            concat: wanted.concat,
            options: wanted.options,
            callback_url: callback_url.map(|url| url.text()),
            priority: wanted.priority,
            ..Facts::default()
        },
        grant: app.access.grant(caller),
    })
}

/// Refuses what has no place in the queue.
fn require_place(app: &App, caller: &Caller) -> Result<(), Unmet> {
    let own = app.tasks.waiting_of(&caller.owner());
    let free = app.max_queue.saturating_sub(app.tasks.waiting());
    require_one_more(own as u64, free as u64, app.max_queue as u64)
        .map_err(|exceeded| Unmet::Exceeded("recordings that wait to be transcribed", exceeded))
}

/// A validated upload with language, model and options of a later part of the
/// request.
pub async fn amended(
    app: &App,
    mut new: NewUpload,
    wanted: UploadRequest,
) -> Result<NewUpload, Unmet> {
    new.facts.language = language(app, wanted.language)?;
    new.facts.model = model(app, wanted.model).await?;
    new.facts.options = wanted.options;
    Ok(new)
}

fn language(app: &App, wanted: Option<String>) -> Result<Option<String>, UnknownLanguage> {
    match wanted {
        Some(language) => languages::parse(&language),
        None => Ok(app.default_language.clone()),
    }
}

async fn model(app: &App, wanted: Option<String>) -> Result<Option<String>, Unmet> {
    let model = wanted.filter(|model| !model.is_empty());
    check_model(app, model.as_deref()).await?;
    Ok(model)
}

/// Refuses a model that is not installed, where that is configured.
pub async fn check_model(app: &App, wanted: Option<&str>) -> Result<(), Unmet> {
    let Some(wanted) = wanted.filter(|_| app.unknown_model == UnknownModel::Reject) else {
        return Ok(());
    };
    let dir = app.models_dir.clone();
    let installed = blocking::run(move || models::installed(&dir))
        .await
        .unwrap_or_default();
    if models::is_known(wanted, &installed) {
        return Ok(());
    }
    Err(Unmet::Model(wanted.chars().take(80).collect()))
}
