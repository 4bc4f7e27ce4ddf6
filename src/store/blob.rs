//! A blob on its way from one end to the other.
//!
//! Owns the check that nothing wrong is ever completed: the bytes are hashed and counted while they flow, and the last
//! piece is held back until hash and size agree with the descriptor. Never holds more than that piece.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _};

use crate::error::object::Object;
use crate::error::{Error, Side};
use crate::oci::digest::{Digest, Hasher};
use crate::oci::manifest::Descriptor;
use crate::store::content::Presence;

/// The bytes of a blob. An error ends it.
pub type BlobStream = BoxStream<'static, Result<Bytes, Error>>;

/// Something a blob can be read from, again and again from its first byte.
pub trait BlobSource: Send + Sync {
    /// Starts to read. The stream survives what its end can mend by itself (a broken connection); what it reports is
    /// final for this attempt.
    fn open(&self) -> BoxFuture<'_, Result<BlobStream, Error>>;

    /// The same, asked before the target is ready for bytes, so that the answer is there when it is; none where that is
    /// not worth it.
    fn open_early(&self) -> Option<BoxFuture<'_, Result<BlobStream, Error>>> {
        None
    }

    /// Whether, after an attempt that failed, there is another place to open it at.
    fn has_another(&self) -> bool {
        false
    }
}

/// A blob that is to exist at a target.
#[derive(Clone, Copy)]
pub struct BlobPushRequest<'a> {
    /// Which it is.
    pub descriptor: &'a Descriptor,
    /// A repository of the target's account that has it.
    pub mount_from: Option<&'a str>,
    /// Whether the target has it already.
    pub presence: Presence,
    /// Where its bytes come from, where they must be sent.
    pub source: &'a dyn BlobSource,
}

/// `stream`, hashed and counted; fails instead of giving its last piece when it is not `descriptor`.
pub fn checked(stream: BlobStream, descriptor: &Descriptor, object: Object) -> BlobStream {
    let state = Checked {
        stream,
        hasher: Some(descriptor.digest.hasher()),
        digest: descriptor.digest.clone(),
        size: descriptor.size,
        seen: 0,
        held: None,
        object,
    };
    futures_util::stream::unfold(state, |mut state| async move { state.next().await.map(|item| (item, state)) }).boxed()
}

/// `stream` without its first `offset` bytes.
pub fn after(stream: BlobStream, offset: u64) -> BlobStream {
    if offset == 0 {
        return stream;
    }
    let rest = stream.scan(offset, |before, piece| {
        let piece = piece.map(|mut piece| {
            let skipped = usize::try_from(*before).unwrap_or(usize::MAX).min(piece.len());
            *before -= skipped as u64;
            piece.split_off(skipped)
        });
        std::future::ready(Some(piece))
    });
    rest.filter(|piece| std::future::ready(!matches!(piece, Ok(piece) if piece.is_empty()))).boxed()
}

struct Checked {
    stream: BlobStream,
    /// Taken when the stream is over.
    hasher: Option<Hasher>,
    digest: Digest,
    size: u64,
    seen: u64,
    held: Option<Bytes>,
    object: Object,
}

impl Checked {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            let hasher = self.hasher.as_mut()?;
            match self.stream.next().await {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    hasher.update(&piece);
                    self.seen += piece.len() as u64;
                    if self.seen > self.size {
                        self.hasher = None;
                        return Some(Err(self.wrong_size("at least ")));
                    }
                    if self.seen < self.size {
                        return Some(Ok(piece));
                    }
                    self.held = Some(piece);
                }
                Some(Err(error)) => {
                    self.hasher = None;
                    return Some(Err(error));
                }
                None => return self.finish(),
            }
        }
    }

    fn finish(&mut self) -> Option<Result<Bytes, Error>> {
        let actual = self.hasher.take()?.finish();
        if self.seen != self.size {
            return Some(Err(self.wrong_size("")));
        }
        if actual != self.digest {
            return Some(Err(Error::DigestMismatch {
                side: Side::Source,
                object: self.object.clone(),
                expected: self.digest.clone(),
                actual: actual.to_string(),
            }));
        }
        self.held.take().map(Ok)
    }

    fn wrong_size(&self, prefix: &str) -> Error {
        Error::Content {
            side: Side::Source,
            object: self.object.clone(),
            problem: format!("its descriptor says {} bytes, there are {prefix}{}", self.size, self.seen),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::StreamExt as _;

    use super::{after, checked};
    use crate::error::Error;
    use crate::error::object::Object;
    use crate::oci::digest::Digest;
    use crate::oci::manifest::Descriptor;

    async fn run(pieces: &[&'static str], descriptor: &Descriptor) -> (String, Option<Error>) {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        let mut stream = checked(
            futures_util::stream::iter(pieces).boxed(),
            descriptor,
            Object::directory(std::path::Path::new("x")),
        );
        let mut text = String::new();
        while let Some(item) = stream.next().await {
            match item {
                Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => return (text, Some(error)),
            }
        }
        (text, None)
    }

    fn descriptor(text: &str) -> Descriptor {
        Descriptor::new("", Digest::of(text.as_bytes()), text.len() as u64)
    }

    #[tokio::test]
    async fn right_bytes_pass_whatever_their_pieces() {
        for pieces in [&["hello world"][..], &["hello", "", " ", "world"], &["", "hello world", ""]] {
            let (text, error) = run(pieces, &descriptor("hello world")).await;
            assert_eq!((text.as_str(), error.is_none()), ("hello world", true));
        }
        assert_eq!(run(&[], &descriptor("")).await.0, "");
    }

    #[tokio::test]
    async fn what_comes_after_an_offset_is_the_rest_whatever_its_pieces() {
        for pieces in [&["hello world"][..], &["hello", "", " ", "world"], &["h", "ello world"]] {
            for offset in 0..=11 {
                let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
                let rest: Vec<_> = after(futures_util::stream::iter(pieces).boxed(), offset as u64).collect().await;
                let rest: Vec<Bytes> = rest.into_iter().map(Result::unwrap).collect();
                assert_eq!(rest.concat(), &b"hello world"[offset..]);
            }
        }
    }

    #[tokio::test]
    async fn the_last_piece_of_wrong_bytes_is_never_given() {
        for pieces in [&["hello", " wurld"][..], &["hello"], &["hello", " world", "!"]] {
            let (text, error) = run(pieces, &descriptor("hello world")).await;
            assert!(error.is_some(), "{pieces:?}");
            assert!(text.len() < "hello world".len(), "{pieces:?} gave {text}");
        }
    }
}
