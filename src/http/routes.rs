//! The table of routes.

use std::sync::Arc;

use hyper::header::CONNECTION;
use hyper::{Method, Request};
use uuid::Uuid;

use super::owned::{OwnedProgress, OwnedTask, OwnedUpload};
use crate::access::{Caller, Client, Denied, Page};
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::api::ApiError;
use crate::http::error::upload::ProtocolError;
use crate::http::headers::cors;
use crate::http::headers::location::parse_id;
use crate::http::headers::upload_protocol::Protocol;
use crate::http::pages::{front_end, health};
use crate::http::reply::{self, Reply};
use crate::http::static_files::FrontEnd;
use crate::http::uploads::download::download;
use crate::http::uploads::options::options;
use crate::http::uploads::terminate::terminate;
use crate::http::uploads::{ietf, tus};
use crate::http::{auth, intake, live, openai, tasks};

/// The resource of a request. A malformed id is treated like an unknown one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    Uploads,
    Upload(Option<Uuid>),
    Tasks,
    Task(Option<Uuid>),
    TaskDelete(Option<Uuid>),
    Transcript(Option<Uuid>),
    Progress(Option<Uuid>),
    /// `/`, and unknown paths if a front end is served there.
    Root,
    /// Below `/ui`.
    FrontEnd,
    Retry(Option<Uuid>),
    UploadStream,
    SpeechToText,
    SpeechToTextUrl,
    Events(Option<Uuid>),
    Socket(Option<Uuid>),
    Ticket,
    /// Below `/v1`.
    OpenAi(openai::Route),
    Health,
    Live,
    Ready,
}

impl Resource {
    fn of(path: &str) -> Option<Resource> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        match segments.as_slice() {
            [""] | [.., "", ""] => Resource::at(&segments),
            // A trailing slash is ignored, but not after an id: one upload has
            // one address.
            [words @ .., ""] => Resource::at(words).filter(|found| !found.ends_in_id()),
            segments => Resource::at(segments),
        }
    }

    fn at(segments: &[&str]) -> Option<Resource> {
        Some(match segments {
            ["uploads", "files"] => Resource::Uploads,
            ["uploads", "files", id] => Resource::Upload(parse_id(id)),
            ["task", "all"] => Resource::Tasks,
            ["task", id] => Resource::Task(parse_id(id)),
            ["task", id, "delete"] => Resource::TaskDelete(parse_id(id)),
            ["task", id, "transcript"] => Resource::Transcript(parse_id(id)),
            ["task", id, "retry"] => Resource::Retry(parse_id(id)),
            ["upload", "stream"] => Resource::UploadStream,
            ["speech-to-text"] => Resource::SpeechToText,
            ["speech-to-text-url"] => Resource::SpeechToTextUrl,
            ["tasks", id, "progress"] => Resource::Progress(parse_id(id)),
            [""] => Resource::Root,
            ["ui", ..] => Resource::FrontEnd,
            ["task", id, "events"] => Resource::Events(parse_id(id)),
            ["ws", "tasks", id] => Resource::Socket(parse_id(id)),
            ["api", "ws", "ticket"] => Resource::Ticket,
            ["v1", rest @ ..] => Resource::OpenAi(openai::Route::of(rest)),
            ["health"] => Resource::Health,
            ["health", "live"] => Resource::Live,
            ["health", "ready"] => Resource::Ready,
            _ => return None,
        })
    }

    fn ends_in_id(&self) -> bool {
        matches!(
            self,
            Resource::Upload(_) | Resource::Task(_) | Resource::Socket(_)
        )
    }

    /// The methods of the resource, for `Allow`.
    fn allowed(self) -> &'static str {
        match self {
            Resource::Uploads => "OPTIONS, POST, PUT",
            Resource::Upload(_) => "DELETE, GET, HEAD, OPTIONS, PATCH",
            Resource::Task(_) => "DELETE, GET, HEAD",
            Resource::TaskDelete(_) => "DELETE",
            Resource::UploadStream | Resource::SpeechToText | Resource::SpeechToTextUrl => "POST",
            Resource::Retry(_) | Resource::Ticket => "POST",
            Resource::OpenAi(route) => route.allowed(),
            // A HEAD would wait for an endless response.
            Resource::Events(_) | Resource::Socket(_) => "GET",
            _ => "GET, HEAD",
        }
    }
}

