//! Images of one source that go to several accounts: what they need of it is read once for all of them.
//!
//! Owns who reads, and who is given what another reads: the first that wants a blob waits for the others, as long as other
//! blobs of this source move on to them and a moment more, then reads it for all that came. Never a reason to fail or to
//! stand still: who is not waited for, who falls behind, and who was given only a part reads for himself. Never takes
//! another's word for the bytes: each end checks its own. Within one account there is nothing to share: there the ledger
//! has a blob brought once.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::{Notify, OnceCell, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::engine::copy::ledger::Ledger;
use crate::error::Error;
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::store::blob::{self, BlobSource, BlobStream};
use crate::store::content::{AccountId, TagOrDigest};
use crate::store::{Source, StoredBlob};

/// How long the first that wants a blob waits for others to which nothing moves on. Who was waited for in vain is not waited
/// for again until he comes.
const GATHER: Duration = Duration::from_secs(3);

/// How long who reads waits for one of the others to take pieces, all in all, before its pace is judged; and the pace, in
/// bytes a second, below which it is left behind. The bytes that one may have waiting are few pieces.
const LAG: Duration = Duration::from_secs(5);

const SLOWEST: u64 = 256 * 1024;

const PIECES: usize = 2;

/// How long one who is given pieces waits for the next before he reads for himself.
const DROUGHT: Duration = Duration::from_secs(10);

/// A manifest that is read once; a failure is everybody's.
type Once = Arc<OnceCell<Result<Manifest, Error>>>;

/// All sources of a run that several images read.
#[derive(Default)]
pub struct FanOut {
    sources: Mutex<HashMap<String, Arc<SharedSource>>>,
    rounds: Mutex<HashMap<Digest, Round>>,
    /// Somebody came, went, or got what he needed.
    changed: Notify,
}

/// One source, and the accounts that images take it to.
struct SharedSource {
    name: String,
    parties: Mutex<BTreeMap<AccountId, Party>>,
    /// Manifests that one has read and others have not yet.
    manifests: Mutex<HashMap<Digest, Kept>>,
}

/// One account.
#[derive(Default)]
struct Party {
    /// Its images that are under way.
    images: usize,
    /// When it last took a piece of what it was waited for.
    took: Option<Instant>,
    /// It was waited for in vain.
    late: bool,
}

/// One blob that is wanted for several accounts.
#[derive(Default)]
struct Round {
    /// Whether somebody waits for the others.
    is_led: bool,
    came: Came,
    /// Accounts that have begun to read.
    off: Vec<AccountId>,
}

struct Kept {
    manifest: Once,
    /// Accounts that have not asked for it.
    awaited: Vec<AccountId>,
}

impl FanOut {
    /// An image of `source` that goes to `account` begins.
    pub fn join(&self, source: &str, account: AccountId) -> Subscriber<'_> {
        let mut sources = self.sources();
        let source = sources.entry(source.to_owned()).or_insert_with(|| Arc::new(SharedSource::new(source)));
        source.parties().entry(account).or_default().images += 1;
        Subscriber { fan_out: self, source: Arc::clone(source), account }
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<String, Arc<SharedSource>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rounds(&self) -> MutexGuard<'_, HashMap<Digest, Round>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Party {
    fn is_idle(&self) -> bool {
        self.took.is_none_or(|when| when.elapsed() > GATHER)
    }
}

impl SharedSource {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), parties: Mutex::default(), manifests: Mutex::default() }
    }

    fn manifests(&self) -> MutexGuard<'_, HashMap<Digest, Kept>> {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece of a blob goes on to `account`.
    fn takes(&self, account: AccountId) {
        self.parties().entry(account).and_modify(|party| party.took = Some(Instant::now()));
    }

    fn parties(&self) -> MutexGuard<'_, BTreeMap<AccountId, Party>> {
        self.parties.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One image among those that read a source. It leaves when dropped.
pub struct Subscriber<'a> {
    fan_out: &'a FanOut,
    source: Arc<SharedSource>,
    account: AccountId,
}

impl Drop for Subscriber<'_> {
    fn drop(&mut self) {
        let mut sources = self.fan_out.sources();
        let mut parties = self.source.parties();
        let Some(party) = parties.get_mut(&self.account) else { return };
        party.images -= 1;
        if party.images > 0 {
            return;
        }
        parties.remove(&self.account);
        if parties.is_empty() {
            sources.remove(&self.source.name);
        }
        drop(parties);
        self.source.manifests().retain(|_, kept| kept.is_awaited_without(self.account));
        self.fan_out.changed.notify_waiters();
    }
}

impl Kept {
    /// Whether anybody but `account` has not asked for it.
    fn is_awaited_without(&mut self, account: AccountId) -> bool {
        self.awaited.retain(|other| *other != account);
        !self.awaited.is_empty()
    }
}

