//! Runs as people have them, of which `scripts/pictures` makes pictures and measures them.
//!
//! `PICTURES=DIRECTORY cargo test --lib report::cases` writes their summaries there.

use crate::engine::options::Command;
use crate::engine::outcome::{AttachmentOutcome, ImageOutcome, Outcome, PlatformOutcome};
use crate::error::action::Action;
use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse};
use crate::error::object::Object;
use crate::error::{Error, Side};
use crate::github::findings::{Check, Checked, Findings, Status};
use crate::observe::counts::{Blobs, Traffic};
use crate::oci::artifact::Kind;
use crate::oci::digest::Digest;
use crate::oci::reference::ImageReference;
use crate::report::Report;
use crate::report::summary::render;

const REPOSITORIES: [&str; 8] = [
    "docker.io/library/alpine",
    "registry.k8s.io/pause",
    "gcr.io/kaniko-project/executor",
    "quay.io/team/app",
    "docker.io/library/debian",
    "mcr.microsoft.com/dotnet/aspnet",
    "registry.access.redhat.com/ubi9/ubi-minimal",
    "public.ecr.aws/docker/library/node",
];

const PLATFORMS: [&str; 5] = ["linux/amd64", "linux/arm64/v8", "linux/arm/v7", "linux/ppc64le", "linux/s390x"];

fn named(text: &str) -> ImageReference {
    ImageReference::parse(text).unwrap()
}

/// The image with this number, that ended like this.
fn image(number: usize, result: Outcome) -> ImageOutcome {
    let repository = REPOSITORIES[number % REPOSITORIES.len()];
    of(&format!("{repository}:{}.{}", 1 + number / 80, number), result)
}

fn of(source: &str, result: Outcome) -> ImageOutcome {
    let digest = Digest::of(source.as_bytes());
    let moved = matches!(result, Outcome::Copied | Outcome::WouldCopy);
    let platform = |(at, name): (usize, &&str)| PlatformOutcome {
        platform: (*name).to_owned(),
        digest: Digest::of(format!("{source} {name}").as_bytes()),
        size: Some(3_500_000 + 400_000 * at as u64),
    };
    ImageOutcome {
        source_digest: Some(digest.clone()),
        digest: Some(digest),
        media_type: moved.then(|| "application/vnd.oci.image.index.v1+json".to_owned()),
        platforms: if result == Outcome::Unchanged {
            Vec::new()
        } else {
            PLATFORMS.iter().enumerate().map(platform).collect()
        },
        result,
        wrote: result == Outcome::Copied,
        traffic: Traffic {
            source_requests: 12,
            target_requests: 15,
            bytes_written: if result == Outcome::Copied { 8_912_896 } else { 0 },
            ..Traffic::default()
        },
        blobs: Blobs { missing_bytes: if result == Outcome::WouldCopy { 48_912_896 } else { 0 }, ..Blobs::default() },
        duration_ms: 1900,
        ..ImageOutcome::new(named(source), Some(named(&format!("ghcr.io/acme/mirror/{source}"))))
    }
}

fn refused(source: &str, cause: Cause) -> ImageOutcome {
    let image = of(source, Outcome::Failed);
    let error =
        Error::Registry { side: Side::Source, action: Action::GetManifest, object: Object::from(&image.source), cause };
    ImageOutcome {
        error: Some(Box::new(error)),
        state: Some("nothing was written".to_owned()),
        digest: None,
        platforms: Vec::new(),
        ..image
    }
}

fn answer(status: u16, code: &str, message: &str) -> ErrorResponse {
    ErrorResponse { status, code: Some(code.to_owned()), message: message.to_owned(), ..ErrorResponse::default() }
}

fn absent(source: &str) -> ImageOutcome {
    refused(source, Cause::Refused(answer(404, "MANIFEST_UNKNOWN", "manifest unknown")))
}

fn no_login(source: &str) -> ImageOutcome {
    let refusal = Box::new(Cause::Refused(answer(401, "UNAUTHORIZED", "authentication required")));
    let service = "auth.registry.example.com".to_owned();
    refused(source, Cause::Token { service, refusal, with_credential: true, kept_back: None })
}

