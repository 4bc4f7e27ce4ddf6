//! Images of one source that go to several accounts: what they need of it is read once for all of them.
//!
//! Owns which target's copy downloads and which are served by its download: the first that wants a blob waits for the
//! others, as long as other blobs of this source move on to them and a moment more, then downloads it for all that wait.
//! Never a reason to fail or to stand still: a subscriber that joins late, falls behind or receives only part of the
//! stream downloads the blob itself. Never takes another's word for the bytes: each end checks its own. Never serves
//! what was read in another repository than the image's own. Within one account there is nothing to share: there the
//! ledger has a blob brought once.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};
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
use crate::store::content::{AccountId, Origin, TagOrDigest};
use crate::store::{Source, StoredBlob};
use crate::sync::LockExt as _;

/// How long one waits for another: small parts of the patience that the run has with its registries, so that a longer
/// patience also excuses a slower machine.
#[derive(Clone, Copy)]
struct Waits {
    /// How long the first that wants a blob waits for accounts to which nothing moves on. An account that was waited for
    /// in vain is not waited for again until it comes.
    gather: Duration,
    /// How long a download waits for one sink, all in all, before that one's pace is judged.
    sink: Duration,
    /// How long a follower waits for the next piece before it downloads the rest itself.
    follow: Duration,
}

impl Waits {
    fn of(patience: Duration) -> Self {
        let part = |of: u32, least: u64| (patience / of).max(Duration::from_secs(least));
        Self { gather: part(100, 3), sink: part(60, 5), follow: part(30, 10) }
    }
}

/// The pace below which a sink is left behind.
const MIN_SINK_BYTES_PER_SEC: u64 = 256 * 1024;

/// Pieces that may wait for one sink: few, because they are held in memory.
const SINK_PIECES: usize = 2;

/// A manifest that is read once; a failure is that of all that wanted it.
type Once = Arc<OnceCell<Result<Manifest, Error>>>;

/// All sources of a run that several images read.
#[derive(Default)]
pub struct FanOut {
    sources: Mutex<HashMap<String, Arc<SharedSource>>>,
    rendezvous: Mutex<HashMap<Wanted, Rendezvous>>,
    /// A subscriber came, went, or got what it needed.
    changed: Notify,
}

/// A blob of a repository.
type Wanted = (Origin, Digest);

/// One source, and the accounts that images take it to.
struct SharedSource {
    name: String,
    accounts: Mutex<BTreeMap<AccountId, AccountState>>,
    /// Manifests that one account has read and others have not yet.
    manifests: Mutex<HashMap<Digest, SharedManifest>>,
}

/// One account.
#[derive(Default)]
struct AccountState {
    /// Its images that are under way.
    images: usize,
    /// When it last took a piece of what it was waited for.
    took: Option<Instant>,
    /// It was waited for in vain.
    late: bool,
}

/// One blob that is wanted for several accounts.
#[derive(Default)]
struct Rendezvous {
    /// Whether one waits for the others.
    is_led: bool,
    waiting: Waiting,
    /// Accounts that have begun to read.
    started: Vec<AccountId>,
}

struct SharedManifest {
    manifest: Once,
    /// Accounts that have not asked for it.
    awaited: Vec<AccountId>,
}

impl FanOut {
    /// An image of `source` that goes to `account` begins.
    pub fn join(&self, source: &str, account: AccountId, patience: Duration) -> Subscriber<'_> {
        let mut sources = self.sources();
        let source = sources.entry(source.to_owned()).or_insert_with(|| Arc::new(SharedSource::new(source)));
        source.accounts().entry(account).or_default().images += 1;
        Subscriber { fan_out: self, source: Arc::clone(source), account, waits: Waits::of(patience) }
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<String, Arc<SharedSource>>> {
        self.sources.locked()
    }

    fn rendezvous(&self) -> MutexGuard<'_, HashMap<Wanted, Rendezvous>> {
        self.rendezvous.locked()
    }
}

