//! 104 (Upload Resumption Supported): interim responses with the URL and the offset
//! of an upload while its bytes arrive. A client that received one can resume even
//! if the connection is lost before the final response.

use hyper::Version;
use hyper::http::request::Parts;
use uuid::Uuid;

use crate::http::app::App;
use crate::http::connection::io::Interim;
use crate::http::headers::location::BaseUrl;
use crate::http::headers::proxy_headers::is_proxied;
use crate::http::headers::upload_fields::limits;
use crate::http::headers::upload_protocol::Interop;
use crate::upload::UploadStatus;

/// Sends the interim responses to one request.
#[derive(Debug)]
pub struct Announcer {
    interim: Interim,
    interop: Interop,
    base_url: BaseUrl,
    max_size_bytes: u64,
}

impl Announcer {
    /// For a client that names a supported version of the draft. Not through a
    /// proxy: many take interim responses for final ones.
    pub fn to(head: &Parts, app: &App, interop: Interop) -> Option<Announcer> {
        let is_direct = !is_proxied(&head.headers);
        let is_supported =
            head.version == Version::HTTP_11 && Interop::named(&head.headers) == Some(interop);
        Some(Announcer {
            interim: head
                .extensions
                .get()
                .cloned()
                .filter(|_| is_supported && is_direct)?,
            interop,
            base_url: app.base_url.for_request(head, &app.trusted_proxies),
            max_size_bytes: app.uploads.limits().max_size_bytes,
        })
    }

    /// The upload was created (upload creation).
    pub fn created(&self, id: Uuid, status: &UploadStatus) {
        let location = self.base_url.upload(id);
        let limits = limits(self.max_size_bytes, status.expires);
        self.send(&format!(
            "Location: {location}\r\nUpload-Limit: {limits}\r\n"
        ));
    }

    /// Bytes up to `offset` are durable (upload append).
    pub fn committed(&self, offset: u64) {
        if self.interop >= Interop::V5 {
            self.send(&format!("Upload-Offset: {offset}\r\n"));
        }
    }

    fn send(&self, fields: &str) {
        let interop = self.interop;
        self.interim.send(&format!(
            "HTTP/1.1 104 Upload Resumption Supported\r\n\
             Upload-Draft-Interop-Version: {interop}\r\n{fields}\r\n"
        ));
    }
}
