//! What an answer must not be: the rules of the specification and of this program, each with its sentence.
//!
//! Hints and retries are chosen by the variant; only [`fmt::Display`] knows the words.

use std::fmt;

/// How an answer breaks the specification or a rule of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It leads to `host` without TLS.
    WithoutTls {
        /// How it leads there.
        by: Lead,
        /// Where to.
        host: String,
    },
    /// It leads to `host`, which is this machine, its link or a network that the registry itself is not in.
    LocalAddress {
        /// How it leads there.
        by: Lead,
        /// Where to.
        host: String,
    },
    /// A redirect without a `Location` that can be read.
    RedirectWithoutLocation,
    /// A request that writes is redirected to `host`, another host.
    WriteRedirected {
        /// Where to.
        host: String,
    },
    /// More redirects than are followed.
    TooManyRedirects {
        /// How many are.
        limit: usize,
    },
    /// The registry names a token service that must not be contacted.
    TokenService {
        /// Its host.
        service: String,
        /// Why not.
        fault: TokenServiceFault,
    },
    /// The token service redirects.
    TokenRedirect,
    /// The token service's answer is larger than any token.
    TokenTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The token service's answer is not JSON as it must be.
    TokenUnreadable,
    /// The token service's answer has no token in it.
    TokenMissing,
    /// The token has characters that no token has.
    TokenMalformed,
    /// The answer of a service that helps to sign has not what was asked for, which this names.
    Unsigned(&'static str),
    /// The credential, or the token, cannot be sent in a header.
    HeaderUnsafe,
    /// The media type of a manifest cannot be sent in a header.
    MediaTypeUnsafe,
    /// No client can be made for the address; why.
    NoClient(String),
    /// A web page came instead of a manifest.
    WebPage,
    /// An answer is larger than a manifest or a page of a listing may be.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The manifests of one image are too large together.
    ManifestsTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The manifests of the images that are under way are too large together. The image is begun again.
    ManifestsCrowded,
    /// The next page of a listing has an address that cannot be read.
    NextPageUnreadable {
        /// The address, sanitised.
        address: String,
    },
    /// The next page of a listing is on another host.
    NextPageElsewhere,
    /// A page of a listing is not JSON as it must be; the parser's words, sanitised.
    ListingUnreadable(String),
    /// A listing has more entries than are read.
    TooManyEntries {
        /// How many are.
        limit: usize,
    },
    /// A listing has more pages than are read.
    TooManyPages {
        /// How many are.
        limit: usize,
    },
    /// The index under the fallback tag cannot take another entry; why.
    FallbackIndex(String),
    /// An upload was accepted without a `Location`.
    UploadWithoutLocation,
    /// An upload's `Location` is no address.
    UploadLocationInvalid,
    /// The whole blob came where a range of it was asked for.
    RangeIgnored,
    /// The blob has another size than its descriptor says.
    SizeDiffers {
        /// The descriptor's.
        expected: u64,
        /// The registry's.
        actual: u64,
    },
    /// A part that was read ahead ended without a result.
    CutShort,
}

/// How an answer leads to another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// By a redirect.
    Redirect,
    /// By the place that an upload is to be sent to.
    Upload,
    /// By an address in a layer's descriptor.
    Layer,
}

/// Why a token service must not be contacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenServiceFault {
    /// It is not reached over TLS.
    WithoutTls,
    /// Its address has a user name in it.
    UserName,
    /// It is this machine.
    ThisMachine,
    /// It is at an internal address.
    InternalAddress,
}

impl fmt::Display for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redirect => "redirects",
            Self::Upload => "sends the upload",
            Self::Layer => "names a layer",
        })
    }
}

impl Violation {
    /// Whether an address was refused because a credential or content would not be safe there.
    pub fn is_unsafe_address(&self) -> bool {
        matches!(
            self,
            Self::WithoutTls { .. } | Self::LocalAddress { .. } | Self::TokenService { .. } | Self::TokenRedirect
        )
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithoutTls { by, host } => write!(f, "{by} to {host} without TLS; not followed"),
            Self::LocalAddress { by, host } => {
                write!(f, "{by} to {host}, which is this machine or in an internal network; not followed")
            }
            Self::RedirectWithoutLocation => f.write_str("answered with a redirect that names no address"),
            Self::WriteRedirected { host } => {
                write!(f, "redirects what is written to {host}, another host; not followed")
            }
            Self::TooManyRedirects { limit } => write!(f, "answered with more than {limit} redirects"),
            Self::TokenService { service, fault } => {
                fault.write(f, service)?;
                f.write_str("; it was not contacted")
            }
            Self::TokenRedirect => f.write_str("answered with a redirect, which is not followed"),
            Self::TokenTooLarge { limit } => write!(f, "answered more than {} MiB", limit >> 20),
            Self::TokenUnreadable => f.write_str("answered something that is not a token"),
            Self::TokenMissing => f.write_str("answered without a token"),
            Self::TokenMalformed => f.write_str("answered a token with characters that no token has"),
            Self::Unsigned(what) => write!(f, "answered without {what}"),
            Self::HeaderUnsafe => f.write_str("the credential or token has characters that no header can carry"),
            Self::MediaTypeUnsafe => f.write_str("its media type cannot be sent in a header"),
            Self::NoClient(problem) | Self::FallbackIndex(problem) => f.write_str(problem),
            Self::WebPage => f.write_str("answered with a web page instead of a manifest"),
            Self::TooLarge { limit } => write!(f, "the answer is larger than {} MiB", limit >> 20),
            Self::ManifestsTooLarge { limit } => write!(
                f,
                "the manifests of this image and of its attachments have more than {} MiB together",
                limit >> 20
            ),
            Self::ManifestsCrowded => {
                f.write_str("the manifests of the images that are under way are too large together")
            }
            Self::NextPageUnreadable { address } => write!(f, "its next page has no address: `{address}`"),
            Self::NextPageElsewhere => f.write_str("its next page is on another host"),
            Self::ListingUnreadable(problem) => write!(f, "the listing cannot be read: {problem}"),
            Self::TooManyEntries { limit } => write!(f, "the listing has more than {limit} entries"),
            Self::TooManyPages { limit } => write!(f, "the listing has more than {limit} pages"),
            Self::UploadWithoutLocation => f.write_str("the upload was accepted without a place to send it to"),
            Self::UploadLocationInvalid => f.write_str("the upload was given a place that is no address"),
            Self::RangeIgnored => f.write_str("answered with the whole blob where a part of it was asked for"),
            Self::SizeDiffers { expected, actual } => {
                write!(f, "its descriptor says {expected} bytes, the registry has {actual}")
            }
            Self::CutShort => f.write_str("reading ahead was cut short"),
        }
    }
}

impl TokenServiceFault {
    fn write(self, f: &mut fmt::Formatter<'_>, service: &str) -> fmt::Result {
        match self {
            Self::WithoutTls => write!(f, "its token service {service} is not reached over TLS"),
            Self::UserName => write!(f, "it names a token service {service} with a user name in the address"),
            Self::ThisMachine => write!(f, "it names a token service on this machine ({service})"),
            Self::InternalAddress => write!(f, "it names a token service at the internal address {service}"),
        }
    }
}
