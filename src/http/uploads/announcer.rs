//! 104 (Upload Resumption Supported): an interim answer that tells where the
//! upload is, and how far, while its bytes are still coming. Who has heard it
//! can resume also when the connection breaks before the final answer.

use hyper::Version;
use hyper::http::request::Parts;
use uuid::Uuid;

use crate::http::app::App;
use crate::http::connection::io::Interim;
use crate::http::headers::location::BaseUrl;
use crate::http::headers::proxies::is_proxied;
use crate::http::headers::upload_fields::limits;
use crate::http::headers::upload_protocol::Interop;
use crate::upload::Status;

/// Tells the client of one request.
#[derive(Debug)]
pub struct Announcer {
    interim: Interim,
    interop: Interop,
    base_url: BaseUrl,
    max_size_bytes: u64,
}

impl Announcer {
    /// For a client that knows such answers: it says so with a state of the draft
    /// that is spoken here. Proxies would often take them for final ones.
    pub fn to(head: &Parts, app: &App, interop: Interop) -> Option<Announcer> {
        let is_direct = !is_proxied(&head.headers);
        let knows =
            head.version == Version::HTTP_11 && Interop::named(&head.headers) == Some(interop);
        Some(Announcer {
            interim: head
                .extensions
                .get()
                .cloned()
                .filter(|_| knows && is_direct)?,
            interop,
            base_url: app.base_url.for_request(head, &app.trusted_proxies),
            max_size_bytes: app.uploads.limits().max_size_bytes,
        })
    }

    /// The upload is there (upload creation).
    pub fn created(&self, id: Uuid, status: &Status) {
        let location = self.base_url.upload(id);
        let limits = limits(self.max_size_bytes, status.expires);
        self.send(&format!(
            "Location: {location}\r\nUpload-Limit: {limits}\r\n"
        ));
    }

    /// It is so far (upload append).
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
