//! The gate that everything passes on its way out: text without the secrets that the run knows.
//!
//! Owns the list of a run's secrets and the search for them: as they are, in any case (a host's name is lower case), escaped
//! as addresses, JSON, Markdown and HTML are, in base64 at any offset and in hexadecimal, and the beginning of one where a
//! text was cut. Never takes out what the run was openly given, such as the name of an image: who chooses a token must not
//! choose what a report leaves out.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::secret::{HIDDEN, SHORTEST, Secret};

/// Bytes of a secret by which it is found.
const HEAD: usize = 4;

/// The shortest secret that is searched for in other encodings: those of a shorter one are part of too many words.
const ENCODED: usize = 8;

/// Bytes of a secret that are searched for in other encodings; what follows goes with them.
const MOST_ENCODED: usize = 48;

/// The shortest secret that is taken out of names: none has so many characters in common with a password by chance.
const IN_NAMES: usize = 16;

/// How often what was escaped may have been escaped again.
const LEVELS: usize = 3;

/// What marks that a text was cut.
const CUT: &[u8] = "…".as_bytes();

/// The secrets of a run. Clones share them.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    forms: HashMap<[u8; HEAD], Vec<Form>>,
    /// What is no secret, whatever else it may be; folded. A list names one repository thousands of times.
    open: BTreeSet<Vec<u8>>,
}

/// One way in which a secret may be written.
struct Form {
    /// Folded.
    bytes: SecretSlice<u8>,
    /// Whether it is the beginning or the middle of a word that goes with it.
    encoded: bool,
    /// Bytes of the secret itself.
    length: usize,
}

impl Redactor {
    /// One more secret: the whole of it, and each of its lines.
    pub fn add(&self, secret: &Secret) {
        let Ok(mut known) = self.0.write() else { return };
        let whole = secret.expose();
        for text in std::iter::once(whole).chain(whole.lines().filter(|line| line.len() < whole.len())) {
            known.add(text.trim());
        }
    }

    /// These names are no secrets.
    pub fn open(&self, names: impl IntoIterator<Item = String>) {
        let Ok(mut known) = self.0.write() else { return };
        let Known { forms, open } = &mut *known;
        for name in names {
            let name = fold(name.as_bytes());
            if !open.contains(&name) {
                for forms in forms.values_mut() {
                    forms.retain(|form| !holds(&name, form.bytes.expose_secret()));
                }
                open.insert(name);
            }
        }
    }

    /// `text` for people.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.without(text, SHORTEST)
    }

    /// The same for a value that programs read: a name, or JSON, of which the members' names stay.
    pub fn hide_value<'a>(&self, value: &'a str) -> Cow<'a, str> {
        if !value.starts_with(['{', '[']) {
            return self.without(value, IN_NAMES);
        }
        let mut written = String::with_capacity(value.len());
        let mut rest = value;
        while let Some(start) = rest.find('"') {
            let (before, from) = rest.split_at(start + 1);
            let (text, after) = from.split_at(end_of_string(from));
            let is_name = after.get(1..).is_some_and(|after| after.trim_start().starts_with(':'));
            written.push_str(before);
            written.push_str(&if is_name { Cow::Borrowed(text) } else { self.hide(text) });
            let (quote, after) = after.split_at(after.len().min(1));
            written.push_str(quote);
            rest = after;
        }
        written.push_str(rest);
        Cow::Owned(written)
    }

    fn without<'a>(&self, text: &'a str, shortest: usize) -> Cow<'a, str> {
        let Ok(known) = self.0.read() else { return Cow::Borrowed(HIDDEN) };
        if known.forms.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut found = Vec::new();
        for view in levels(text) {
            known.find(&view, shortest, &mut found);
        }
        replaced(text, found)
    }
}

impl Secret {
    /// `text` with this value taken out, in whatever form a server or a sentence repeats it.
    pub fn hide(&self, text: &str) -> String {
        let redactor = Redactor::default();
        redactor.add(self);
        redactor.hide(text).into_owned()
    }
}