impl AccountState {
    fn is_idle(&self, gather: Duration) -> bool {
        self.took.is_none_or(|when| when.elapsed() > gather)
    }
}

impl SharedSource {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), accounts: Mutex::default(), manifests: Mutex::default() }
    }

    fn manifests(&self) -> MutexGuard<'_, HashMap<Digest, SharedManifest>> {
        self.manifests.locked()
    }

    /// A piece of a blob goes on to `account`.
    fn takes(&self, account: AccountId) {
        self.accounts().entry(account).and_modify(|state| state.took = Some(Instant::now()));
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<AccountId, AccountState>> {
        self.accounts.locked()
    }
}

/// One image among those that read a source. It leaves when dropped.
pub struct Subscriber<'a> {
    fan_out: &'a FanOut,
    source: Arc<SharedSource>,
    account: AccountId,
    waits: Waits,
}

impl Drop for Subscriber<'_> {
    fn drop(&mut self) {
        let mut sources = self.fan_out.sources();
        let mut accounts = self.source.accounts();
        let Some(state) = accounts.get_mut(&self.account) else { return };
        state.images -= 1;
        if state.images > 0 {
            return;
        }
        accounts.remove(&self.account);
        if accounts.is_empty() {
            sources.remove(&self.source.name);
        }
        drop(accounts);
        self.source.manifests().retain(|_, kept| kept.is_awaited_without(self.account));
        self.fan_out.changed.notify_waiters();
    }
}

impl SharedManifest {
    /// Whether another account than `account` has not asked for it.
    fn is_awaited_without(&mut self, account: AccountId) -> bool {
        self.awaited.retain(|other| *other != account);
        !self.awaited.is_empty()
    }
}

