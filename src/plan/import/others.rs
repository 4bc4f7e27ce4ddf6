//! Lists that are close to ours: oc-mirror's additional images, ocync, rancher's image-mirror, kpromo.

use crate::plan::import::entry::{Entry, Imported, Newest, Rules, Settings, Tag};
use crate::plan::list::yaml::{Node, Value};
use crate::text::quote::quote;

fn texts(node: Option<&Node>) -> Vec<String> {
    match node {
        Some(Node { value: Value::List(items), .. }) => {
            items.iter().filter_map(Node::text).map(str::to_owned).collect()
        }
        Some(node) => node.text().map(str::to_owned).into_iter().collect(),
        None => Vec::new(),
    }
}

/// `mirror.additionalImages`; what is more than images is oc-mirror's own job.
pub fn oc_mirror(root: &Node, settings: &Settings<'_>, imported: &mut Imported) {
    imported.tool = "oc-mirror";
    let Some(mirror) = root.get("mirror") else { return };
    imported.leave_out_others(root.members(), &["kind", "apiVersion", "mirror"], "the configuration");
    for (key, _) in mirror.members() {
        let why = match &*key.text {
            "additionalImages" => continue,
            "helm" => "run `helm template … | mirror-image images -`",
            "blockedImages" => "here only what is listed is copied",
            "platform" | "operators" => "releases and operators are oc-mirror's own job",
            _ => "",
        };
        imported.leave_out(&format!("`{}`", quote(&key.text)), why);
    }
    for image in mirror.get("additionalImages").map(Node::items).unwrap_or_default() {
        let Some(name) = image.text_of("name") else { continue };
        let mut entry = Entry::of(name.trim_start_matches("docker://"));
        let (repository, tag) = (image.text_of("targetRepo"), image.text_of("targetTag"));
        if repository.is_some() || tag.is_some() {
            let repository = repository
                .map_or_else(|| "{registry}/{repository}".to_owned(), |path| path.trim_matches('/').to_owned());
            let tag = tag.map_or_else(String::new, |tag| format!(":{tag}"));
            entry.target = vec![format!("{}{repository}{tag}", settings.base())];
        }
        entry.platforms = texts(image.get("platforms"));
        imported.leave_out_others(
            image.members(),
            &["name", "targetRepo", "targetTag", "platforms"],
            "an additional image",
        );
        imported.entries.push(entry);
    }
}

/// `mappings` between `registries`: nearly one to one.
pub fn ocync(root: &Node, settings: &Settings<'_>, imported: &mut Imported) {
    imported.tool = "ocync";
    imported.leave_out_others(
        root.members(),
        &["version", "registries", "target_groups", "defaults", "mappings"],
        "the configuration",
    );
    let url = |name: &str| {
        let registry = root.get("registries").and_then(|registries| registries.get(name));
        registry.and_then(|registry| registry.text_of("url").or_else(|| registry.text())).unwrap_or(name).to_owned()
    };
    let defaults = root.get("defaults");
    for mapping in root.get("mappings").map(Node::items).unwrap_or_default() {
        let or_default = |key: &str| mapping.get(key).or_else(|| defaults.and_then(|defaults| defaults.get(key)));
        let Some(from) = mapping.text_of("from") else { continue };
        let to = mapping.text_of("to").unwrap_or(from);
        let source = or_default("source")
            .and_then(Node::text)
            .map_or_else(|| from.to_owned(), |name| format!("{}/{from}", url(name)));
        let mut entry = Entry::of(source);
        let names = texts(or_default("targets"));
        let names = names.iter().flat_map(|name| match root.get("target_groups").and_then(|groups| groups.get(name)) {
            Some(group) => texts(Some(group)),
            None => vec![name.clone()],
        });
        entry.target = names.map(|name| format!("{}/{to}", url(&name))).collect();
        if entry.target.is_empty() && mapping.get("to").is_some() {
            entry.target = vec![format!("{}{to}", settings.base())];
        }
        if let Some(tags) = or_default("tags") {
            let (globs, range) = (texts(tags.get("glob")), tags.text_of("semver").map(str::to_owned));
            let rules = |glob: Option<String>| Tag::Rules(Rules { glob, semver: range.clone(), ..Rules::default() });
            entry.tags = match (globs.as_slice(), &range) {
                ([], Some(_)) => vec![rules(None)],
                (globs, Some(_)) => globs.iter().map(|glob| rules(Some(glob.clone()))).collect(),
                (globs, None) => globs.iter().cloned().map(Tag::Text).collect(),
            };
            entry.tags.extend(texts(tags.get("include")).into_iter().map(Tag::Text));
            entry.exclude = texts(tags.get("exclude"));
            entry.newest = tags
                .text_of("latest")
                .and_then(|count| count.parse().ok())
                .map(|count| Newest { count, across_variants: true });
            imported.leave_out_others(
                tags.members(),
                &["glob", "semver", "exclude", "include", "latest", "sort"],
                "`tags`",
            );
        }
        if entry.tags.is_empty() {
            entry.tags.push(Tag::Text("*".to_owned()));
        }
        entry.platforms = texts(or_default("platforms"));
        imported.leave_out_others(
            mapping.members(),
            &["from", "to", "source", "targets", "tags", "platforms"],
            "a mapping",
        );
        imported.entries.push(entry);
    }
}

