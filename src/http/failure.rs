//! What went wrong with a connection, told from the HTTP library's nested errors.

use rustls::{AlertDescription, CertificateError};

use crate::error::cause::{Cause, ConnectionFailure, TlsFailure};
use crate::text::sanitise;

/// The same for an error that another library wraps around the HTTP client's.
pub fn connection_failure(error: &(dyn std::error::Error + 'static)) -> Cause {
    let mut source = Some(error);
    while let Some(inner) = source {
        if let Some(own) = inner.downcast_ref::<reqwest::Error>() {
            return classify(own);
        }
        source = inner.source();
    }
    Cause::Connection { kind: ConnectionFailure::Broken, detail: String::new() }
}

/// What kind of failure kept an answer away.
pub fn classify(error: &reqwest::Error) -> Cause {
    let mut kind = if error.is_timeout() { ConnectionFailure::Timeout } else { ConnectionFailure::Broken };
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            kind = ConnectionFailure::Tls(tls_failure(tls));
        } else if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            if io.kind() == std::io::ErrorKind::ConnectionRefused {
                kind = ConnectionFailure::Refused;
            } else if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                kind = ConnectionFailure::Tls(tls_failure(tls));
            }
        } else if inner.to_string().starts_with("dns error") {
            // hyper-util gives no type to tell a failed look-up by, only these words.
            kind = ConnectionFailure::Dns;
        }
        source = inner.source();
    }
    Cause::Connection { kind, detail: sanitise::line(&innermost(error), 200) }
}

/// What TLS failed at: the server's certificate, or the handshake.
fn tls_failure(error: &rustls::Error) -> TlsFailure {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })
        | rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => TlsFailure::Expired,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => TlsFailure::WrongName,
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired,
        ) => TlsFailure::Certificate,
        _ => TlsFailure::Handshake,
    }
}

/// The last error of the chain: the others only say that a request failed, with its URL.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}