impl Subscriber<'_> {
    /// Whether an image of this source goes to another account too.
    pub fn has_others(&self) -> bool {
        self.source.accounts().len() > 1
    }

    /// The manifest, which `get` reads unless another has; `hold` counts what was read by another.
    pub async fn manifest(
        &self,
        digest: &Digest,
        get: BoxFuture<'_, Result<Manifest, Error>>,
        hold: impl Fn(&Manifest) -> Result<(), Error>,
    ) -> Result<Manifest, Error> {
        let Some(kept) = self.kept(digest) else { return get.await };
        let mut is_own = false;
        let read = async {
            is_own = true;
            get.await
        };
        let manifest = kept.get_or_init(|| read).await.clone();
        match &manifest {
            // It is asked for again once there is room.
            Err(error) if error.is_crowded() => {
                self.source.manifests().retain(|_, other| !Arc::ptr_eq(&other.manifest, &kept));
            }
            Ok(manifest) if !is_own => hold(manifest)?,
            Ok(_) | Err(_) => {}
        }
        manifest
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
            self.source.accounts().keys().copied().filter(|other| *other != self.account).collect();
        if awaited.is_empty() {
            return None;
        }
        let manifest = Arc::default();
        manifests.insert(digest.clone(), SharedManifest { manifest: Arc::clone(&manifest), awaited });
        Some(manifest)
    }

    /// Another blob has come to this image's target: no leader need wait for it here.
    pub(crate) fn settled(&self) {
        if self.has_others() {
            self.fan_out.changed.notify_waiters();
        }
    }

    /// Starts to read a blob: for all that want it, or what one of them reads.
    async fn open(&self, ledger: &Ledger, blob: &StoredBlob<'_>) -> Result<BlobStream, Error> {
        // Reading a directory costs nothing that is worth sharing.
        if !self.has_others() || matches!(blob.store, Source::Layout(_)) {
            return blob.open().await;
        }
        let digest = &blob.descriptor.digest;
        let wanted = (blob.store.origin(), digest.clone());
        let stream = match self.follow(&wanted) {
            Some(coming) => {
                self.fan_out.changed.notify_waiters();
                match coming.await {
                    Ok(pieces) => {
                        let object = blob.store.object(TagOrDigest::Digest(digest));
                        let stream = followed(pieces, self.waits.follow, blob.store.clone(), blob.descriptor.clone());
                        blob::checked(stream, blob.descriptor, object)
                    }
                    // The leader has failed or gone.
                    Err(_) => blob.open().await?,
                }
            }
            None => self.lead(ledger, blob, &wanted).await?,
        };
        let (source, account) = (Arc::clone(&self.source), self.account);
        Ok(stream.inspect(move |_| source.takes(account)).boxed())
    }

    /// Waits for the others, and downloads for all that came.
    async fn lead(&self, ledger: &Ledger, blob: &StoredBlob<'_>, wanted: &Wanted) -> Result<BlobStream, Error> {
        let leader = Leader { reader: self, wanted, is_over: false };
        let mut until = Instant::now() + self.waits.gather;
        loop {
            let mut changed = std::pin::pin!(self.fan_out.changed.notified());
            changed.as_mut().enable();
            let missing = self.missing(ledger, wanted);
            if missing.is_empty() {
                break;
            }
            if timeout_at(until, changed).await.is_ok() {
                continue;
            }
            let mut accounts = self.source.accounts();
            for other in missing {
                accounts.entry(other).and_modify(|state| state.late |= state.is_idle(self.waits.gather));
            }
            until += self.waits.gather;
        }
        let waiting = leader.start();
        let stream = blob.open().await?;
        let sinks: Vec<Sink> = waiting
            .into_iter()
            .filter_map(|(_, waiting)| {
                let (to, pieces) = mpsc::channel(SINK_PIECES);
                waiting.send(pieces).ok().map(|()| Sink {
                    to,
                    bytes: 0,
                    waited: Duration::ZERO,
                    timeout: self.waits.sink,
                })
            })
            .collect();
        Ok(if sinks.is_empty() { stream } else { fanned_out(stream, sinks) })
    }

    /// What comes of a blob that another waits to read; none where this image is the one that waits.
    fn follow(&self, wanted: &Wanted) -> Option<oneshot::Receiver<mpsc::Receiver<Bytes>>> {
        if let Some(state) = self.source.accounts().get_mut(&self.account) {
            state.late = false;
        }
        let mut rendezvous = self.fan_out.rendezvous();
        let meeting = rendezvous.entry(wanted.clone()).or_default();
        if meeting.is_led {
            let (give, coming) = oneshot::channel();
            meeting.waiting.push((self.account, give));
            return Some(coming);
        }
        meeting.is_led = true;
        None
    }

    /// The accounts that may still want this blob, and are worth a wait.
    fn missing(&self, ledger: &Ledger, wanted: &Wanted) -> Vec<AccountId> {
        let others: Vec<AccountId> = {
            let accounts = self.source.accounts();
            accounts.iter().filter(|(_, state)| !state.late).map(|(other, _)| *other).collect()
        };
        let rendezvous = self.fan_out.rendezvous();
        let is_here = |other: &AccountId| {
            rendezvous.get(wanted).is_some_and(|meeting| {
                meeting.started.contains(other) || meeting.waiting.iter().any(|(account, _)| account == other)
            })
        };
        let wants = |other: &AccountId| *other != self.account && !is_here(other) && !ledger.has(*other, &wanted.1);
        others.into_iter().filter(wants).collect()
    }
}

/// The wait of the first that wants a blob. However it ends, no follower waits for it any more.
struct Leader<'a> {
    reader: &'a Subscriber<'a>,
    wanted: &'a Wanted,
    is_over: bool,
}

type Waiting = Vec<(AccountId, oneshot::Sender<mpsc::Receiver<Bytes>>)>;

impl Leader<'_> {
    /// Ends it; those that came meanwhile.
    fn start(mut self) -> Waiting {
        self.is_over = true;
        self.end()
    }

    fn end(&self) -> Waiting {
        let mut rendezvous = self.reader.fan_out.rendezvous();
        let Some(meeting) = rendezvous.get_mut(self.wanted) else { return Vec::new() };
        meeting.is_led = false;
        let waiting = std::mem::take(&mut meeting.waiting);
        meeting.started.push(self.reader.account);
        meeting.started.extend(waiting.iter().map(|(account, _)| *account));
        waiting
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            drop(self.end());
        }
    }
}