impl Known {
    fn add(&mut self, text: &str) {
        if text.chars().count() < SHORTEST {
            return;
        }
        let plain = fold(text.as_bytes());
        if self.open.iter().any(|name| holds(name, &plain)) {
            return;
        }
        let length = text.len();
        let mut forms = Vec::new();
        // What looks like an escape in the secret itself is undone with those that a text has around it.
        for view in levels(text) {
            // As a form has it, once its escapes are undone.
            let spaced: Vec<u8> = view.bytes.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }).collect();
            forms.extend([(view.bytes, false), (spaced, false)]);
        }
        forms.retain(|(form, _)| form.len() >= SHORTEST && !self.open.iter().any(|name| holds(name, form)));
        if length >= ENCODED {
            let start = text.as_bytes().get(..length.min(MOST_ENCODED)).unwrap_or_default();
            let digits = start.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
            forms.push((digits.collect::<String>().into_bytes(), true));
            for offset in 0..3 {
                let shifted = [&[0; 2][..offset], start].concat();
                // Characters that depend on nothing but the secret.
                let own = (offset * 8).div_ceil(6)..shifted.len() * 8 / 6;
                for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
                    forms.push((fold(encoded.get(own.clone()).unwrap_or_default().as_bytes()), true));
                }
            }
        }
        for (bytes, encoded) in forms {
            let Some(head) = bytes.first_chunk::<HEAD>().copied() else { continue };
            let known = self.forms.entry(head).or_default();
            if !known.iter().any(|form| form.bytes.expose_secret() == bytes) {
                let length = if encoded { length } else { bytes.len() };
                known.push(Form { bytes: bytes.into(), encoded, length });
            }
        }
    }

    /// Where in the original text of `view` something is that must not be seen.
    fn find(&self, view: &View, shortest: usize, found: &mut Vec<Range<usize>>) {
        for (at, head) in view.bytes.windows(HEAD).enumerate() {
            let Some(forms) = <&[u8; HEAD]>::try_from(head).ok().and_then(|head| self.forms.get(head)) else {
                continue;
            };
            let rest = view.bytes.get(at..).unwrap_or_default();
            for form in forms.iter().filter(|form| form.length >= shortest) {
                let bytes = form.bytes.expose_secret();
                let common = rest.iter().zip(bytes).take_while(|(here, there)| here == there).count();
                if common == bytes.len() || rest.get(common..).is_some_and(|rest| rest.starts_with(CUT)) {
                    let range = if form.encoded { view.word(at..at + common) } else { at..at + common };
                    found.push(view.original(&range));
                }
            }
        }
    }
}

/// A text with some of its escapes undone, and where in the text each byte of it came from.
struct View {
    /// Folded.
    bytes: Vec<u8>,
    /// In their order. What is between two of them stands in the text as it does here: to note the place of each byte would take
    /// sixteen times as much.
    undone: Vec<Undone>,
}

/// An escape that was undone.
struct Undone {
    /// Where what it stands for is.
    here: Range<usize>,
    /// Where it is in the text.
    there: Range<usize>,
}

/// `text`, and what it is with one level of escapes undone after the other.
fn levels(text: &str) -> impl Iterator<Item = View> {
    std::iter::successors(Some(View::of(text)), View::decoded).take(LEVELS + 1)
}

impl View {
    fn of(text: &str) -> Self {
        Self { bytes: fold(text.as_bytes()), undone: Vec::new() }
    }

    fn place(&self, at: usize) -> Range<usize> {
        let before = self.undone.partition_point(|undone| undone.here.start <= at);
        match before.checked_sub(1).and_then(|last| self.undone.get(last)) {
            Some(undone) if undone.here.contains(&at) => undone.there.clone(),
            last => after(last, at),
        }
    }

    fn original(&self, range: &Range<usize>) -> Range<usize> {
        self.place(range.start).start..self.place(range.end.saturating_sub(1)).end
    }

    /// `range` with the characters around it that an encoding writes.
    fn word(&self, range: Range<usize>) -> Range<usize> {
        let is_of_it = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
        let before = self.bytes.iter().take(range.start).rev().take_while(is_of_it).count();
        let after = self.bytes.iter().skip(range.end).take_while(is_of_it).count();
        range.start - before..range.end + after
    }

    /// The same with one level of escapes undone; none where there is none.
    fn decoded(&self) -> Option<Self> {
        if !self.bytes.iter().any(|byte| matches!(byte, b'%' | b'\\' | b'&')) {
            return None;
        }
        let (mut bytes, mut undone) = (Vec::with_capacity(self.bytes.len()), Vec::new());
        let (mut at, mut any) = (0, false);
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (character, length) = unescaped(rest).unwrap_or_else(|| (rest.first().copied().map(char::from), 1));
            any |= length > 1;
            let there = self.place(at).start..self.place(at + length - 1).end;
            let start = bytes.len();
            match (length, character) {
                // A byte of whatever character.
                (1, _) => bytes.extend(rest.first()),
                (_, Some(character)) if character.is_ascii() || rest.first() == Some(&b'%') => {
                    bytes.push(fold_byte(u8::try_from(u32::from(character)).unwrap_or_default()));
                }
                (_, character) => bytes.extend(character.into_iter().collect::<String>().bytes()),
            }
            if length > 1 || there != after(undone.last(), start) {
                undone.push(Undone { here: start..bytes.len(), there });
            }
            at += length;
        }
        any.then_some(Self { bytes, undone })
    }
}

