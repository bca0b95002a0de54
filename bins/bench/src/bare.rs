//! The least work that a server can do: hyper with one fixed answer. Doorward's cost is measured against it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The answer and the address.
#[derive(Args, Clone, Debug)]
pub(crate) struct Bare {
    /// The address
    listen: SocketAddr,
    /// The body
    body: String,
    /// A header of the answer, as NAME:VALUE
    #[arg(long = "header")]
    headers: Vec<String>,
    /// A certificate in PEM: then HTTP/2 over TLS
    #[arg(long, requires = "key")]
    certificate: Option<PathBuf>,
    /// The certificate's key
    #[arg(long)]
    key: Option<PathBuf>,
}

pub(crate) fn run(bare: Bare) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(bare))
}

async fn serve(bare: Bare) -> anyhow::Result<()> {
    let listener = TcpListener::bind(bare.listen).await?;
    let headers: Vec<(String, String)> = bare
        .headers
        .iter()
        .map(|header| header.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect::<Option<_>>()
        .context("a header is NAME:VALUE")?;
    let (headers, body) = (Arc::new(headers), Bytes::from(bare.body));
    let tls = match bare.certificate.zip(bare.key) {
        None => None,
        Some((certificate, key)) => {
            let certificates = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let mut config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(certificates, PrivateKeyDer::from_pem_file(key)?)?;
            config.alpn_protocols = vec![b"h2".to_vec()];
            Some(TlsAcceptor::from(Arc::new(config)))
        }
    };
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (headers, body, tls) = (Arc::clone(&headers), body.clone(), tls.clone());
        let service = service_fn(move |_: Request<Incoming>| {
            let mut response = Response::builder();
            for (name, value) in &*headers {
                response = response.header(name, value);
            }
            let response = response.body(Full::new(body.clone()));
            async move { Ok::<_, Infallible>(response.unwrap_or_default()) }
        });
        tokio::spawn(async move {
            let _ = match tls {
                None => {
                    let mut http1 = http1::Builder::new();
                    http1.timer(TokioTimer::new()).writev(false);
                    http1.serve_connection(TokioIo::new(stream), service).await
                }
                Some(tls) => {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    http2::Builder::new(TokioExecutor::new())
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                }
            };
        });
    }
}
