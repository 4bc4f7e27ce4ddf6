//! The pictures of the README show what the program prints: a real copy at a terminal, and the summary of a real job.
//!
//! `recording.svg` is drawn here, `summary.md` and `catalogue.html` written here; `scripts/pictures` takes the pictures of
//! these with a browser and writes into each of which text it was taken. `UPDATE=1 scripts/pictures` writes all of them anew.
//! Only what differs from run to run is replaced: the registries' addresses on this machine, when and how long it was, and
//! how many requests, of which there are some more or fewer by the order in which answers come.

use std::fmt::Write as _;
use std::path::PathBuf;

use regex::Regex;
use serde_json::Value;

use crate::support::images::{self, sha256};
use crate::support::{Registry, Run};

const COLUMNS: u16 = 108;

/// As long as an address on this machine, so that what is aligned stays so; nobody's (RFC 2606).
const SOURCE: &str = "hub.example.com";
const TARGET: &str = "our.example.com";

struct Pair {
    source: Registry,
    target: Registry,
}

impl Pair {
    fn new() -> Self {
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&images::with_attestations(), "library/alpine:3.20");
        source.seed(&images::three_platforms(), "library/debian:12");
        source.seed(&images::docker_list(), "team/app:1.4.2");
        source.seed(&images::release(1), "team/worker:1.4.2");
        Self { source, target }
    }

    /// With names for the addresses; the time and the number of requests are those of one such run.
    fn shown(&self, text: &str) -> String {
        let mut named = text.to_owned();
        for (registry, name) in [(&self.source, SOURCE), (&self.target, TARGET)] {
            let (_, port) = registry.host().rsplit_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            // As it is printed, and as Markdown has it where it is escaped and may be broken.
            let address = Regex::new(&format!(r"127(?:\\?\.|&#46;)0\.0\.1:(<wbr>)?{port}(<wbr>)?")).unwrap();
            named = address.replace_all(&named, name).into_owned();
        }
        let time = Regex::new(r"\b\d+(\.\d+)? (ms|s)\b").unwrap().replace_all(&named, "0.4 s").into_owned();
        let day = Regex::new(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap().replace_all(&time, "2026-11-24T03:23:00Z");
        Regex::new(r"\b\d+ requests\b").unwrap().replace_all(&day, "175 requests").into_owned()
    }
}

/// The file below `.github/pictures` must be this.
fn assert_file(name: &str, text: &str) {
    let path = picture(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, text, "{name} is not what the program prints; `UPDATE=1 scripts/pictures` writes it anew");
}

fn picture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".github/pictures").join(name)
}

#[tokio::test]
async fn the_recording_is_a_real_copy() {
    let pair = Pair::new();
    let (from, to) = (pair.source.name("library/alpine:3.20"), pair.target.name("mirror/alpine:3.20"));
    let mut lines = Vec::new();
    for words in [&["copy", &from, &to][..], &["copy", &from, &to], &["verify", &from, &to]] {
        let outcome = Run::line(words).at_terminal(COLUMNS).succeeds().await;
        let mut terminal = vt100::Parser::new(40, COLUMNS, 0);
        terminal.process(outcome.stdout.as_bytes());
        lines.push(Line::typed(&pair.shown(&format!("mirror-image {}", words.join(" ")))));
        let screen = terminal.screen();
        let rows = (0..40).map(|row| Line::printed(screen, row, |text| pair.shown(text)));
        let rows: Vec<Line> = rows.collect();
        let used = rows.iter().rposition(|line| !line.pieces.is_empty()).map_or(0, |last| last + 1);
        lines.extend(rows.into_iter().take(used));
        lines.push(Line { pieces: Vec::new(), typed: false });
    }
    lines.pop();
    assert_file("recording.svg", &drawn(&lines));
}

#[tokio::test]
async fn the_summary_is_of_a_real_job_and_its_picture_of_the_summary() {
    let pair = Pair::new();
    let list = |names: &[&str]| names.iter().map(|name| pair.source.name(name)).collect::<Vec<_>>().join("\n");
    let job = |names: &[&str]| {
        let run = Run::new().input("images", &list(names)).input("concurrency", "1").input("access", "off");
        run.input("target", &pair.target.name("mirror/{repository}"))
    };
    job(&["team/worker:1.4.2"]).succeeds().await;
    let all = ["library/alpine:3.20", "library/debian:12", "team/app:1.4.2", "team/worker:1.4.2"];
    let summary = pair.shown(&job(&all).succeeds().await.summary);
    assert_pictures("summary", "md", &summary);
}

