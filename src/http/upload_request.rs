//! What clients tell of a recording, in whatever protocol.

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
use crate::store::facts::{Concat, Priority};
use crate::upload::NewUpload;
use crate::{languages, models};

/// As the client wrote it.
#[derive(Debug, Default)]
pub struct Told {
    /// Bytes of the whole, if known.
    pub length: Option<u64>,
    /// `Upload-Metadata`.
    pub metadata: Option<String>,
    /// Id of the task to be.
    pub task_id: Option<String>,
    /// Name of the file.
    pub filename: Option<String>,
    /// Media type.
    pub filetype: Option<String>,
    /// Code or name of a language.
    pub language: Option<String>,
    /// Name of a model.
    pub model: Option<String>,
    /// Whether it is a part, or has parts.
    pub concat: Option<Concat>,
    /// Further wishes.
    pub options: Options,
    /// Who is to be told of the task's end.
    pub callback_url: Option<String>,
    /// When it is transcribed.
    pub priority: Priority,
}

/// Judges it and completes it.
pub async fn new_upload(app: &App, caller: &Caller, told: Told) -> Result<NewUpload, Unmet> {
    let model = model(app, told.model).await?;
    let callback_url = told.callback_url.filter(|url| !url.is_empty());
    let callback_url = callback_url.map(|url| app.outgoing.url(&url));
    let callback_url = callback_url.transpose().map_err(Unmet::Callback)?;
    let is_partial = told.concat.as_ref().is_some_and(Concat::is_partial);
    if !is_partial && app.tasks.waiting() >= app.max_queue {
        return Err(Unmet::QueueFull);
    }
    for part in told.concat.iter().flat_map(|concat| &concat.parts) {
        OwnedUpload::check(app, caller, Some(*part)).await?;
    }
    Ok(NewUpload {
        length: told.length,
        // The id of another task, or no UUID at all, is no reason to refuse. A
        // part is no task: its recording may want the id.
        wanted_id: told
            .task_id
            .and_then(|id| Uuid::try_parse(&id).ok())
            .filter(|id| !id.is_nil() && !is_partial),
        owner: caller.name().map(str::to_owned),
        metadata: told.metadata,
        filename: told.filename.map(|name| display_name(&name)),
        filetype: told.filetype,
        language: language(app, told.language)?,
        model,
        concat: told.concat,
        options: told.options,
        url: None,
        callback_url: callback_url.map(|address| address.text()),
        priority: told.priority,
        is_whole: false,
    })
}

/// What was judged before, with language, model and wishes as they are told now.
pub async fn amended(app: &App, new: NewUpload, told: Told) -> Result<NewUpload, Unmet> {
    Ok(NewUpload {
        language: language(app, told.language)?,
        model: model(app, told.model).await?,
        options: told.options,
        ..new
    })
}

fn language(app: &App, told: Option<String>) -> Result<Option<String>, UnknownLanguage> {
    match told {
        Some(language) => languages::parse(&language),
        None => Ok(app.default_language.clone()),
    }
}

async fn model(app: &App, told: Option<String>) -> Result<Option<String>, Unmet> {
    let model = told.filter(|model| !model.is_empty());
    check_model(app, model.as_deref()).await?;
    Ok(model)
}

/// Whether this model may be asked for.
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
