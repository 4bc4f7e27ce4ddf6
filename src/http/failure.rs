//! What went wrong with a connection, told from the HTTP library's nested errors.

use std::error::Error as StdError;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::error::cause::{Cause, ConnectionFailure, TlsFailure};
use crate::error::violation::{Lead, Violation};
use crate::http::reach::LeadsInside;
use crate::text::sanitise;

/// The same for an error that another library wraps around the HTTP client's.
pub fn connection_failure(error: &(dyn std::error::Error + 'static)) -> Cause {
    let own = chain(error).find_map(|inner| inner.downcast_ref::<reqwest::Error>());
    own.map_or_else(|| Cause::Connection { kind: ConnectionFailure::Broken, detail: String::new() }, classify)
}

/// `error` and what is inside it, the outermost first.
///
/// An `std::io::Error` that wraps another error gives as its source that error's source and not the error itself: TLS
/// failures come in two of them on a direct connection, and would be passed over.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |outer: &&'a (dyn StdError + 'static)| inside(*outer))
}

fn inside<'a>(outer: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match outer.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => outer.source(),
    }
}

/// What kind of failure kept an answer away.
pub fn classify(error: &reqwest::Error) -> Cause {
    let mut kind = if error.is_timeout() { ConnectionFailure::Timeout } else { ConnectionFailure::Broken };
    for inner in chain(error) {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            // A record that is wrong in the middle of a body is a broken connection, and worth another; with TLS 1.3 only
            // the alert about a missing client certificate comes as late.
            if error.is_connect() || matches!(tls, rustls::Error::AlertReceived(_)) {
                kind = ConnectionFailure::Tls(tls_failure(tls));
            }
        } else if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            if io.kind() == std::io::ErrorKind::ConnectionRefused {
                kind = ConnectionFailure::Refused;
            }
        } else if let Some(LeadsInside(host)) = inner.downcast_ref::<LeadsInside>() {
            let host = sanitise::one_line(host, 100);
            return Cause::Protocol(Violation::LocalAddress { by: Lead::Redirect, host });
        } else if inner.to_string().starts_with("dns error") {
            // hyper-util gives no type to tell a failed look-up by, only these words.
            kind = ConnectionFailure::Dns;
        }
    }
    Cause::Connection { kind, detail: sanitise::one_line(&innermost(error), 200) }
}

/// What TLS failed at: the server's certificate, or the handshake.
fn tls_failure(error: &rustls::Error) -> TlsFailure {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })
        | rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => TlsFailure::Expired,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => TlsFailure::WrongName,
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) if is_of_an_authority(other) => {
            TlsFailure::AuthorityAsServer
        }
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired,
        ) => TlsFailure::Certificate,
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsFailure::PlainHttp,
        _ => TlsFailure::Handshake,
    }
}

/// Whether a certificate was refused because it is one that signs others: as `openssl req -x509` makes them.
fn is_of_an_authority(error: &rustls::OtherError) -> bool {
    matches!(error.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// The last error of the chain: the others only say that a request failed, with its URL.
pub fn innermost(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}
