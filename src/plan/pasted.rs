//! Images as people paste them: a line of a Dockerfile, a command, an address of a web page, a list in Chinese punctuation.
//!
//! Owns what such text is read as, wherever it has one meaning; whoever asked is told what it was read as. Never guesses:
//! text with two meanings gets a sentence. Never used for the lines of files, which programs write and others review.

use crate::oci::platform::Platform;
use crate::oci::reference::ImageReference;
use crate::text::blank::trimmed;
use crate::text::quote::quote;

mod run;
#[cfg(test)]
mod tests;
mod visible;

/// What one line, or a part of it between commas, was read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pasted {
    /// The image.
    pub image: ImageReference,
    /// The platform that was written beside it.
    pub platform: Option<Platform>,
    /// Whether it was written otherwise than as a reference.
    pub is_rewritten: bool,
}

impl Pasted {
    /// What is said of it. What was pasted is not repeated: a command may have had a password in it.
    pub fn notice(&self) -> Option<String> {
        let platform = self.platform.as_ref().map_or_else(String::new, |platform| format!(", for {platform} alone"));
        self.is_rewritten.then(|| format!("is read as `{}`{platform}", self.image))
    }
}

/// One image of a request in free text, or why a line of it is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The number of the line, from 1.
    pub number: usize,
    /// What was read, or a sentence about the line.
    pub read: Result<Pasted, String>,
}

/// The words that name an image's place in a list or a form.
const KEYS: [&str; 4] = ["image", "images", "source", "container"];

/// Hosts whose addresses are the names of images, with or without a scheme.
const REGISTRIES: [&str; 12] = [
    "docker.io",
    "registry-1.docker.io",
    "ghcr.io",
    "gcr.io",
    "registry.k8s.io",
    "k8s.gcr.io",
    "quay.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "nvcr.io",
    "docker.elastic.co",
    "registry.gitlab.com",
];

/// Programs whose command lines may name images, and other things that look so: of these only a pull is read.
const TOOLS: [&str; 13] = [
    "docker", "podman", "nerdctl", "crictl", "ctr", "skopeo", "crane", "regctl", "oras", "helm", "kubectl", "buildah",
    "cosign",
];

/// The most names of a document whose lines are looked for.
const MOST_PLACED: usize = 1_000;

/// Schemes that other programs put before a name.
const SCHEMES: [&str; 3] = ["docker://", "oci://", "docker-image://"];

/// `text` with the characters that a registry's names have: full-width forms, other blanks and typographic quotes become
/// plain ones, what is invisible goes.
pub fn plain(text: &str) -> String {
    let mut characters = text.chars().peekable();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = characters.next() {
        plain.extend(match c {
            // Typed in the place of a dot where a name goes on; elsewhere it ends a sentence.
            '。' if characters.peek().is_some_and(char::is_ascii_alphanumeric) => Some('.'),
            '。' => Some(' '),
            other => plain_character(other),
        });
    }
    plain
}

fn plain_character(c: char) -> Option<char> {
    match c {
        '\u{3000}' | '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => Some(' '),
        '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\0' => None,
        '、' => Some(','),
        '“' | '”' | '„' | '「' | '」' | '『' | '』' | '«' | '»' => Some('"'),
        '‘' | '’' => Some('\''),
        '‐' | '‑' | '–' => Some('-'),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        other => Some(other),
    }
}

/// Reads one line, or a part of it between commas. What is a reference as it stands is that reference.
///
/// Fails with one sentence: that of the reference, or of what is never guessed.
pub fn image(text: &str) -> Result<Pasted, String> {
    let bare = trimmed(text);
    // A directory may have any name.
    if bare.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("oci:")) && !bare[4..].starts_with("//") {
        return ImageReference::parse(bare).map(|image| Pasted { image, platform: None, is_rewritten: false });
    }
    let plain = plain(bare);
    let (name, platform) = unwrapped(&plain)?;
    refuse_other_meanings(&name)?;
    let image = ImageReference::parse(&name)?;
    Ok(Pasted { image, is_rewritten: name != bare || platform.is_some(), platform })
}

/// Whether `text`, which is no image, is several that are separated as nothing here is.
pub fn is_several(text: &str) -> bool {
    let text = plain(text);
    let words: Vec<&str> = text.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty()).collect();
    let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    // `nginx 1.27` is one, written with a space.
    let is_one = !text.contains([',', ';']) && words.iter().skip(1).all(is_version);
    !is_one && words.len() > 1 && words.iter().all(|word| is_version(word) || image(word).is_ok())
}

