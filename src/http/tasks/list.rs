//! `GET /task/all`.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::access::Caller;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::headers::query::parameter;
use crate::http::reply::Reply;
use crate::http::reply::document::document;
use crate::piecewise::Piecewise;
use crate::task::{Query, TASK_TYPE, TaskRecord, Tasks};

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
    let share = match query.text {
        None => None,
        Some(_) => {
            let share = app.searches.take(caller.owner());
            Some(share.map_err(|exceeded| ApiError::Exceeded("searches", exceeded))?)
        }
    };
    let tasks = Arc::clone(&app.tasks);
    // The searches of all callers share the few threads that compute.
    let found = move || {
        let _until_found = share;
        Ok(List::of(tasks, query))
    };
    let list = document("application/json", found).await;
    list.map_err(|error| ApiError::Internal(error.to_string()))
}

/// A page, written task by task: file names, URLs and errors can be long.
struct List {
    tasks: Arc<Tasks>,
    query: Query,
    left: std::vec::IntoIter<Uuid>,
    total: usize,
    is_begun: bool,
    /// Before the next task.
    separator: Option<u8>,
}

impl List {
    /// Blocks on the disk.
    fn of(tasks: Arc<Tasks>, query: Query) -> List {
        let page = tasks.search(&query);
        List {
            tasks,
            query,
            left: page.ids.into_iter(),
            total: page.total,
            is_begun: false,
            separator: None,
        }
    }
}

impl Piecewise for List {
    fn write_next(&mut self, json: &mut Vec<u8>) -> io::Result<bool> {
        if !std::mem::replace(&mut self.is_begun, true) {
            let Query {
                page, page_size, ..
            } = self.query;
            let head = format!(r#"{{"page":{page},"page_size":{page_size},"tasks":["#);
            json.extend_from_slice(head.as_bytes());
        }
        let Some(id) = self.left.next() else {
            let end = format!(r#"],"total":{}}}"#, self.total);
            json.extend_from_slice(end.as_bytes());
            return Ok(false);
        };
        match self.tasks.find_on_page(&self.query, id) {
            Some(record) => {
                json.extend(self.separator.replace(b','));
                serde_json::to_writer(json, &row(&record))?;
            }
            // Deleted meanwhile.
            None => self.total -= 1,
        }
        Ok(true)
    }
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