/// A subscriber that is given what another downloads.
struct Sink {
    to: mpsc::Sender<Bytes>,
    bytes: u64,
    /// How long it was waited for.
    waited: Duration,
    /// How long it may be waited for before its pace is judged.
    timeout: Duration,
}

impl Sink {
    /// Gives it one more piece; none where it has gone or is too slow.
    async fn take(mut self, piece: Bytes) -> Option<Self> {
        let (began, length) = (Instant::now(), piece.len() as u64);
        timeout(self.timeout, self.to.send(piece)).await.ok()?.ok()?;
        self.waited += began.elapsed();
        self.bytes += length;
        let is_slow = self.waited >= self.timeout && self.bytes < self.waited.as_secs() * MIN_SINK_BYTES_PER_SEC;
        (!is_slow).then_some(self)
    }
}

/// `stream`, each piece of which `sinks` get too. It goes as fast as the slowest, and leaves behind what is too slow.
fn fanned_out(stream: BlobStream, sinks: Vec<Sink>) -> BlobStream {
    stream::unfold((stream, sinks), |(mut stream, mut sinks)| async move {
        let piece = stream.next().await?;
        match &piece {
            Ok(piece) => {
                let given = sinks.into_iter().map(|sink| sink.take(piece.clone()));
                sinks = join_all(given).await.into_iter().flatten().collect();
            }
            // Each sink asks again for itself: it may read elsewhere than where this failed.
            Err(_) => sinks.clear(),
        }
        Some((piece, (stream, sinks)))
    })
    .boxed()
}

/// What another downloads; from where that ends too soon or comes too slowly, an own download. Not checked: the bytes of
/// two downloads may not be one blob's.
fn followed(pieces: mpsc::Receiver<Bytes>, wait: Duration, store: Source, descriptor: Descriptor) -> BlobStream {
    let state = Followed { pieces, wait, own: None, has: 0, store, descriptor };
    stream::unfold(state, |mut state| async move { state.next().await.map(|piece| (piece, state)) }).boxed()
}

struct Followed {
    pieces: mpsc::Receiver<Bytes>,
    /// How long the next one is waited for.
    wait: Duration,
    own: Option<BlobStream>,
    has: u64,
    store: Source,
    descriptor: Descriptor,
}

impl Followed {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            if let Some(own) = &mut self.own {
                return own.next().await;
            }
            if let Ok(Some(piece)) = timeout(self.wait, self.pieces.recv()).await {
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
    /// The same, where it was read before: it had its digest then.
    held: Option<Bytes>,
    reader: &'a Subscriber<'a>,
    ledger: &'a Ledger,
    opened: AtomicBool,
}

impl<'a> SharedBlob<'a> {
    pub(crate) fn new(
        blob: StoredBlob<'a>,
        held: Option<Bytes>,
        reader: &'a Subscriber<'a>,
        ledger: &'a Ledger,
    ) -> Self {
        Self { blob, held, reader, ledger, opened: AtomicBool::new(false) }
    }
}

impl BlobSource for SharedBlob<'_> {
    fn open(&self) -> BoxFuture<'_, Result<BlobStream, Error>> {
        if let Some(held) = &self.held {
            let held = held.clone();
            async move { Ok(stream::iter([Ok(held)]).boxed()) }.boxed()
        } else if self.opened.swap(true, Relaxed) {
            self.blob.open()
        } else {
            self.reader.open(self.ledger, &self.blob).boxed()
        }
    }

    fn open_early(&self) -> Option<BoxFuture<'_, Result<BlobStream, Error>>> {
        if self.held.is_some() || self.reader.has_others() { None } else { self.blob.open_early() }
    }

    fn has_another(&self) -> bool {
        self.blob.has_another()
    }
}
