//! A request in free text: what is mirrored, what is declined without anything being contacted, and the answer to it.

use crate::support::images::{self, Image, OCI_MANIFEST, Object};
use crate::support::{Outcome, Registry, Run};

/// A source with an image, an empty target, and the request `text` of somebody with this association.
struct Request {
    source: Registry,
    target: Registry,
    run: Run,
}

impl Request {
    fn new(association: &str, text: impl Fn(&Registry) -> String) -> Self {
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&images::release(1), "library/app:1");
        let run = Run::new().input("request", &text(&source)).input("requester", association);
        let run = run.input("target", &target.name("mirror/{repository}"));
        Self { source, target, run }
    }

    fn allow(self, glob: impl Fn(&Registry) -> String) -> Self {
        let run = self.run.input("allow", &glob(&self.source));
        Self { run, ..self }
    }

    fn contacted(&self) -> usize {
        self.source.requests() + self.target.requests()
    }
}

fn reply(outcome: &Outcome) -> &str {
    assert_eq!(outcome.output("reply"), "mirror-image-reply.md", "{outcome}");
    &outcome.files["workspace/mirror-image-reply.md"]
}

#[tokio::test]
async fn what_an_owner_asks_for_is_mirrored_and_answered_with_how_it_is_pulled() {
    let asked = |source: &Registry| format!("### 镜像\n\n- docker pull {}\n\n谢谢！", source.name("library/app:1"));
    let request = Request::new("OWNER", asked);
    let outcome = request.run.succeeds().await;
    let pinned = request.target.name("mirror/library/app");
    let reply = reply(&outcome);
    for part in ["✅ **1 image mirrored**", "Same digest as upstream", &format!("docker pull {pinned}@")] {
        assert!(reply.contains(part), "{part}: {reply}");
    }
    assert_eq!(outcome.output("reply-state"), "mirrored");
    assert_eq!(outcome.output("reply-title"), request.source.name("library/app:1"));
    assert!(outcome.says("is read as"), "{outcome}");
    // Asked for again, it is told as fully.
    let again = request.run.succeeds().await;
    assert_eq!(outcome.files["workspace/mirror-image-reply.md"], again.files["workspace/mirror-image-reply.md"]);
}

#[tokio::test]
async fn what_a_stranger_may_not_ask_for_contacts_nothing() {
    for association in ["NONE", "CONTRIBUTOR", ""] {
        let request = Request::new(association, |source| source.name("library/app:1"));
        let request = request.allow(|_| "docker.io/library/*".to_owned());
        let outcome = request.run.fails_with(2).await;
        assert_eq!(request.contacted(), 0, "{outcome}");
        assert_eq!(outcome.output("reply-state"), "declined");
        assert!(reply(&outcome).contains("Not among the images that may be asked for"), "{outcome}");
    }
    // A star is for no address of this machine, as which a stranger would reach what listens beside the run.
    let inside = Request::new("NONE", |source| source.name("library/app:1")).allow(|_| "*".to_owned());
    let outcome = inside.run.fails_with(2).await;
    assert_eq!(inside.contacted(), 0, "{outcome}");
    // The text of an issue can be taken out of it.
    let blank = Request::new("NONE", |_| " \n".to_owned());
    let outcome = blank.run.fails_with(2).await;
    assert_eq!(outcome.output("reply-state"), "declined", "{outcome}");
    assert!(reply(&outcome).contains("names no image"), "{outcome}");
    let nothing = Request::new("OWNER", |_| "hello there\n\narm64".to_owned());
    let outcome = nothing.run.fails_with(2).await;
    assert_eq!(nothing.contacted(), 0, "{outcome}");
    assert!(reply(&outcome).contains("'arm64' is a platform, not an image"), "{outcome}");
}