/// The name in `text`, and the platform beside it. What is a name already stays: its tag may end with a dot.
fn unwrapped(text: &str) -> Result<(String, Option<Platform>), String> {
    if ImageReference::parse(text).is_ok() {
        return Ok((address(text), None));
    }
    let line = unmarked(text);
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, platform) = named(&words).unwrap_or((line, None));
    let (name, beside) = match name.split_once('|') {
        Some((name, platform)) if is_a_platform(platform.trim()) => (name, Some(platform.trim())),
        _ => (name, None),
    };
    // What a Dockerfile leaves open is anything.
    let platform = platform.or(beside).filter(|platform| !platform.starts_with('$'));
    Ok((address(unmarked(name)), platform.map(Platform::parse).transpose()?))
}

/// What could be read as an image and most likely is meant otherwise.
fn refuse_other_meanings(name: &str) -> Result<(), String> {
    if is_platform(name) {
        return Err(format!(
            "`{}` is a platform, not an image; name the image, and the platform by `platforms`",
            quote(name)
        ));
    }
    let has_letters = name.contains(|c: char| c.is_ascii_alphanumeric()) && !name.contains(char::is_whitespace);
    if let Some(letter) = name.chars().find(|c| looks_alike(*c)).filter(|_| has_letters) {
        let number = u32::from(letter);
        return Err(format!(
            "`{}` has `{letter}` (U+{number:04X}), which no name has, however alike it looks; type the name anew",
            quote(name)
        ));
    }
    let address = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    if address.starts_with("hub.docker.com/") || address.starts_with("www.hub.docker.com/") {
        return Err(format!(
            "`{}` is an address of Docker Hub's web site, which holds no images; write `docker.io/NAMESPACE/NAME`",
            quote(name)
        ));
    }
    match name.split_once('$') {
        Some((image, renamed)) if !renamed.starts_with(['{', '(']) && ImageReference::parse(image).is_ok() => {
            Err(format!(
                "`{}` has a `$`, by which another project renames images; write `{}`, and where it goes by `target`",
                quote(name),
                quote(image.trim())
            ))
        }
        _ => Ok(()),
    }
}

/// Whether `c` may be taken for a letter, a digit or a mark of a name, and is another. The scripts that stand beside a name
/// without a blank, and the numbers of lists, look like nothing that a name has.
fn looks_alike(c: char) -> bool {
    let is_apart = matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ffdc}' | '\u{20000}'..='\u{3ffff}'
        | '\u{2460}'..='\u{249b}' | '\u{24ea}'..='\u{24ff}' | '\u{2776}'..='\u{2793}');
    !c.is_ascii() && !is_apart && (c.is_alphanumeric() || matches!(c, '\u{300}'..='\u{36f}' | '․' | '⁄' | '∕' | '∶'))
}

/// Reads free text: an image a line, or several where each has a host; headings, comments and fences are no lines. Behind `most`
/// images and sentences only what is said of all of them is read.
pub fn request(text: &str, most: usize) -> Vec<Asked> {
    let lines: Vec<String> = visible::visible(text).lines().map(|line| plain(unnumbered(line))).collect();
    let text = lines.join("\n");
    if let Some(listed) = document(&text) {
        return listed;
    }
    let (mut asked, mut platform, mut about_platform) = (Vec::new(), None, false);
    // Whoever fills in a form counts from its field's first line: the form puts a heading, a blank and a fence before it.
    let (mut number, mut is_before) = (0, false);
    for line in text.lines().map(str::trim) {
        if let Some(heading) = line.strip_prefix("###") {
            let heading = heading.trim().to_lowercase();
            about_platform = heading.starts_with("platform") || heading.starts_with("平台");
            (number, is_before) = (0, true);
            continue;
        }
        if is_before && (line.is_empty() || line.starts_with("```")) {
            is_before = line.is_empty();
            continue;
        }
        is_before = false;
        number += 1;
        // No image is in a line without a letter or a digit that its name could have, nor in one that only opens a list.
        let is_nothing = !line.contains(|c: char| c.is_ascii_alphanumeric()) || line.ends_with(['[', '{']);
        if is_nothing
            || line.starts_with('#')
            || line.starts_with("```") && !line[3..].contains("```")
            || line == "_No response_"
        {
            continue;
        }
        if about_platform {
            let word = unmarked(line);
            if is_a_platform(word) {
                platform = Platform::parse(word).ok();
            }
            continue;
        }
        if let Some(word) = platform_line(line) {
            platform = Platform::parse(word).ok();
            continue;
        }
        if asked.len() < most {
            asked.extend(items(line).map(|read| Asked { number, read }));
        }
    }
    for one in asked.iter_mut().filter_map(|asked| asked.read.as_mut().ok()) {
        one.platform = one.platform.take().or_else(|| platform.clone());
    }
    asked
}

