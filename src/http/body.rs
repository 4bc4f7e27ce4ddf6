//! The bodies of answers, read up to a limit.
//!
//! Owns that no answer takes more memory than its reader allows. Never decides what a body that is too large means.

use bytes::Bytes;
use http_body_util::BodyExt;

/// A body of which a limited number of bytes is read.
pub struct BoundedBody<B> {
    body: B,
    /// Bytes that may still come.
    left: usize,
    /// It had more than the limit.
    is_cut: bool,
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub enum BodyError<E> {
    /// It has more bytes than were allowed.
    TooLarge,
    /// It broke off.
    Broken(E),
}

impl<B: BodyExt<Data = Bytes> + Unpin> BoundedBody<B> {
    /// Nothing is read yet; `limit` is in bytes.
    pub fn new(body: B, limit: usize) -> Self {
        Self { body, left: limit, is_cut: false }
    }

    /// The next piece; none at the end. Of a body that is too large, what is within the limit comes before the error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError<B::Error>> {
        if self.is_cut {
            return Err(BodyError::TooLarge);
        }
        while let Some(frame) = self.body.frame().await {
            // Trailers are no content.
            let Ok(mut piece) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
            self.is_cut = piece.len() > self.left;
            piece.truncate(self.left);
            self.left -= piece.len();
            return Ok(Some(piece));
        }
        Ok(None)
    }

    /// All of it, where it is within the limit.
    pub async fn whole(mut self) -> Result<Vec<u8>, BodyError<B::Error>> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;

    use super::{BodyError, BoundedBody};

    #[tokio::test]
    async fn a_body_that_is_too_large_is_cut_and_then_an_error() {
        let body = || Full::new(Bytes::from_static(b"12345"));
        assert_eq!(BoundedBody::new(body(), 5).whole().await.unwrap(), b"12345");
        assert!(matches!(BoundedBody::new(body(), 4).whole().await, Err(BodyError::TooLarge)));
        let mut cut = BoundedBody::new(body(), 4);
        assert_eq!(cut.next().await.unwrap().unwrap(), "1234");
        assert!(matches!(cut.next().await, Err(BodyError::TooLarge)));
    }
}