/// A tag that others pull is moved by a stranger to what it is upstream, and to nothing else: not to an old digest of the
/// repository, not to one platform of the image.
#[tokio::test]
async fn a_stranger_sets_no_tag_to_an_old_digest_or_to_one_platform() {
    let (old, new) = (images::single(), images::three_platforms());
    for (association, stays) in [("NONE", true), ("COLLABORATOR", false)] {
        for (asked, result) in [(format!(":1@{}", old.digest()), old.digest()), ("|linux/arm64".to_owned(), "")] {
            let request = Request::new(association, |source| {
                source.seed(&old, "library/app:0");
                source.seed(&new, "library/app:1");
                let (tag, platform) = if asked.starts_with('|') { (":1", &*asked) } else { ("", &*asked) };
                source.name("library/app") + tag + platform
            });
            let request = request.allow(|source| source.name("library/*"));
            request.target.seed(&new, "mirror/library/app:1");
            let outcome = request.run.succeeds().await;
            let tag = request.target.tag("mirror/library/app", "1").unwrap();
            assert_eq!(tag == new.digest(), stays, "{association} {asked}\n{outcome}");
            if !result.is_empty() {
                request.target.is_whole("mirror/library/app", result).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn one_image_that_is_declined_or_fails_does_not_keep_the_others_back() {
    let asked = |source: &Registry| {
        [source.name("library/app:1"), source.name("library/none:1"), "quay.io/a/b".to_owned()].join("\n")
    };
    let request = Request::new("NONE", asked).allow(|source| source.name("library/*"));
    let outcome = request.run.fails_with(1).await;
    let reply = reply(&outcome);
    assert_eq!(outcome.output("reply-state"), "partly");
    assert!(reply.starts_with("🟡 **1 of 3 mirrored**"), "{reply}");
    assert!(reply.contains("There is no such image or tag upstream."), "{reply}");
    assert!(reply.contains("```text\nquay.io/a/b:latest\n```"), "{reply}");
    let only = Request::new("OWNER", asked);
    let run = only.run.clone().input("request-limit", "1");
    let outcome = run.fails_with(1).await;
    assert!(self::reply(&outcome).contains("More images than one request may have"), "{outcome}");
    assert_eq!(only.source.count("HEAD", "/none/") + only.source.count("GET", "/none/"), 0);
    for (name, value) in [("request-limit", "0"), ("request-limit", "ten"), ("allow", "library/*"), ("images", "x")] {
        let outcome = only.run.clone().input(name, value).fails_with(2).await;
        assert!(outcome.says(&format!("input `{name}`")) || outcome.says("input `request`"), "{outcome}");
    }
}

/// Who may ask for a small image may not have by it whatever hangs on that.
#[tokio::test]
async fn what_hangs_on_an_image_is_refused_too_where_it_is_too_large() {
    let (source, target) = (Registry::start(), Registry::start());
    source.switch(|switches| switches.referrers = Some(10));
    let image = images::single();
    source.seed(&image, "library/app:1");
    let hangs = images::referrer_of(&image, "application/x");
    let large = images::big(300_000, 7);
    let mut hangs = Image { blobs: hangs.blobs.into_iter().chain(large.blobs.clone()).collect(), ..hangs };
    let layers = format!("\"layers\": [ {}, ", large.blobs.last().unwrap().descriptor());
    let bytes = String::from_utf8(hangs.manifests[0].bytes.to_vec()).unwrap().replacen("\"layers\": [ ", &layers, 1);
    hangs.manifests = vec![Object::new(OCI_MANIFEST, bytes)];
    source.seed(&hangs, "library/app");
    let run = Run::new().input("request", &source.name("library/app:1")).input("requester", "OWNER");
    let run = run.input("target", &target.name("mirror/{repository}"));
    for (limit, what) in
        [("1GiB/100kb", "the layer has"), ("100kb", "the layer has"), ("200kb/1GiB", "its attachments")]
    {
        let outcome = run.clone().input("size-limit", limit).fails_with(1).await;
        assert!(outcome.says(what), "{limit}: {outcome}");
        assert_eq!(target.tag("mirror/library/app", "1"), None, "{limit}: {outcome}");
        let large = &large.blobs.last().unwrap().digest;
        assert_eq!(source.count("GET", large), 0, "{limit}: {outcome}");
    }
    run.input("size-limit", "1GiB").succeeds().await;
    target.is_whole("mirror/library/app", hangs.digest()).unwrap();
}

#[tokio::test]
async fn an_image_that_is_too_large_is_refused_before_a_byte_is_sent() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::three_platforms();
    source.seed(&image, "library/app:1");
    let run = Run::new().input("request", &source.name("library/app:1")).input("requester", "OWNER");
    let run = run.input("target", &target.name("mirror/{repository}"));
    for (limit, what) in
        [("1kb", "layer"), ("1GiB/1kb", "layer"), (&format!("{}kb/1GiB", image.blob_bytes() / 1000), "image")]
    {
        source.reset();
        target.reset();
        let outcome = run.clone().input("size-limit", limit).fails_with(1).await;
        let sent = target.count("POST", "") + target.count("PUT", "") + target.count("PATCH", "");
        assert_eq!(source.count("GET", "/blobs/") + sent, 0, "{limit}: {outcome}");
        assert!(reply(&outcome).contains(&format!("the {what} has")), "{limit}: {outcome}");
        assert!(reply(&outcome).contains("Ask for one platform of it"), "{limit}: {outcome}");
    }
    // What is not wanted of it does not count.
    let one = format!("{}kb/1GiB", image.blob_bytes() / 1000);
    run.clone().input("size-limit", &one).input("platforms", "linux/amd64").succeeds().await;
    let outcome = run.clone().input("size-limit", "1GiB").succeeds().await;
    assert_eq!(outcome.output("reply-state"), "mirrored");
    // What was read to find that out is not read again.
    source.reset();
    let run = run.input("target", &target.name("other/{repository}")).input("attachments", "none");
    let outcome = run.input("size-limit", "1GiB").succeeds().await;
    assert_eq!(source.count("GET", "/manifests/"), image.manifests.len(), "{outcome}");
}