/// The platform of a line that names one, and is for all images: `platform: linux/arm64`.
fn platform_line(line: &str) -> Option<&str> {
    let (key, word) = unmarked(line).split_once(':')?;
    let (key, word) = (key.trim().to_lowercase(), unmarked(word));
    (matches!(&*key, "platform" | "platforms" | "平台" | "架构") && is_a_platform(word)).then_some(word)
}

/// The images of one line of free text.
fn items(line: &str) -> impl Iterator<Item = Result<Pasted, String>> {
    // The remark behind it.
    let line = line.split_once(" #").map_or(line, |(line, _)| line.trim_end());
    let whole = checked(line);
    let first = unmarked(line).split_whitespace().next().unwrap_or_default().to_lowercase();
    if whole.is_ok() {
        return vec![whole].into_iter();
    }
    if let Some(arrow) = ["=>", "->"].iter().find(|arrow| line.contains(**arrow)) {
        let problem = format!("has `{arrow}`: where an image goes is not a request's to say; write the image alone");
        return vec![Err(problem)].into_iter();
    }
    let parts = line.split([',', ';']).flat_map(|part| part.split("&&")).map(str::trim);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let apart: Vec<_> = parts.iter().map(|part| checked(part)).collect();
    if parts.len() > 1 && apart.iter().all(Result::is_ok) {
        return apart.into_iter();
    }
    if TOOLS.contains(&&*first) {
        return vec![whole].into_iter();
    }
    // In a sentence only a name with a host is one for sure. No name has a letter of another script, and none ends so; what
    // looks like one of its own is not cut off: what is left would be another name.
    let sure: Vec<_> = line
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';') || !c.is_ascii() && !looks_alike(c))
        .map(|word| word.trim_start_matches([':', '(']).trim_end_matches(['.', ':', '!', '?', ')']))
        .filter(|word| has_host(unmarked(word)) || unmarked(word).contains("://"))
        .map(checked)
        .collect();
    if sure.is_empty() { vec![whole].into_iter() } else { sure.into_iter() }
}

/// One image of a request: a stranger names no directory of the machine that the run is on.
fn checked(text: &str) -> Result<Pasted, String> {
    let read = image(text)?;
    match read.image {
        ImageReference::Registry(_) => Ok(read),
        ImageReference::Layout(_) => {
            Err(format!("`{}` is a directory, and a request names images of registries", quote(text)))
        }
    }
}

/// Whether `name` begins with a registry's host.
fn has_host(name: &str) -> bool {
    name.split_once('/').is_some_and(|(host, rest)| {
        let is_name = host.contains('.') && !host.starts_with('.') && !host.ends_with('.');
        // `24.04/22.04` is something else.
        !rest.is_empty() && is_name && host.contains(|c: char| c.is_ascii_alphabetic() || c == ':')
    })
}

/// Whether `text` is a platform's whole name.
fn is_a_platform(text: &str) -> bool {
    Platform::parse(text).is_ok()
}

/// A platform where an image should stand: a name that could be an image's too, and is never meant so.
fn is_platform(word: &str) -> bool {
    matches!(word, "amd64" | "arm64" | "arm" | "x86_64" | "aarch64" | "armv7" | "armv8" | "386" | "s390x" | "ppc64le")
        || ["linux/", "windows/", "darwin/"].iter().any(|os| word.starts_with(os) && is_a_platform(word))
}

/// `line` without its number in a list as it is written in Chinese: `1、`, `二、`, `（3）`.
fn unnumbered(line: &str) -> &str {
    let is_numeral = |c: char| c.is_ascii_digit() || "一二三四五六七八九十".contains(c);
    let text = trimmed(line);
    let (open, text) = text.strip_prefix(['（', '(']).map_or((false, text), |rest| (true, rest));
    let rest = text.trim_start_matches(is_numeral);
    let end: &[char] = if open { &['）', ')'] } else { &['、'] };
    rest.strip_prefix(end).filter(|_| rest.len() < text.len()).map_or(line, str::trim_start)
}