/// `Artifacts`, each with its tags, for several repositories.
pub fn rancher(root: &Node, imported: &mut Imported) {
    imported.tool = "rancher's image-mirror";
    imported.leave_out_others(root.members(), &["Artifacts", "Repositories"], "the configuration");
    for (number, repository) in root.get("Repositories").map(Node::items).unwrap_or_default().iter().enumerate() {
        if let Some(host) = repository.text_of("Registry").filter(|_| number < 100) {
            imported.login(host, None, None);
        }
    }
    for artifact in root.get("Artifacts").map(Node::items).unwrap_or_default() {
        let Some(source) = artifact.text_of("SourceArtifact") else { continue };
        let left_out = artifact.get("DoNotMirror");
        if left_out.and_then(Node::text) == Some("true") {
            imported.leave_out(&format!("`{}`", quote(source)), "`DoNotMirror` is true");
            continue;
        }
        let unwanted = texts(left_out);
        let mut entry = Entry::of(source);
        entry.tags =
            texts(artifact.get("Tags")).into_iter().filter(|tag| !unwanted.contains(tag)).map(Tag::Text).collect();
        let base = source.rsplit('/').next().unwrap_or(source);
        let name = artifact.text_of("TargetArtifactName").map_or_else(|| base.to_owned(), str::to_owned);
        entry.target =
            texts(artifact.get("TargetRepositories")).iter().map(|repository| format!("{repository}/{name}")).collect();
        let known = ["SourceArtifact", "Tags", "TargetArtifactName", "TargetRepositories", "DoNotMirror"];
        imported.leave_out_others(artifact.members(), &known, "an artifact");
        if entry.tags.is_empty() {
            imported.leave_out(&format!("`{}`", quote(source)), "no tag of it is left");
            continue;
        }
        imported.entries.push(entry);
    }
}

/// `images[].dmap`: digests with their tags.
pub fn kpromo(root: &Node, imported: &mut Imported) {
    imported.tool = "kpromo";
    imported.leave_out_others(root.members(), &["registries", "images"], "the manifest");
    let registries = root.get("registries").map(Node::items).unwrap_or_default();
    let is_source = |registry: &&Node| registry.text_of("src") == Some("true");
    let source = registries.iter().find(is_source).and_then(|registry| registry.text_of("name"));
    let targets: Vec<&str> = registries
        .iter()
        .filter(|registry| !is_source(registry))
        .filter_map(|registry| registry.text_of("name"))
        .collect();
    if registries.is_empty() {
        imported
            .comments
            .push("The registries are in another file: give them by the names, and by `target`".to_owned());
    }
    for image in root.get("images").map(Node::items).unwrap_or_default() {
        let Some(name) = image.text_of("name") else { continue };
        let mut entry = Entry::of(source.map_or_else(|| name.to_owned(), |source| format!("{source}/{name}")));
        entry.target = targets.iter().map(|target| format!("{target}/{name}")).collect();
        for (digest, tags) in image.get("dmap").map(Node::members).unwrap_or_default() {
            let tags = texts(Some(tags));
            if tags.is_empty() {
                let alone =
                    Entry { target: entry.target.clone(), ..Entry::of(format!("{}@{}", entry.source, digest.text)) };
                imported.entries.push(alone);
            }
            entry.tags.extend(tags.iter().map(|tag| Tag::Text(format!("{tag}@{}", digest.text))));
        }
        if !entry.tags.is_empty() {
            imported.entries.push(entry);
        }
    }
}