impl Subscriber<'_> {
    /// Whether an image of this source goes to another account too.
    pub fn has_others(&self) -> bool {
        self.source.parties().len() > 1
    }

    /// The manifest, which `get` reads unless another has.
    pub async fn manifest(
        &self,
        digest: &Digest,
        get: impl Future<Output = Result<Manifest, Error>>,
    ) -> Result<Manifest, Error> {
        match self.kept(digest) {
            Some(manifest) => manifest.get_or_init(|| get).await.clone(),
            None => get.await,
        }
    }

    /// The place of a manifest that others want too; none where there are no others.
    fn kept(&self, digest: &Digest) -> Option<Once> {
        let mut manifests = self.source.manifests();
        if let Some(kept) = manifests.get_mut(digest) {
            let manifest = Arc::clone(&kept.manifest);
            if !kept.is_awaited_without(self.account) {
                manifests.remove(digest);
            }
            return Some(manifest);
        }
        let awaited: Vec<AccountId> =
            self.source.parties().keys().copied().filter(|other| *other != self.account).collect();
        if awaited.is_empty() {
            return None;
        }
        let manifest = Arc::default();
        manifests.insert(digest.clone(), Kept { manifest: Arc::clone(&manifest), awaited });
        Some(manifest)
    }

    /// Another blob has come to this image's target: nobody need wait for it here.
    pub(crate) fn settled(&self) {
        if self.has_others() {
            self.fan_out.changed.notify_waiters();
        }
    }

    /// Starts to read a blob: for all that want it, or what one of them reads.
    async fn open(&self, ledger: &Ledger, blob: &StoredBlob<'_>) -> Result<BlobStream, Error> {
        // A directory is read as often as one likes.
        if !self.has_others() || matches!(blob.store, Source::Layout(_)) {
            return blob.open().await;
        }
        let digest = &blob.descriptor.digest;
        let stream = match self.follow(digest) {
            Some(coming) => {
                self.fan_out.changed.notify_waiters();
                match coming.await {
                    Ok(pieces) => {
                        let object = blob.store.object(TagOrDigest::Digest(digest));
                        let stream = given(pieces, blob.store.clone(), blob.descriptor.clone());
                        blob::checked(stream, blob.descriptor, object)
                    }
                    // Who was to read it has failed or gone.
                    Err(_) => blob.open().await?,
                }
            }
            None => self.lead(ledger, blob).await?,
        };
        let (source, account) = (Arc::clone(&self.source), self.account);
        Ok(stream.inspect(move |_| source.takes(account)).boxed())
    }

    /// Waits for the others, and reads for all that came.
    async fn lead(&self, ledger: &Ledger, blob: &StoredBlob<'_>) -> Result<BlobStream, Error> {
        let digest = &blob.descriptor.digest;
        let lead = Lead { reader: self, digest, is_over: false };
        let mut until = Instant::now() + GATHER;
        loop {
            let mut changed = std::pin::pin!(self.fan_out.changed.notified());
            changed.as_mut().enable();
            let missing = self.missing(ledger, digest);
            if missing.is_empty() {
                break;
            }
            if timeout_at(until, changed).await.is_ok() {
                continue;
            }
            let mut parties = self.source.parties();
            for other in missing {
                parties.entry(other).and_modify(|party| party.late |= party.is_idle());
            }
            until += GATHER;
        }
        let came = lead.take_off();
        let stream = blob.open().await?;
        let others: Vec<Other> = came
            .into_iter()
            .filter_map(|(_, waiting)| {
                let (to, pieces) = mpsc::channel(PIECES);
                waiting.send(pieces).ok().map(|()| Other { to, bytes: 0, waited: Duration::ZERO })
            })
            .collect();
        Ok(if others.is_empty() { stream } else { giving(stream, others) })
    }

    /// What comes of a blob that another waits to read; none where this image is the one that waits.
    fn follow(&self, digest: &Digest) -> Option<oneshot::Receiver<mpsc::Receiver<Bytes>>> {
        if let Some(party) = self.source.parties().get_mut(&self.account) {
            party.late = false;
        }
        let mut rounds = self.fan_out.rounds();
        let round = rounds.entry(digest.clone()).or_default();
        if round.is_led {
            let (give, coming) = oneshot::channel();
            round.came.push((self.account, give));
            return Some(coming);
        }
        round.is_led = true;
        None
    }

    /// The accounts that may still want this blob, and are worth a wait.
    fn missing(&self, ledger: &Ledger, digest: &Digest) -> Vec<AccountId> {
        let others: Vec<AccountId> = {
            let parties = self.source.parties();
            parties.iter().filter(|(_, party)| !party.late).map(|(other, _)| *other).collect()
        };
        let rounds = self.fan_out.rounds();
        let is_here = |other: &AccountId| {
            rounds.get(digest).is_some_and(|round| {
                round.off.contains(other) || round.came.iter().any(|(account, _)| account == other)
            })
        };
        let wants = |other: &AccountId| *other != self.account && !is_here(other) && !ledger.has(*other, digest);
        others.into_iter().filter(wants).collect()
    }
}

