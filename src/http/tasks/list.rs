//! `GET /task/all`.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::access::Caller;
use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::headers::query::parameter;
use crate::http::reply::{self, Reply};
use crate::task::{Query, TASK_TYPE, TaskRecord};

const PAGE_SIZE_DEFAULT: usize = 50;
const PAGE_SIZE_MAX: usize = 200;

/// A page of tasks, newest first.
pub async fn list(app: &App, caller: &Caller, query: Option<&str>) -> Result<Reply, ApiError> {
    if !app.tasks.is_complete() {
        return Err(ApiError::Starting);
    }
    let status = match parameter(query, "status").filter(|status| !status.is_empty()) {
        None => None,
        Some(status) => Some(status.parse().map_err(|()| {
            ApiError::Validation("status must be queued, processing, completed or failed".into())
        })?),
    };
    let query = Query {
        text: parameter(query, "q")
            .map(Into::into)
            .filter(|text: &String| !text.is_empty()),
        status,
        owner: match caller {
            Caller::Token(name) => Some(name.to_string()),
            Caller::Anyone(_) | Caller::Admin(_) => None,
        },
        page: number(query, "page", 1, usize::MAX)?,
        page_size: number(query, "page_size", PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)?,
    };
    let (number, size) = (query.page, query.page_size);
    let tasks = Arc::clone(&app.tasks);
    let (page, total) = blocking::run(move || tasks.list(&query)).await;
    let tasks: Vec<Value> = page.iter().map(|record| row(record)).collect();
    Ok(reply::json(
        StatusCode::OK,
        &json!({ "tasks": tasks, "total": total, "page": number, "page_size": size }),
    ))
}

fn number(query: Option<&str>, name: &str, default: usize, most: usize) -> Result<usize, ApiError> {
    let Some(text) = parameter(query, name) else {
        return Ok(default);
    };
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| {
        ApiError::Validation(match most {
            usize::MAX => format!("{name} must be a number from 1"),
            _ => format!("{name} must be a number from 1 to {most}"),
        })
    })
}

fn row(record: &TaskRecord) -> Value {
    json!({
        "identifier": record.id,
        "status": record.status,
        "task_type": TASK_TYPE,
        "file_name": record.file_name,
        "url": record.url,
        "audio_duration": record.audio_duration,
        "language": record.language.as_ref().or(record.wanted_language.as_ref()),
        "error": record.error,
        "duration": record.processing_s(),
        "start_time": record.start_time,
        "end_time": record.end_time,
    })
}