/// Where in a text a byte is, `last` being the last escape before it that was undone.
fn after(last: Option<&Undone>, at: usize) -> Range<usize> {
    let start = last.map_or(at, |last| last.there.end + (at - last.here.end));
    start..start + 1
}

/// What an escape at the start of `text` stands for, and its length.
fn unescaped(text: &[u8]) -> Option<(Option<char>, usize)> {
    const ENTITIES: [(&[u8], char); 5] =
        [(b"&amp;", '&'), (b"&lt;", '<'), (b"&gt;", '>'), (b"&quot;", '"'), (b"&apos;", '\'')];
    let number = |digits: Range<usize>| {
        let digits = std::str::from_utf8(text.get(digits)?).ok()?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_number.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    };
    match text {
        [b'%', ..] => number(1..3).map(|number| (char::from_u32(number), 3)),
        [b'\\', b'u', ..] if number(2..6).is_some() => number(2..6).map(|number| (char::from_u32(number), 6)),
        [b'\\', b'x', ..] if number(2..4).is_some() => {
            multibyte(text).or_else(|| number(2..4).map(|number| (char::from_u32(number), 4)))
        }
        [b'\\', b't', ..] => Some((Some('\t'), 2)),
        [b'\\', b'n', ..] => Some((Some('\n'), 2)),
        [b'\\', escaped, ..] if escaped.is_ascii_punctuation() => Some((Some(char::from(*escaped)), 2)),
        [b'&', b'#', ..] => numeric_entity(text),
        [b'&', ..] => {
            let (entity, character) = ENTITIES.into_iter().find(|(entity, _)| text.starts_with(entity))?;
            Some((Some(character), entity.len()))
        }
        _ => None,
    }
}

/// The character that `&#N;` or `&#xH;` at the start of `text` stands for, and its length.
fn numeric_entity(text: &[u8]) -> Option<(Option<char>, usize)> {
    /// That of the longest, with zeros before it.
    const LONGEST: usize = 16;
    let end = text.iter().take(LONGEST).position(|byte| *byte == b';')?;
    let digits = std::str::from_utf8(text.get(2..end)?).ok()?;
    let number = match digits.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    Some((Some(char::from_u32(number.ok()?)?), end + 1))
}

/// The character beyond ASCII whose bytes in UTF-8 are at the start of `text`, each as `\xHH`, and the length of them all.
fn multibyte(text: &[u8]) -> Option<(Option<char>, usize)> {
    let byte = |escape: &[u8]| match escape {
        [b'\\', b'x', digits @ ..] => u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok(),
        _ => None,
    };
    let bytes: Vec<u8> = text.chunks_exact(4).take(4).map_while(byte).collect();
    (2..=bytes.len()).find_map(|length| {
        let mut characters = std::str::from_utf8(bytes.get(..length)?).ok()?.chars();
        let character = characters.next().filter(|character| character.len_utf8() == length)?;
        Some((Some(character), 4 * length))
    })
}

/// Where the JSON string that `text` begins in ends.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    let is_end = |byte: u8| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    };
    text.bytes().position(is_end).unwrap_or(text.len())
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len().max(1)).any(|window| window == part)
}

fn fold(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().map(fold_byte).collect()
}

/// Lower case; and the quote that a code span has in the place of a back-tick.
fn fold_byte(byte: u8) -> u8 {
    if byte == b'`' { b'\'' } else { byte.to_ascii_lowercase() }
}