/// `text` without the marks of lists, quotations and code around it.
fn unmarked(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let before = text;
        for mark in ["- [ ] ", "- [x] ", "- [X] ", "- ", "* ", "+ ", "• ", "· ", "> ", "$ ", "sudo "] {
            text = text.strip_prefix(mark).unwrap_or(text).trim_start();
        }
        let number = text.trim_start_matches(|c: char| c.is_ascii_digit());
        if number.len() < text.len() && (number.starts_with(". ") || number.starts_with(") ")) {
            text = number[2..].trim_start();
        }
        if text.get(..8).is_some_and(|mark| mark.eq_ignore_ascii_case("[porter]")) {
            text = text[8..].trim_start();
        }
        text = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
        text = text.trim_matches(['"', '\'', '`', '*']).trim_end_matches([',', ';', '.']).trim();
        // A remark: no name has a parenthesis.
        if let Some((name, _)) = text.strip_suffix(')').and_then(|text| text.split_once('('))
            && name.ends_with(|c: char| c == ' ' || c.is_ascii_alphanumeric())
        {
            text = name.trim_end();
        }
        if text == before {
            return text;
        }
    }
}

/// The image and the platform in words that are more than a name: a command, an instruction, a key and its value.
fn named<'a>(words: &[&'a str]) -> Option<(&'a str, Option<&'a str>)> {
    let [first, rest @ ..] = words else { return None };
    let lower = first.to_lowercase();
    match (lower.as_str(), rest) {
        ("docker" | "podman" | "nerdctl" | "crictl", ["pull", rest @ ..] | ["image", "pull", rest @ ..])
        | (
            "ctr",
            ["image" | "images" | "i", "pull", rest @ ..]
            | ["-n" | "--namespace", _, "image" | "images" | "i", "pull", rest @ ..],
        ) => one_of(rest),
        (
            "docker" | "podman" | "nerdctl",
            ["run" | "create", rest @ ..] | ["container", "run" | "create", rest @ ..],
        ) => run::image(rest),
        ("from", [name]) => Some((name, None)),
        ("from", [name, word, _]) if word.eq_ignore_ascii_case("as") => Some((name, None)),
        ("from", [option, name]) => Some((name, Some(option.strip_prefix("--platform=")?))),
        ("from", [option, name, word, _]) if word.eq_ignore_ascii_case("as") => {
            Some((name, Some(option.strip_prefix("--platform=")?)))
        }
        (_, [_, ..]) if lower.starts_with("--platform") => one_of(words),
        (_, [option]) if option.starts_with("--platform=") => one_of(words),
        (_, [_, _]) if rest[0] == "--platform" => one_of(words),
        (_, ["=" | ":", name]) if is_key(&lower) => Some((name, None)),
        (_, [name]) if lower.strip_suffix([':', '=']).is_some_and(is_key) => Some((name, None)),
        (_, [name]) if lower.ends_with(':') && SCHEMES.iter().any(|scheme| name.starts_with(scheme)) => {
            Some((name, None))
        }
        (_, [platform]) if platform.contains('/') && is_platform(platform) => Some((first, Some(platform))),
        // `image:nginx:1.27`; `image:1.27` is an image of that name.
        (_, []) => {
            let (key, name) = first.split_once(':')?;
            (is_key(&key.to_lowercase()) && (name.contains(['/', ':']) || !key.is_ascii())).then_some((name, None))
        }
        _ => None,
    }
}

fn is_key(word: &str) -> bool {
    KEYS.contains(&word.trim_matches(['"', '\'', '`', '*', '-', ' '])) || word.contains("镜像")
}

/// The one name among options, and the platform that they name.
fn one_of<'a>(words: &[&'a str]) -> Option<(&'a str, Option<&'a str>)> {
    let (mut name, mut platform, mut words) = (None, None, words.iter());
    while let Some(word) = words.next() {
        match word.strip_prefix("--platform") {
            Some("") => platform = Some(*words.next()?),
            Some(value) => platform = Some(value.strip_prefix('=')?),
            None if word.starts_with('-') => {}
            None if name.is_none() => name = Some(*word),
            None => return None,
        }
    }
    Some((name?, platform))
}

/// The reference that an address of a web page, or a name with a scheme, stands for; else `text`.
fn address(text: &str) -> String {
    if let Some(rest) = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        return hub(rest);
    }
    let bare = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let is_address = bare.len() < text.len();
    let (path, query) = bare.split_once(['?', '#']).unwrap_or((bare, ""));
    let path = path.trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').collect();
    if let Some(found) = page(&parts, query) {
        return found;
    }
    let known = parts.len() > 1
        && (REGISTRIES.contains(&parts[0]) || parts[0].ends_with(".pkg.dev") || parts[0].ends_with(".gcr.io"));
    if is_address && known { hub(path) } else { hub(text) }
}

