//! TLS connections with verified server certificates.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tracing::warn;

use super::{Failure, HttpUrl};
use crate::blocking;

/// The system's root certificates, loaded on first use because they take some
/// memory.
#[derive(Default)]
pub(super) struct Tls(OnceCell<TlsConnector>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Performs the TLS handshake on this connection.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        url: &HttpUrl,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let connector = self.0.get_or_try_init(connector).await?;
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|error| Failure::Tls(error.to_string()))?;
        let connected = connector.connect(name, stream).await;
        connected.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Failure::Tls(error.to_string()),
            _ => Failure::Lost(error.to_string()),
        })
    }
}

async fn connector() -> Result<TlsConnector, Failure> {
    // On a blocking thread: reads and parses some hundred kilobytes.
    let found = blocking::run(rustls_native_certs::load_native_certs).await;
    for error in &found.errors {
        warn!("some root certificates cannot be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Failure::Tls(
            "no root certificates are installed on the server; install the package ca-certificates"
                .into(),
        ));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
