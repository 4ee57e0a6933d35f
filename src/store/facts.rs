//! The facts of an upload, known from its creation on.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::record::Kind;
use crate::options::Options;
use crate::shares::Owner;

/// `upload.json`, written at creation; for an upload in a single request
/// ([`Facts::is_whole`]) possibly once more before it is complete. Unknown fields
/// are ignored, so that an older version can read files of a newer one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The id of the upload and of its task; also the name of the directory.
    pub id: Uuid,
    /// Time of creation; RFC 3339, UTC.
    pub created_at: jiff::Timestamp,
    /// Name of the access token that created it, `None` if none was required.
    #[serde(default)]
    pub owner: Option<String>,
    /// Network of the client that created it, if no token was required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<IpAddr>,
    /// `Upload-Metadata` as the client sent it.
    #[serde(default)]
    pub metadata: Option<String>,
    /// Name of the client's file, to show and as a hint of its type.
    #[serde(default)]
    pub filename: Option<String>,
    /// Media type that the client claims.
    #[serde(default)]
    pub filetype: Option<String>,
    /// Requested language as a Whisper code, `None` to detect.
    #[serde(default)]
    pub language: Option<String>,
    /// Name of the requested model.
    #[serde(default)]
    pub model: Option<String>,
    /// Whether it is a partial or a final upload, if either.
    #[serde(default)]
    pub concat: Option<Concat>,
    /// The decoding options.
    #[serde(default)]
    pub options: Options,
    /// The URL that the recording is downloaded from, if any.
    #[serde(default)]
    pub url: Option<String>,
    /// The URL to notify when the task ends.
    #[serde(default)]
    pub callback_url: Option<String>,
    /// The priority of the transcription.
    #[serde(default)]
    pub priority: Priority,
    /// Whether the recording comes in a single request, which cannot be resumed:
    /// after a crash the upload is discarded.
    #[serde(default)]
    pub is_whole: bool,
}

/// The order in which recordings are transcribed.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// A client waits for the transcript in the response to its request.
    Interactive,
    /// The transcript is fetched later.
    #[default]
    Bulk,
}

/// A partial upload, or a final one that is concatenated from partial ones (TUS,
/// concatenation extension).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concat {
    /// `Upload-Concat` as the client sent it.
    #[serde(rename = "told")]
    pub raw: String,
    /// The partial uploads in order, possibly with repetitions; empty for a
    /// partial upload.
    pub parts: Vec<Uuid>,
}

impl Concat {
    /// Whether this is a partial upload.
    pub fn is_partial(&self) -> bool {
        self.parts.is_empty()
    }
}

impl Facts {
    /// The kind that the offset record of a new upload has.
    pub fn kind(&self) -> Kind {
        match &self.concat {
            None => Kind::Whole,
            Some(concat) if concat.is_partial() => Kind::Partial,
            Some(_) => Kind::Final,
        }
    }

    /// Whose share it uses of what is limited.
    pub fn share_owner(&self) -> Owner {
        share_owner(self.owner.as_deref(), self.network)
    }

    /// The partial uploads of a final upload.
    pub fn parts(&self) -> &[Uuid] {
        self.concat.as_ref().map_or(&[], |concat| &concat.parts)
    }
}

/// Whose share something uses that was created with a token of this name, or from
/// this network. Those of which neither is known are one owner.
pub fn share_owner(token: Option<&str>, network: Option<IpAddr>) -> Owner {
    match (token, network) {
        (Some(name), _) => Owner::Token(name.into()),
        (None, network) => Owner::Network(network.unwrap_or(Ipv6Addr::UNSPECIFIED.into())),
    }
}