impl Resource {
    /// Whether no token is needed.
    fn is_public(&self) -> bool {
        matches!(
            self,
            Resource::Root
                | Resource::FrontEnd
                | Resource::Health
                | Resource::Live
                | Resource::Ready
        )
    }

    /// Whether requests and errors are those of the upload protocols.
    fn is_upload(self) -> bool {
        matches!(self, Resource::Uploads | Resource::Upload(_))
    }

    async fn answer_public<B>(
        self,
        app: &App,
        client: Client,
        request: &Request<B>,
    ) -> Result<Reply, ApiError> {
        match (self, plain_method(self, request.method())) {
            (Resource::Root, &Method::GET) => front_end::root(app, client, request).await,
            (Resource::FrontEnd, &Method::GET) => front_end::ui(app, request).await,
            (Resource::Ready, &Method::GET) => Ok(health::ready(app, client, request)),
            (Resource::Live, &Method::GET) => Ok(health::live()),
            (_, &Method::GET) => Ok(health::health()),
            _ => Err(ApiError::Method(self.allowed().into())),
        }
    }
}

/// The error response to a request for this path.
pub fn refuse(path: &str, error: &ApiError) -> Reply {
    error_reply(Resource::of(path), error)
}

/// The error response in the shape of the API that the resource is part of.
fn error_reply(resource: Option<Resource>, error: &ApiError) -> Reply {
    match resource {
        Some(Resource::OpenAi(_)) => openai::refusal(error),
        _ => error.reply(),
    }
}

/// The response to a request that is not admitted.
fn denied_reply(resource: Option<Resource>, protocol: Protocol, denied: Denied) -> Reply {
    match resource.is_some_and(Resource::is_upload) {
        true => ProtocolError::from(denied).reply(protocol),
        false => error_reply(resource, &denied.into()),
    }
}

/// Handles a request from `client`.
pub async fn answer(app: Arc<App>, client: Client, request: Request<RequestBody>) -> Reply {
    let cross_origin = app.origins.check(request.headers());
    let has_root = app.front_end.as_ref().is_some_and(FrontEnd::is_at_root);
    let other = has_root.then_some(Resource::Root);
    let resource = Resource::of(request.uri().path()).or(other);
    let is_preflight = cors::is_preflight(request.method(), request.headers());
    if is_preflight && client.page == Page::Foreign {
        let protocol = Protocol::of(request.headers());
        return denied_reply(resource, protocol, Denied::Page);
    }
    if let (Some(cross_origin), Some(resource)) = (&cross_origin, resource)
        && is_preflight
    {
        // Without authentication: browsers send no token with it.
        return cross_origin.preflight(request.headers(), resource.allowed());
    }
    let mut reply = dispatch(app, client, resource, request).await;
    if let Some(cross_origin) = cross_origin {
        cross_origin.allow(&mut reply);
    }
    reply
}

async fn dispatch(
    app: Arc<App>,
    client: Client,
    resource: Option<Resource>,
    mut request: Request<RequestBody>,
) -> Reply {
    let is_upload = resource.is_some_and(Resource::is_upload);
    let protocol = Protocol::of(request.headers());
    if is_upload && let Err(error) = tus::override_method(&mut request) {
        return error.reply(protocol);
    }
    if let Some(public) = resource.filter(|resource| resource.is_public()) {
        let answered = public.answer_public(&app, client, &request).await;
        return answered.unwrap_or_else(|error| error.reply());
    }
    // They authenticate by themselves: a ticket may replace the token.
    let live = match (resource, request.method()) {
        (Some(Resource::Events(id)), &Method::GET) => {
            Some(live::events(app.clone(), client, id, &request).await)
        }
        (Some(Resource::Socket(id)), &Method::GET) => {
            Some(live::open(app.clone(), client, id, &request).await)
        }
        _ => None,
    };
    if let Some(reply) = live {
        return reply.unwrap_or_else(|error| error.reply());
    }
    let caller = match auth::admit(&app, client, &request) {
        Ok(caller) => caller,
        Err(denied) => return denied_reply(resource, protocol, denied),
    };
    let grant = app.access.grant(&caller);
    tokio::select! {
        biased;
        () = grant.revoked() => {
            // What the client still sends is not read to its end.
            let denied = match caller {
                Caller::Anyone(_) => Denied::NoToken,
                Caller::Token(_) | Caller::Admin(_) => Denied::WrongToken,
            };
            let mut reply = denied_reply(resource, protocol, denied);
            reply::set(&mut reply, CONNECTION, "close");
            reply
        }
        reply = admitted(app, &caller, resource, protocol, request) => reply,
    }
}