fn report(images: Vec<ImageOutcome>) -> Report {
    Report { images, duration_ms: 1900, ..Report::new(Command::Copy, false) }
}

fn page(package: &str) -> String {
    let (owner, name) = package.trim_start_matches("ghcr.io/").split_once('/').unwrap();
    format!("https://github.com/orgs/{owner}/packages/container/{}/settings", name.replace('/', "%2F"))
}

/// The checks of the package of each image, that were as wanted; `new` packages were created by this run.
fn access(images: &[ImageOutcome], new: bool) -> Findings {
    let mut checks: Vec<Check> = Vec::new();
    for target in images.iter().filter_map(|image| image.target.as_ref()?.registry()) {
        let package = target.name();
        if checks.iter().any(|check| check.subject == package) {
            continue;
        }
        let sentence = "a new package takes over the access of the repository that it is linked to, which GitHub's API does not show; \
                 see once on the package's settings that `Inherit access from source repository` is ticked";
        checks.extend([
            Check::new(&package, Checked::Package, Status::Ok, "the package exists").found(&"3 versions"),
            Check::new(&package, Checked::Link, Status::Ok, "linked to `acme/mirror`").found(&"acme/mirror"),
            Check::new(&package, Checked::Inheritance, Status::Unverifiable, sentence)
                .link(page(&package))
                .with_to_do(new),
            Check::new(&package, Checked::Visibility, Status::Ok, "it is `private`").found(&"private"),
        ]);
    }
    Findings { checks, ..Findings::default() }
}

fn drift() -> Report {
    let images: Vec<ImageOutcome> = (0..40).map(|number| image(number, Outcome::Unchanged)).collect();
    let mut access = access(&images, false);
    let package = "ghcr.io/acme/mirror/quay.io/team/app";
    access.checks.retain(|check| check.subject != package);
    let page = page(package);
    access.checks.extend([
        Check::new(package, Checked::Package, Status::Ok, "the package exists").found(&"3 versions"),
        Check::new(
            package,
            Checked::Link,
            Status::Manual,
            "linked to no repository, so it inherits nothing; in the package's settings connect `acme/mirror` and tick \
             `Inherit access from source repository`; this overwrites the access that the package has now, and is needed \
             once",
        )
        .wanted(&"acme/mirror")
        .found(&"none")
        .link(page.clone()),
        Check::new(
            package,
            Checked::Visibility,
            Status::Drift,
            "it is `public`, not `private`, and GitHub does not make a public package private again; delete it and push \
             it anew, or set `expected-visibility: public`",
        )
        .wanted(&"private")
        .found(&"public")
        .link(page),
        Check::new("acme/mirror", Checked::Team("ids-admin".to_owned()), Status::Applied, "`ids-admin` was granted `admin`").found(&"admin"),
    ]);
    Report { access, ..report(images) }
}

fn first_push() -> Report {
    let images: Vec<ImageOutcome> = (0..6).map(|number| image(number, Outcome::Copied)).collect();
    let access = access(&images, true);
    Report { access, ..report(images) }
}

fn sixty() -> Report {
    let mut images: Vec<ImageOutcome> = (0..57).map(|number| image(number, Outcome::Copied)).collect();
    images.insert(7, absent("quay.io/team/nope:1.0"));
    images.insert(30, absent("quay.io/team/app:9.9.9"));
    images.push(no_login("registry.example.com/base/jdk:21"));
    let access = access(&images[..6], false);
    Report { access, ..report(images) }
}

fn inspect() -> Report {
    let image = of("gcr.io/kaniko-project/executor:v1.8.1", Outcome::Inspected);
    let attachment = AttachmentOutcome {
        subject: Digest::of(b"a"),
        digest: Digest::of(b"b"),
        kind: Kind::Signature,
        artifact_type: None,
        tag: Some("sha256-ca97.sig".to_owned()),
        result: Outcome::Inspected,
    };
    let image = ImageOutcome { target: None, attachments: vec![attachment], ..image };
    Report { command: Command::Inspect, ..report(vec![image]) }
}

fn dry_run() -> Report {
    let mut images: Vec<ImageOutcome> = (0..5).map(|number| image(number, Outcome::WouldCopy)).collect();
    images.extend((5..9).map(|number| image(number, Outcome::Unchanged)));
    Report { dry_run: true, ..report(images) }
}