#[tokio::test]
async fn the_catalogue_is_of_a_real_run_and_its_picture_of_the_catalogue() {
    let (pair, workspace) = (Pair::new(), tempfile::tempdir().unwrap());
    let all = ["library/alpine:3.20", "library/debian:12", "team/app:1.4.2", "team/worker:1.4.2"];
    let list = all.map(|name| pair.source.name(name)).join("\n");
    let job = Run::new().input("images", &list).input("concurrency", "1").input("access", "off");
    let job = job.input("target", &pair.target.name("mirror/{repository}")).input("emit", "catalogue");
    job.env("GITHUB_WORKSPACE", &workspace.path().display().to_string()).succeeds().await;
    let page = std::fs::read_to_string(workspace.path().join("mirror-image/catalogue/index.html")).unwrap();
    assert_pictures("catalogue", "html", &pair.shown(&page));
}

/// The file must be this, and both pictures beside it taken of it.
fn assert_pictures(name: &str, end: &str, text: &str) {
    assert_file(&format!("{name}.{end}"), text);
    let taken_of = sha256(text.as_bytes());
    for theme in ["light", "dark"] {
        let name = format!("{name}-{theme}.png");
        let picture = std::fs::read(picture(&name)).unwrap_or_default();
        let found = picture.windows(taken_of.len()).any(|part| part == taken_of.as_bytes());
        assert!(found, "{name} was taken of another text than is beside it; run `UPDATE=1 scripts/pictures`");
    }
}

/// A line on the screen: its pieces by style.
struct Line {
    pieces: Vec<(usize, &'static str, String)>,
    typed: bool,
}

impl Line {
    fn typed(command: &str) -> Self {
        Self { pieces: vec![(0, "prompt", "$".to_owned()), (2, "typed", command.to_owned())], typed: true }
    }

    fn printed(screen: &vt100::Screen, row: u16, shown: impl Fn(&str) -> String) -> Self {
        let mut pieces: Vec<(usize, &'static str, String)> = Vec::new();
        for column in 0..COLUMNS {
            let Some(cell) = screen.cell(row, column) else { continue };
            let style = match cell.fgcolor() {
                vt100::Color::Idx(1 | 9) => "red",
                vt100::Color::Idx(2 | 10) => "green",
                vt100::Color::Idx(3 | 11) => "yellow",
                vt100::Color::Idx(6 | 14) => "cyan",
                _ if cell.dim() => "dim",
                _ if cell.bold() => "bold",
                _ => "plain",
            };
            let text = if cell.has_contents() { cell.contents() } else { " " };
            match pieces.last_mut() {
                Some((_, last, piece)) if *last == style => piece.push_str(text),
                _ => pieces.push((usize::from(column), style, text.to_owned())),
            }
        }
        for (_, _, text) in &mut pieces {
            *text = shown(text.trim_end());
        }
        pieces.retain(|(_, _, text)| !text.is_empty());
        Self { pieces, typed: false }
    }
}

/// An SVG that asks for nothing from elsewhere: the lines come one after the other, once, and all stand there where
/// nothing moves.
fn drawn(lines: &[Line]) -> String {
    const CELL: f64 = 8.0;
    const ROW: usize = 20;
    let (width, height) = (f64::from(COLUMNS) * CELL + 32.0, lines.len() * ROW + 60);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"t\">\n<title id=\"t\">A terminal: an image is copied, copied again with nothing \
         left to do, and verified</title>\n<style>\n\
         text{{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#e6edf3;white-space:pre}}\n\
         .prompt,.dim{{fill:#8b949e}}.green{{fill:#3fb950}}.red{{fill:#f85149}}.yellow{{fill:#d29922}}.cyan{{fill:#39c5cf}}\
         .bold,.typed{{font-weight:600}}\n\
         g{{animation:come .01s both}}@keyframes come{{from{{opacity:0}}}}\n\
         @media(prefers-reduced-motion:reduce){{g{{animation:none}}}}\n</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\" stroke=\"#30363d\"/>\n\
         <circle cx=\"20\" cy=\"18\" r=\"5\" fill=\"#f85149\"/><circle cx=\"38\" cy=\"18\" r=\"5\" fill=\"#d29922\"/>\
         <circle cx=\"56\" cy=\"18\" r=\"5\" fill=\"#3fb950\"/>\n"
    );
    let mut at = 0.0;
    for (row, line) in lines.iter().enumerate().filter(|(_, line)| !line.pieces.is_empty()) {
        // The first stands there from the beginning: a page that is just opened, or printed, has no empty box.
        if at > 0.0 {
            at += if line.typed { 1.2 } else { 0.25 };
            let _ = write!(svg, "<g style=\"animation-delay:{at:.2}s\">");
        } else {
            svg += "<g style=\"animation:none\">";
        }
        for (column, style, text) in &line.pieces {
            let blank = text.len() - text.trim_start().len();
            let text = text.trim_start();
            #[allow(clippy::cast_precision_loss, reason = "columns of a terminal")]
            let (x, long) = ((column + blank) as f64 * CELL + 16.0, text.chars().count() as f64 * CELL);
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let y = row * ROW + 50;
            let _ = write!(svg, "<text x=\"{x}\" y=\"{y}\" class=\"{style}\" textLength=\"{long}\">{text}</text>");
        }
        svg += "</g>\n";
        if line.typed {
            at += 0.6;
        }
    }
    svg + "</svg>\n"
}

/// What the benchmark measured, as its last whole run wrote it.
fn figures() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/last.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A tool and its median in seconds.
type Bar = (String, f64);

fn medians(figures: &Value, case: &str) -> Vec<Bar> {
    let cases = figures["cases"].as_array().unwrap();
    let case = cases.iter().find(|found| found["name"] == case).unwrap_or_else(|| panic!("no case {case}"));
    let bar = |tool: &Value| Some((tool["label"].as_str()?.to_owned(), tool["median_milliseconds"].as_f64()? / 1000.0));
    case["tools"].as_array().unwrap().iter().filter_map(bar).collect()
}

/// As the benchmark's table writes it.
fn seconds(time: f64) -> String {
    format!("{time:.*} s", if time < 10.0 { 2 } else { 1 })
}

#[test]
fn the_table_of_the_benchmark_has_the_figures_that_are_kept() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (table, figures) = (std::fs::read_to_string(root.join("benches/README.md")).unwrap(), figures());
    let cases = figures["cases"].as_array().unwrap();
    assert!(cases.len() >= 8, "a part of the benchmark is no last run");
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (_, section) = table.split_once(&format!("\n### {name}\n")).unwrap_or_else(|| panic!("no case {name}"));
        let section = section.split("\n### ").next().unwrap();
        for (tool, median) in medians(&figures, name) {
            let row = format!("| {tool} | {} (", seconds(median));
            assert!(section.contains(&row), "{name} has no row that begins {row:?}:\n{section}");
        }
    }
}

