//! `POST /v1/audio/transcriptions` and `/v1/audio/translations`.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use hyper::Request;
use hyper::header::HeaderName;
use tokio::sync::oneshot;
use tracing::Instrument;

use super::cancel_on_disconnect::{CancelOnDisconnect, failure};
use super::fields::Wanted;
use super::stream::stream;
use crate::access::Caller;
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::api::ApiError;
use crate::http::intake;
use crate::http::reply::document::document;
use crate::http::reply::{self, Reply};
use crate::http::sources::arriving::Whole;
use crate::http::sources::form_file::FormFile;
use crate::http::upload_request::{UploadRequest, amended};
use crate::options::Task;
use crate::render::render;
use crate::store::facts::Priority;
use crate::store::ring;
use crate::task::{Status, TaskRecord};
use crate::upload::NewUpload;

/// The id of the request, which is that of its task.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Stores a recording and responds with its transcript.
pub async fn transcribe(
    app: Arc<App>,
    caller: &Caller,
    request: Request<RequestBody>,
    task: Task,
) -> Result<Reply, ApiError> {
    let (taken, mut guard) = {
        let (taker, taken) = oneshot::channel();
        let (app, caller) = (Arc::clone(&app), caller.clone());
        // Spawned: a client that disconnects while its recording becomes durable
        // leaves a task, which is cancelled when the guard is dropped.
        let taking = async move {
            let _ = taker.send(take_in(app, &caller, request, task).await);
        };
        ring::spawn(taking.in_current_span());
        let lost = |_| ApiError::Internal("a recording could not be taken in".into());
        taken.await.map_err(lost)??
    };
    let id = guard.id();
    let mut reply = match taken.is_streamed {
        true => stream(app, guard),
        false => {
            let record = guard.ended().await?;
            guard.disarm();
            if record.status == Status::Failed {
                return Err(failure(&record));
            }
            answer(&app, taken, record).await?
        }
    };
    reply::set(&mut reply, X_REQUEST_ID, id);
    Ok(reply)
}

/// The response with the transcript of a completed task.
async fn answer(app: &App, wanted: Wanted, record: Arc<TaskRecord>) -> Result<Reply, ApiError> {
    let dir = app.tasks.dir(record.id);
    let format = wanted.format;
    let open = move || Ok(render(format, &record.transcript(&dir)?));
    let reply = document(format.content_type(), open).await;
    reply.map_err(|error| match error.kind() {
        // Deleted at this moment.
        io::ErrorKind::NotFound => ApiError::TaskNotFound,
        _ => ApiError::Internal(error.to_string()),
    })
}

/// Stores the recording; fields after it count too.
async fn take_in(
    app: Arc<App>,
    caller: &Caller,
    request: Request<RequestBody>,
    task: Task,
) -> Result<(Wanted, CancelOnDisconnect), ApiError> {
    // The client waits.
    let waited_for = UploadRequest {
        priority: Priority::Interactive,
        ..UploadRequest::default()
    };
    let socket = request.extensions().get().cloned();
    let begun = intake::begin(&app, caller, request, waited_for).await?;
    // Refused before gigabytes are sent.
    let so_far = Wanted::so_far(task, begun.arriving.rest().texts()?)?;
    let new = amended(&app, begun.new, so_far.upload_request()).await?;
    let wanted = Rc::new(OnceCell::new());
    let complete = {
        let (app, wanted) = (Arc::clone(&app), Rc::clone(&wanted));
        async move |new: NewUpload, source: Whole<FormFile>| {
            let all = Wanted::of(task, source.rest().texts()?)?;
            let request = all.upload_request();
            // Only set here.
            let _ = wanted.set(all);
            Ok::<_, ApiError>(amended(&app, new, request).await?)
        }
    };
    let source = begun.arriving.source();
    let taken = app
        .uploads
        .take_whole(new, begun.at_most_bytes, source, complete);
    let (id, _) = taken.await?;
    let grant = app.access.grant(caller);
    let guard = CancelOnDisconnect::on(app, grant, socket, id);
    let wanted = wanted.get().cloned();
    let wanted = wanted.ok_or_else(|| ApiError::Internal("a form was not read".into()))?;
    Ok((wanted, guard))
}