/// The wait of the first that wants a blob. Whatever ends it, nobody waits for him any more.
struct Lead<'a> {
    reader: &'a Subscriber<'a>,
    digest: &'a Digest,
    is_over: bool,
}

type Came = Vec<(AccountId, oneshot::Sender<mpsc::Receiver<Bytes>>)>;

impl Lead<'_> {
    /// Ends it; those that came meanwhile.
    fn take_off(mut self) -> Came {
        self.is_over = true;
        self.end()
    }

    fn end(&self) -> Came {
        let mut rounds = self.reader.fan_out.rounds();
        let Some(round) = rounds.get_mut(self.digest) else { return Vec::new() };
        round.is_led = false;
        let came = std::mem::take(&mut round.came);
        round.off.push(self.reader.account);
        round.off.extend(came.iter().map(|(account, _)| *account));
        came
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            drop(self.end());
        }
    }
}

/// One who gets what another reads.
struct Other {
    to: mpsc::Sender<Bytes>,
    bytes: u64,
    /// How long he was waited for.
    waited: Duration,
}

impl Other {
    /// Gives him one more piece; none where he has gone or is too slow.
    async fn take(mut self, piece: Bytes) -> Option<Self> {
        let (began, length) = (Instant::now(), piece.len() as u64);
        timeout(LAG, self.to.send(piece)).await.ok()?.ok()?;
        self.waited += began.elapsed();
        self.bytes += length;
        let is_slow = self.waited >= LAG && self.bytes < self.waited.as_secs() * SLOWEST;
        (!is_slow).then_some(self)
    }
}

/// `stream`, each piece of which `others` get too. It goes as fast as the slowest, and leaves behind who is too slow.
fn giving(stream: BlobStream, others: Vec<Other>) -> BlobStream {
    stream::unfold((stream, others), |(mut stream, mut others)| async move {
        let piece = stream.next().await?;
        match &piece {
            Ok(piece) => {
                let given = others.into_iter().map(|other| other.take(piece.clone()));
                others = join_all(given).await.into_iter().flatten().collect();
            }
            // What failed here each asks for himself: where it failed may not be where it was read.
            Err(_) => others.clear(),
        }
        Some((piece, (stream, others)))
    })
    .boxed()
}

/// What another reads; from where it ends too soon or comes too slowly, what this one reads. Not checked: the bytes of two
/// readings may not be one blob's.
fn given(pieces: mpsc::Receiver<Bytes>, store: Source, descriptor: Descriptor) -> BlobStream {
    let state = Given { pieces, own: None, has: 0, store, descriptor };
    stream::unfold(state, |mut state| async move { state.next().await.map(|piece| (piece, state)) }).boxed()
}

struct Given {
    pieces: mpsc::Receiver<Bytes>,
    own: Option<BlobStream>,
    has: u64,
    store: Source,
    descriptor: Descriptor,
}

impl Given {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            if let Some(own) = &mut self.own {
                return own.next().await;
            }
            if let Ok(Some(piece)) = timeout(DROUGHT, self.pieces.recv()).await {
                self.has += piece.len() as u64;
                return Some(Ok(piece));
            }
            if self.has >= self.descriptor.size {
                return None;
            }
            self.pieces.close();
            let blob = StoredBlob { store: &self.store, descriptor: &self.descriptor };
            match blob.open().await {
                Ok(stream) => self.own = Some(blob::after(stream, self.has)),
                Err(error) => {
                    self.has = self.descriptor.size;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// A blob of the source that other images may want too; read anew, it is read for this image alone.
pub(crate) struct SharedBlob<'a> {
    blob: StoredBlob<'a>,
    reader: &'a Subscriber<'a>,
    ledger: &'a Ledger,
    opened: AtomicBool,
}

impl<'a> SharedBlob<'a> {
    pub(crate) fn new(blob: StoredBlob<'a>, reader: &'a Subscriber<'a>, ledger: &'a Ledger) -> Self {
        Self { blob, reader, ledger, opened: AtomicBool::new(false) }
    }
}

impl BlobSource for SharedBlob<'_> {
    fn open(&self) -> BoxFuture<'_, Result<BlobStream, Error>> {
        if self.opened.swap(true, Relaxed) {
            self.blob.open()
        } else {
            self.reader.open(self.ledger, &self.blob).boxed()
        }
    }

    fn open_early(&self) -> Option<BoxFuture<'_, Result<BlobStream, Error>>> {
        if self.reader.has_others() { None } else { self.blob.open_early() }
    }

    fn has_another(&self) -> bool {
        self.blob.has_another()
    }
}