struct Theme {
    name: &'static str,
    page: &'static str,
    edge: &'static str,
    text: &'static str,
    title: &'static str,
    own: &'static str,
    peer: &'static str,
}

const THEMES: [Theme; 2] = [
    Theme {
        name: "light",
        page: "#ffffff",
        edge: "#d1d9e0",
        text: "#59636e",
        title: "#1f2328",
        own: "#1a7f37",
        peer: "#afb8c1",
    },
    Theme {
        name: "dark",
        page: "#0d1117",
        edge: "#30363d",
        text: "#8b949e",
        title: "#e6edf3",
        own: "#3fb950",
        peer: "#484f58",
    },
];

/// The bars of the README are drawn from what the benchmark measured.
#[test]
fn the_bars_are_the_benchmarks_figures() {
    let figures = figures();
    let cases = [
        ("platforms-cold", "An image of six platforms, 30 ms away, copied"),
        ("platforms-unchanged", "The same, already there"),
        ("tags-cold", "300 tags over shared layers, 30 ms away, copied"),
        ("throttled-one-layer", "One layer of 512 MiB from a source that gives a connection 20 MB/s"),
    ];
    let (mut body, mut y) = (String::new(), 36);
    for (case, title) in cases {
        let bars = medians(&figures, case);
        assert!(bars.len() >= 4 && bars[0].0 == "mirror-image", "{case}: {bars:?}");
        let longest = bars.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
        let _ = writeln!(body, "<text x=\"20\" y=\"{y}\" class=\"title\">{title}</text>");
        for (tool, median) in &bars {
            y += 20;
            let (long, own) =
                (4.0_f64.max(median / longest * 520.0), if tool == "mirror-image" { "own" } else { "peer" });
            let _ = writeln!(
                body,
                "<text x=\"196\" y=\"{y}\" text-anchor=\"end\">{tool}</text><rect x=\"206\" y=\"{}\" width=\"{long:.0}\" \
                 height=\"12\" rx=\"2\" class=\"{own}\"/><text x=\"{:.0}\" y=\"{y}\">{}</text>",
                y - 10,
                214.0 + long,
                seconds(*median)
            );
        }
        y += 36;
    }
    for Theme { name, page, edge, text, title, own, peer } in THEMES {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 {y}\" width=\"800\" height=\"{y}\" role=\"img\" \
             aria-labelledby=\"t\">\n<title id=\"t\">Seconds that mirror-image and its peers take, as in the table of \
             benches/README.md</title>\n<style>text{{font:13px system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:{text}}}\
             .title{{fill:{title};font-weight:600}}.own{{fill:{own}}}.peer{{fill:{peer}}}</style>\n\
             <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{page}\" stroke=\"{edge}\"/>\n{body}</svg>\n"
        );
        assert_file(&format!("benchmark-{name}.svg"), &svg);
    }
}