/// Answers an authenticated request. Dropped when the access of its caller ends.
async fn admitted(
    app: Arc<App>,
    caller: &Caller,
    resource: Option<Resource>,
    protocol: Protocol,
    request: Request<RequestBody>,
) -> Reply {
    let Some(resource) = resource else {
        return ApiError::NoRoute.reply();
    };
    if let (Resource::Ticket, &Method::POST) = (resource, request.method()) {
        let ticket = live::ticket(&app, caller, request).await;
        return ticket.unwrap_or_else(|error| error.reply());
    }
    if let Resource::OpenAi(route) = resource {
        let method = plain_method(resource, request.method()).clone();
        let reply = openai::answer(app, caller, route, &method, request).await;
        return reply.unwrap_or_else(|error| openai::refusal(&error));
    }
    if resource.is_upload() {
        let reply = upload(&app, caller, protocol, resource, request).await;
        return reply.unwrap_or_else(|error| error.reply(protocol));
    }
    let reply = api(&app, caller, resource, request).await;
    reply.unwrap_or_else(|error| error.reply())
}

/// The endpoints of our own API.
async fn api(
    app: &App,
    caller: &Caller,
    resource: Resource,
    request: Request<RequestBody>,
) -> Result<Reply, ApiError> {
    let task = async |id| OwnedTask::check(app, caller, id).await;
    let query = request.uri().query();
    match (resource, plain_method(resource, request.method())) {
        (Resource::UploadStream, &Method::POST) => {
            intake::upload_stream(app, caller, request).await
        }
        (Resource::SpeechToText, &Method::POST) => {
            intake::speech_to_text(app, caller, request).await
        }
        (Resource::SpeechToTextUrl, &Method::POST) => {
            intake::speech_to_text_url(app, caller, request).await
        }
        (Resource::Tasks, &Method::GET) => tasks::list(app, caller, query).await,
        (Resource::Task(id), &Method::GET) => tasks::detail(app, task(id).await?).await,
        (Resource::Task(id) | Resource::TaskDelete(id), &Method::DELETE) => {
            tasks::delete(app, task(id).await?).await
        }
        (Resource::Retry(id), &Method::POST) => tasks::retry(app, task(id).await?, query).await,
        (Resource::Transcript(id), &Method::GET) => {
            tasks::transcript(app, task(id).await?, query).await
        }
        (Resource::Progress(id), &Method::GET) => OwnedProgress::check(app, caller, id)
            .await
            .map(tasks::progress),
        _ => Err(ApiError::Method(resource.allowed().into())),
    }
}

/// The verbs of the upload protocols.
async fn upload(
    app: &App,
    caller: &Caller,
    protocol: Protocol,
    resource: Resource,
    request: Request<RequestBody>,
) -> Result<Reply, ProtocolError> {
    use Protocol::{Ietf, Tus};
    if let (Resource::Uploads, &Method::POST, Tus)
    | (Resource::Upload(_), &Method::HEAD | &Method::PATCH | &Method::DELETE, Tus) =
        (resource, request.method(), protocol)
    {
        tus::check_version(request.headers())?;
    }
    let upload = async |id| OwnedUpload::check(app, caller, id).await;
    match (resource, request.method(), protocol) {
        (_, &Method::OPTIONS, _) => Ok(options(app)),
        (Resource::Uploads, &Method::POST, Tus) => tus::create(app, caller, request).await,
        (Resource::Uploads, &Method::POST | &Method::PUT, Ietf(interop)) => {
            ietf::create(app, caller, interop, request).await
        }
        (Resource::Upload(id), &Method::HEAD, Tus) => {
            tus::head(app, upload(id).await?, &request).await
        }
        (Resource::Upload(id), &Method::HEAD, Ietf(interop)) => {
            ietf::head(app, interop, upload(id).await?, &request).await
        }
        (Resource::Upload(id), &Method::PATCH, Tus) => {
            tus::patch(app, upload(id).await?, request).await
        }
        (Resource::Upload(id), &Method::PATCH, Ietf(interop)) => {
            ietf::append(app, interop, upload(id).await?, request).await
        }
        (Resource::Upload(id), &Method::GET, _) => {
            download(app, caller, upload(id).await?, &request).await
        }
        (Resource::Upload(id), &Method::DELETE, _) => {
            terminate(app, protocol, upload(id).await?, &request).await
        }
        _ => Err(ProtocolError::Method(resource.allowed())),
    }
}