/// Docker Hub's other name: as a registry it is the same one.
fn hub(name: &str) -> String {
    name.strip_prefix("registry.hub.docker.com/").map_or_else(|| name.to_owned(), |rest| format!("docker.io/{rest}"))
}

/// The image of which a web page tells.
fn page(parts: &[&str], query: &str) -> Option<String> {
    let tag = query.split('&').find_map(|pair| pair.strip_prefix("tag=")).filter(|tag| !tag.is_empty());
    let tagged = |name: String, tag: Option<&str>| match tag {
        Some(tag) => format!("{name}:{tag}"),
        None => name,
    };
    match parts {
        ["hub.docker.com" | "www.hub.docker.com" | "registry.hub.docker.com", "_", name, ..] => {
            Some(tagged(format!("docker.io/library/{name}"), tag))
        }
        ["hub.docker.com" | "www.hub.docker.com" | "registry.hub.docker.com", "r" | "u", namespace, name, ..]
        | ["hub.docker.com", "repository", "docker", namespace, name, ..] => {
            Some(tagged(format!("docker.io/{namespace}/{name}"), tag))
        }
        ["hub.docker.com", "layers", namespace, name, tag, ..] => Some(format!("docker.io/{namespace}/{name}:{tag}")),
        ["quay.io", "repository", namespace, name, ..] => Some(tagged(format!("quay.io/{namespace}/{name}"), tag)),
        ["github.com", "orgs" | "users", owner, "packages", "container", "package", name]
        | ["github.com", owner, _, "pkgs", "container", name, ..] => {
            let name = name.replace("%2F", "/").replace("%2f", "/");
            Some(tagged(format!("ghcr.io/{}/{name}", owner.to_lowercase()), tag))
        }
        ["gallery.ecr.aws", alias, name @ ..] if !name.is_empty() => {
            Some(format!("public.ecr.aws/{alias}/{}", name.join("/")))
        }
        ["mcr.microsoft.com", _, "artifact" | "product", "mar", name @ ..] if !name.is_empty() => {
            let name: Vec<&str> = name.iter().copied().take_while(|part| !matches!(*part, "about" | "tags")).collect();
            Some(format!("mcr.microsoft.com/{}", name.join("/")))
        }
        ["console.cloud.google.com", "gcr", "images", project, _, name @ ..] if !name.is_empty() => {
            Some(format!("gcr.io/{project}/{}", name.join("/")))
        }
        _ => None,
    }
}

/// The images of a JSON document, with or without commas too many: every text in a list, and that of a key for images.
pub fn document(text: &str) -> Option<Vec<Asked>> {
    let fenced = text.trim().trim_start_matches("```json").trim_matches('`').trim();
    if !fenced.starts_with(['{', '[']) {
        return None;
    }
    let mut strict = String::with_capacity(fenced.len());
    let mut in_text = false;
    for c in fenced.chars() {
        if matches!(c, ']' | '}') && !in_text {
            strict.truncate(strict.trim_end().trim_end_matches(',').len());
        }
        in_text ^= c == '"' && !strict.ends_with('\\');
        strict.push(c);
    }
    let value: serde_json::Value = serde_json::from_str(&strict).ok()?;
    let (mut names, mut platform) = (Vec::new(), None);
    collect(&value, false, &mut names, &mut platform);
    // One that is none is not left out: a larger image than was asked for would come.
    let platform = platform.as_deref().map(Platform::parse).transpose();
    let ask = |(index, name): (usize, &String)| {
        let read = checked(name).and_then(|read| {
            let platform = read.platform.map_or_else(|| platform.clone(), |own| Ok(Some(own)))?;
            Ok(Pasted { platform, ..read })
        });
        let looked_at = if index < MOST_PLACED { text } else { "" };
        Asked { number: looked_at.lines().position(|line| line.contains(name)).map_or(1, |index| index + 1), read }
    };
    Some(names.iter().enumerate().map(ask).collect())
}

fn collect(value: &serde_json::Value, is_list: bool, names: &mut Vec<String>, platform: &mut Option<String>) {
    use serde_json::Value;
    match value {
        Value::String(text) if is_list => names.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, true, names, platform)),
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "platform" => {
                        *platform = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
                    }
                    Value::String(text) if is_key(key) => names.push(text.clone()),
                    Value::String(_) => {}
                    nested => collect(nested, false, names, platform),
                }
            }
        }
        _ => {}
    }
}
