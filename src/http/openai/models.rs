//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use hyper::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::fields::RESIDENT;
use crate::blocking;
use crate::engine_client::EngineState;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::reply::{self, Reply};
use crate::models::{self, DEMO, ModelFile};

/// A model and the creation time of its file, in seconds since 1970.
type Dated = (String, u64);

/// Lists the installed models and the name of the resident one.
pub async fn list(app: &App) -> Result<Reply, ApiError> {
    let models = all(app).await?;
    // The demo model is listed only if there is no other.
    let has_others = models.len() > 2;
    let shown = models
        .iter()
        .filter(|(name, _)| name != DEMO || !has_others);
    let data: Vec<Value> = shown.map(object).collect();
    let list = json!({ "object": "list", "data": data });
    Ok(reply::json(StatusCode::OK, &list))
}

/// The model that a path names.
pub async fn one(app: &App, path: &str) -> Result<Reply, ApiError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let id = path.rsplit('/').next().unwrap_or_default();
    let id = percent_decode_str(id).decode_utf8_lossy();
    match all(app).await?.iter().find(|(name, _)| *name == id) {
        Some(model) => Ok(reply::json(StatusCode::OK, &object(model))),
        None => {
            let id: String = id.chars().take(80).collect();
            let why = format!("there is no model `{id}` on this server");
            Err(ApiError::UnknownModel(why))
        }
    }
}

/// The name for the resident model, then the built-in one, then the files.
async fn all(app: &App) -> Result<Vec<Dated>, ApiError> {
    let dir = app.models_dir.clone();
    let resident = match app.engine.state() {
        EngineState::Ready(model) => model.name,
        _ => DEMO.to_owned(),
    };
    let found = blocking::run(move || {
        let installed = models::installed(&dir)?;
        let built_in = made_at(&std::env::current_exe()?)?;
        // One that was just removed has no date.
        let dated = |file: &ModelFile| Some((file.name.clone(), made_at(&file.path).ok()?));
        let mut all = vec![(DEMO.to_owned(), built_in)];
        all.extend(installed.iter().filter_map(dated));
        let is_resident = |(name, _): &&Dated| *name == resident;
        let created = all
            .iter()
            .find(is_resident)
            .map_or(built_in, |found| found.1);
        all.insert(0, (RESIDENT.to_owned(), created));
        Ok::<_, io::Error>(all)
    });
    found
        .await
        .map_err(|error| ApiError::Internal(format!("the models cannot be listed: {error}")))
}

fn made_at(file: &Path) -> io::Result<u64> {
    let modified = std::fs::metadata(file)?.modified()?;
    let since_1970 = modified.duration_since(UNIX_EPOCH);
    Ok(since_1970.unwrap_or_default().as_secs())
}

fn object((name, created): &Dated) -> Value {
    json!({ "id": name, "object": "model", "created": created, "owned_by": "scribed" })
}