fn of_one_registry() -> Report {
    let mut images: Vec<ImageOutcome> = (0..48).map(|number| image(number, Outcome::Unchanged)).collect();
    images.extend((0..12).map(|number| no_login(&format!("registry.example.com/base/image-{number}:1"))));
    report(images)
}

/// Names of 120 characters, in every part of a summary.
fn long_names() -> Report {
    let long = format!(
        "registry.example.com/{}/application:1.0.0",
        "a-department/of-the-company".repeat(3).replace("companya", "company/a")
    );
    let whole = "x".repeat(120 - "registry.example.com/:1".len());
    let mut images = vec![
        of(&long, Outcome::Copied),
        of(&format!("registry.example.com/{whole}:1"), Outcome::Copied),
        absent(&long.replace("1.0.0", "2.0.0")),
        refused(
            &long.replace("1.0.0", "3.0.0"),
            Cause::Connection { kind: ConnectionFailure::Timeout, detail: "deadline has elapsed".to_owned() },
        ),
        of(&long.replace("1.0.0", "4.0.0"), Outcome::Unchanged),
    ];
    images[0].target = Some(named(&format!("ghcr.io/acme/elsewhere/{}", "part-of-a-name/".repeat(5) + "app:1")));
    let mut access = access(&images, true);
    for check in access.checks.iter_mut().filter(|check| check.what == Checked::Visibility) {
        (check.status, check.to_do, check.wanted) = (Status::Drift, true, Some("public".to_owned()));
    }
    Report { access, ..report(images) }
}

/// By the name of its picture, each case.
fn cases() -> Vec<(&'static str, Report)> {
    let one = vec![of("docker.io/library/alpine:3.20", Outcome::Copied)];
    let unchanged: Vec<ImageOutcome> = (0..400).map(|number| image(number, Outcome::Unchanged)).collect();
    let five = vec![
        absent("docker.io/library/alpine:3.99"),
        no_login("registry.example.com/base/jdk:21"),
        of("registry.k8s.io/pause:3.10", Outcome::Copied),
        of("gcr.io/kaniko-project/executor:v1.8.1", Outcome::Copied),
        of("quay.io/team/app:1.0.0", Outcome::Unchanged),
    ];
    vec![
        ("1", Report { access: access(&one, false), ..report(one) }),
        ("5-with-2-failed", report(five)),
        ("60-with-3-failed", sixty()),
        ("60-with-12-of-one-cause", of_one_registry()),
        ("400-unchanged", Report { access: access(&unchanged, false), ..report(unchanged) }),
        ("dry-run", dry_run()),
        ("inspect", inspect()),
        ("access-with-drift", drift()),
        ("first-push", first_push()),
        ("1-failed", report(vec![absent("quay.io/team/app:9.9.9")])),
        ("names-of-120-characters", long_names()),
    ]
}

#[test]
fn every_case_has_a_summary_for_its_picture() {
    let directory = std::env::var_os("PICTURES").map(std::path::PathBuf::from);
    for (name, report) in cases() {
        let text = render(&report);
        assert!(text.starts_with("## ") && text.ends_with("</sub>\n"), "{name}: {text}");
        assert!(text.len() < 256 * 1024, "{name}: {} bytes", text.len());
        if let Some(directory) = &directory {
            std::fs::write(directory.join(format!("{name}.md")), text).unwrap();
        }
    }
}

#[test]
fn thousands_of_images_end_with_how_many_more_there_are() {
    let many = |result, number| (0..number).map(move |number| image(number, result));
    let mut images: Vec<ImageOutcome> = many(Outcome::Copied, 3000).collect();
    images.extend(many(Outcome::Unchanged, 3000));
    images.extend((0..3000).map(|number| absent(&format!("quay.io/team/app-{number}:9"))));
    let access = access(&images[..400], true);
    let text = render(&Report { access, ..report(images) });
    assert!(text.len() < 1 << 20, "{}", text.len());
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    for what in ["more images", "more failures", "more causes"] {
        assert!(text.contains(what), "{what}");
    }
}
