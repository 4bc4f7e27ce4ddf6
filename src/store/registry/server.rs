//! Where one registry is spoken to: the address that was named, or the same with TLS.
//!
//! Owns which of the two holds by now, for requests and for what is said of token services alike. Contacts nothing.

use tokio::sync::OnceCell;
use url::Url;

/// A registry's address.
pub struct Server {
    /// As it was named.
    named: Url,
    /// The same with TLS, where a registry on this machine turned out to speak it.
    secure: OnceCell<Option<Url>>,
    is_fixed: bool,
}

impl Server {
    /// An address that stays as it is.
    pub fn fixed(named: Url) -> Self {
        Self { named, secure: OnceCell::new_with(Some(None)), is_fixed: true }
    }

    /// An address without TLS, of which is found out whether it is spoken there all the same.
    pub(crate) fn plain_until_tried(named: Url) -> Self {
        Self { named, secure: OnceCell::new(), is_fixed: false }
    }

    /// Whether it stays as it is.
    pub(crate) fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    /// The address.
    pub(crate) fn base(&self) -> &Url {
        self.secure.get().and_then(Option::as_ref).unwrap_or(&self.named)
    }

    /// The address that was named.
    pub(crate) fn named(&self) -> &Url {
        &self.named
    }

    /// The address with TLS; none yet where it is not known to be one.
    pub(crate) fn secure(&self) -> &OnceCell<Option<Url>> {
        &self.secure
    }

    /// `url` with the scheme that the registry is spoken to by now.
    pub(crate) fn at_present(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if url.origin() == self.named.origin() {
            // Both schemes are special ones, for which this cannot fail.
            let _ = url.set_scheme(self.base().scheme());
        }
        url
    }
}
