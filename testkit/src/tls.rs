//! A certificate for this machine's loopback names, and both ends of TLS with it.

use std::io;
use std::sync::Arc;

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::TlsContext;
use aws_smithy_http_client::tls::TrustStore;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The server's side of TLS.
pub(crate) struct Identity {
    pub(crate) acceptor: TlsAcceptor,
    /// What clients have to trust.
    pub(crate) certificate_pem: String,
}

impl Identity {
    /// A new key, and a certificate that it signs itself.
    pub(crate) fn new() -> io::Result<Self> {
        let names = [LOCALHOST.to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.map_err(io::Error::other)?)
            .map_err(io::Error::other)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate_pem: made.cert.pem() })
    }

    /// A client that trusts this certificate and no other.
    pub(crate) fn client(&self) -> io::Result<SharedHttpClient> {
        let trusted = TrustStore::empty().with_pem_certificate(self.certificate_pem.clone());
        let context = TlsContext::builder().with_trust_store(trusted).build();
        Ok(Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context.map_err(io::Error::other)?)
            .build_https())
    }
}

/// The name that clients connect to: a certificate for an address alone is not accepted by all.
pub(crate) const LOCALHOST: &str = "localhost";
