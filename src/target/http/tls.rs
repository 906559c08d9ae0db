//! TLS: whom a client trusts and what it offers, made once for each service.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::{HttpEndpointError, HttpOptions};
use crate::plan::HttpVersion;

/// The settings of every connection to one service; copies share sessions.
///
/// # Errors
/// When the file of an authority can't be used.
pub(super) fn config(options: &HttpOptions) -> Result<ClientConfig, HttpEndpointError> {
    let mut roots = RootCertStore::empty();
    // Those that come along, so that a machine without any can be used.
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    if let Some(path) = &options.ca {
        add_authority(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpEndpointError::Client(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Only what the scenario asks for: a service that doesn't speak it is told so, not worked around.
    config.alpn_protocols = match options.protocol {
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
        HttpVersion::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}

fn add_authority(roots: &mut RootCertStore, path: &Path) -> Result<(), HttpEndpointError> {
    let shown = || path.display().to_string();
    let pem = std::fs::read(path).map_err(|error| HttpEndpointError::Authority { path: shown(), error })?;
    let unusable = |message: String| HttpEndpointError::Certificate { path: shown(), message };
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    Ok(())
}
