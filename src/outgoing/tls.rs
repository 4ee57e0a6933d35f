//! Connections that are encrypted, to hosts that prove who they are.

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

use super::{Address, Failure};
use crate::blocking;

/// Whom to trust, as the system says: read when it is first needed, for that
/// takes some memory.
#[derive(Default)]
pub(super) struct Tls(OnceCell<TlsConnector>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Encrypts this connection.
    pub(super) async fn over(
        &self,
        stream: TcpStream,
        address: &Address,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let connector = self.0.get_or_try_init(connector).await?;
        let name = ServerName::try_from(address.host().to_owned())
            .map_err(|error| Failure::Tls(error.to_string()))?;
        let connected = connector.connect(name, stream).await;
        connected.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Failure::Tls(error.to_string()),
            _ => Failure::Lost(error.to_string()),
        })
    }
}

async fn connector() -> Result<TlsConnector, Failure> {
    // Some hundred kilobytes of text.
    let found = blocking::run(rustls_native_certs::load_native_certs).await;
    for error in &found.errors {
        warn!("certificates of authorities cannot all be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Failure::Tls(
            "no certificates of authorities are installed here; the package ca-certificates has them"
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
