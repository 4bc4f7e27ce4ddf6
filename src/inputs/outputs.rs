//! The one table of outputs: `action.yml` and `docs/inputs.md` come from it.

/// One output.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// The name in `GITHUB_OUTPUT`.
    pub name: &'static str,
    /// One line for the help, `action.yml` and `docs/inputs.md`.
    pub help: &'static str,
}

/// Every output.
pub const OUTPUTS: &[Output] = &[
    Output { name: "digest", help: "The digest at the target; for `inspect`, the source's digest." },
    Output { name: "image", help: "`repository:tag@digest` of the target; for `inspect`, of the source." },
    Output { name: "images", help: "The same for every image, one a line." },
    Output { name: "changed", help: "`true` when anything was written or deleted, otherwise `false`." },
    Output {
        name: "json",
        help: "The whole report: source, target, digest, platforms with their digests, result, requests, bytes and error of each image; totals.",
    },
    Output {
        name: "plan",
        help: "With `dry-run` over a list: what would be added and moved, and why, as Markdown of at most 60 KiB.",
    },
    Output {
        name: "matrix",
        help: "With `dry-run` over a list: `{\"include\":[{\"shard\":\"1/4\"},…]}` for `strategy.matrix`, as many parts as the work is worth.",
    },
    Output {
        name: "prune",
        help: "With `prune`: how many tags its plan has, or were deleted. `json` has each of them below `prune`.",
    },
    Output { name: "next", help: "The images that were `deferred`, `SOURCE => TARGET` a line." },
    Output {
        name: "reply",
        help: "With `request`: the path, below the workspace, of the file with the answer, Markdown of at most 60 KiB.",
    },
    Output {
        name: "reply-state",
        help: "With `request`: `mirrored`, `partly`, `failed`, or `declined` where nothing was contacted.",
    },
    Output { name: "reply-title", help: "With `request`: what was asked for, in a few words." },
    Output { name: "mapping", help: "JSON list of `{source, target, digest, tags, platforms}`." },
    Output {
        name: "access",
        help: "JSON list of access checks: `{subject, check, status, wanted, found, sentence, link, read_at}`.",
    },
];