/// HEAD is handled like GET, but for uploads; hyper omits the body.
fn plain_method(resource: Resource, method: &Method) -> &Method {
    match method {
        &Method::HEAD if !matches!(resource, Resource::Upload(_)) => &Method::GET,
        method => method,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_resources() {
        let id = "0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57";
        let uuid = Some(Uuid::parse_str(id).unwrap());
        let cases = [
            ("/uploads/files/".to_owned(), Some(Resource::Uploads)),
            ("/uploads/files".to_owned(), Some(Resource::Uploads)),
            (format!("/uploads/files/{id}"), Some(Resource::Upload(uuid))),
            (
                format!("/uploads/files/{}", id.to_uppercase()),
                Some(Resource::Upload(uuid)),
            ),
            (
                "/uploads/files/..%2f..%2fetc".to_owned(),
                Some(Resource::Upload(None)),
            ),
            (
                format!("/uploads/files/{}", id.replace('-', "")),
                Some(Resource::Upload(None)),
            ),
            ("/task/all".to_owned(), Some(Resource::Tasks)),
            (format!("/task/{id}"), Some(Resource::Task(uuid))),
            (
                format!("/task/{id}/delete"),
                Some(Resource::TaskDelete(uuid)),
            ),
            (
                format!("/tasks/{id}/progress"),
                Some(Resource::Progress(uuid)),
            ),
            (format!("/task/{id}/retry"), Some(Resource::Retry(uuid))),
            ("/upload/stream".to_owned(), Some(Resource::UploadStream)),
            ("/speech-to-text".to_owned(), Some(Resource::SpeechToText)),
            (
                "/speech-to-text-url".to_owned(),
                Some(Resource::SpeechToTextUrl),
            ),
            (format!("/task/{id}/events"), Some(Resource::Events(uuid))),
            (format!("/ws/tasks/{id}"), Some(Resource::Socket(uuid))),
            ("/api/ws/ticket".to_owned(), Some(Resource::Ticket)),
            ("/health/ready".to_owned(), Some(Resource::Ready)),
            (
                "/v1/audio/transcriptions".to_owned(),
                Some(Resource::OpenAi(openai::Route::Transcriptions)),
            ),
            (
                "/v1/models/large-v3".to_owned(),
                Some(Resource::OpenAi(openai::Route::Model)),
            ),
            (
                "/v1/chat/completions".to_owned(),
                Some(Resource::OpenAi(openai::Route::Unknown)),
            ),
            ("/v2/models".to_owned(), None),
            ("/v2/models/".to_owned(), None),
            ("/".to_owned(), Some(Resource::Root)),
            ("/ui".to_owned(), Some(Resource::FrontEnd)),
            ("/ui/a/b.js".to_owned(), Some(Resource::FrontEnd)),
            ("//".to_owned(), None),
            (format!("//task/{id}"), None),
            ("*".to_owned(), None),
        ];
        for (path, resource) in cases {
            assert_eq!(Resource::of(&path), resource, "{path}");
            if resource.is_some() && !path.ends_with('/') {
                let path = format!("{path}/");
                let once = resource.filter(|is| !is.ends_in_id());
                assert_eq!(Resource::of(&path), once, "{path}");
                let path = format!("{path}/");
                let twice = resource.filter(|is| matches!(is, Resource::FrontEnd));
                let unknown = Resource::OpenAi(openai::Route::Unknown);
                let twice = twice.or(path.starts_with("/v1/").then_some(unknown));
                assert_eq!(Resource::of(&path), twice, "{path}");
            }
        }
    }
}