/// `text` with a mark in the place of each of `ranges`, which may overlap.
fn replaced(text: &str, mut ranges: Vec<Range<usize>>) -> Cow<'_, str> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    ranges.sort_by_key(|range| range.start);
    let mut written = String::with_capacity(text.len());
    let mut at = 0;
    let mut ranges = ranges.into_iter().peekable();
    while let Some(Range { start, mut end }) = ranges.next() {
        while let Some(next) = ranges.next_if(|next| next.start < end) {
            end = end.max(next.end);
        }
        let start = (0..=start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0).max(at);
        let end = (end..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len()).max(start);
        written.push_str(text.get(at..start).unwrap_or_default());
        written.push_str(HIDDEN);
        at = end;
    }
    written.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(written)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::Redactor;
    use crate::secret::Secret;

    const SECRET: &str = "Hunter2-p\"a s/s+%w\\ü";

    fn knows(secrets: &[&str]) -> Redactor {
        let redactor = Redactor::default();
        for secret in secrets {
            redactor.add(&Secret::new(*secret));
        }
        redactor
    }

    #[test]
    fn a_secret_is_hidden_in_whatever_form_it_leaves() {
        let redactor = knows(&[SECRET]);
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let every_byte: String = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let every_character: String =
            SECRET.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<Vec<_>>().concat();
        let json = serde_json::Value::from(SECRET).to_string();
        let twice = serde_json::Value::from(json.clone()).to_string();
        let forms = [
            SECRET.to_owned(),
            SECRET.to_lowercase(),
            SECRET.to_uppercase().replace('Ü', "ü"),
            form.clone(),
            form.replace('+', "%20"),
            form.replace('%', "%25"),
            every_byte.to_lowercase(),
            every_byte,
            every_character,
            json.trim_matches('"').to_owned(),
            twice.trim_matches('"').trim_start_matches("\\\"").trim_end_matches('\\').to_owned(),
            crate::text::sanitise::markdown(SECRET),
            crate::text::sanitise::code(SECRET).trim_matches('`').to_owned(),
            SECRET.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(),
            STANDARD.encode(SECRET),
            STANDARD.encode(format!("a:{SECRET}")),
            STANDARD.encode(format!("ab:{SECRET}:more of it")),
            STANDARD.encode(format!("abc:{SECRET}")).to_lowercase(),
        ];
        for form in forms {
            assert_eq!(redactor.hide(&format!("got `{form}` there")), "got `***` there", "{form}");
        }
        for form in ["nothing of it", "hunter3", "100 % \\u00e4 &amp; %zz \\", "Hunter2-"] {
            assert_eq!(redactor.hide(form), form);
        }
    }

    #[test]
    fn a_secret_that_looks_escaped_itself_is_hidden_where_it_is_escaped_again() {
        let json = |text: &str| serde_json::Value::from(text).to_string().trim_matches('"').to_owned();
        for secret in ["Ab\"cd%41ef 12", "Ab\"cd%2541ef12", "Ab<cd&amp;ef12", "Ab\\cd%41\"ef12", "Ab_cd&#x41;\"ef12"] {
            let redactor = knows(&[secret]);
            let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let once = json(secret);
            for text in [secret.to_owned(), crate::text::sanitise::markdown(secret), json(&once), once, form] {
                assert_eq!(redactor.hide(&format!("got `{text}` there")), "got `***` there", "{secret}: {text}");
            }
        }
        // What is left of it is as short as what is not searched for.
        assert_eq!(knows(&["%61%62%63"]).hide("abc"), "abc");
    }

    #[test]
    fn what_pages_and_debuggers_write_is_undone() {
        let redactor = knows(&["it's/a=sécret"]);
        for text in [
            "it&#x27;s&#x2F;a&#x3D;s&eacute;cret".replace("&eacute;", "&#233;"),
            "it&#039;s&#47;a&#0061;s&#xE9;cret".to_owned(),
            "it\\x27s/a=s\\xc3\\xa9cret".to_owned(),
            "it\\x27s/a=s\\xe9cret".to_owned(),
        ] {
            assert_eq!(redactor.hide(&format!("got {text} there")), "got *** there", "{text}");
        }
        for text in ["&#x; &#; &#x110000; &#99999999999; &#39", "\\xc3"] {
            assert_eq!(redactor.hide(text), text);
        }
    }

    #[test]
    fn what_was_cut_is_hidden_and_what_is_short_is_not_searched_for() {
        let redactor = knows(&["hunter2-secret", "abc", "", "first line\nsecond line", &"t0ken".repeat(900)]);
        for (text, expected) in [
            ("sent hunter2-se… twice", "sent ***… twice"),
            ("sent HUNT…", "sent ***…"),
            ("sent hun… abc", "sent hun… abc"),
            ("the second line alone", "the *** alone"),
            ("hunter2-secrethunter2-secret", "******"),
        ] {
            assert_eq!(redactor.hide(text), expected);
        }
        let long = STANDARD.encode(format!("x{}", "t0ken".repeat(900)));
        assert_eq!(redactor.hide(&format!("<{long}>")), "<***>");
    }

    #[test]
    fn what_programs_read_stays_what_it_is() {
        let redactor = knows(&["digest", "hunter2\\", "sixteen-letters-", "openly-known-name"]);
        redactor.open(["r.io/Openly-known-name:1".to_owned()]);
        redactor.add(&Secret::new("known-name:1"));
        let json = r#"{"digest":"a digest of hunter2\\","n":[1,"x\"digest\"",true],"openly-known-name:1":"openly-known-name:1"}"#;
        let hidden = redactor.hide_value(json);
        assert_eq!(
            hidden,
            r#"{"digest":"a *** of ***","n":[1,"x\"***\"",true],"openly-known-name:1":"openly-known-name:1"}"#
        );
        serde_json::from_str::<serde_json::Value>(&hidden).unwrap();
        assert_eq!(redactor.hide_value("r.io/digest:sixteen-letters-"), "r.io/digest:***");
        assert_eq!(redactor.hide("openly-known-name digest"), "openly-known-name ***");
    }
}
