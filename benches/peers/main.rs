//! mirror-image side by side with the tools that people use: `cargo bench --bench peers`, see `benches/README.md`.
//!
//! Nothing here passes or fails. It makes the images, starts the registries, puts the network between, runs every tool in
//! turn and says what it saw. A copy that is not right is said loudly and its figures are left out.

mod cases;
mod front;
mod images;
mod interrupt;
mod measure;
mod proxy;
mod registries;
mod table;
mod timeline;
mod tools;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

use cases::{CASES, Case, Target};
use front::{Behind, Certificates, Front, Like};
use images::{Image, Kind};
use proxy::{Exchange, Network, Proxy, Upstream};
use registries::{Address, Program, Registry, Requests};
use table::{Connections, Run, Scene, Section, Series};
use tools::{Installed, Job, Tls, Tool};

/// What can go wrong is said to a person, who sees where; nothing here decides by kind.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// No run may take longer.
const LONGEST: Duration = Duration::from_secs(600);
/// A tool that took longer is not run again: its figure will not turn on a few seconds.
const LONG: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((first, rest)) if first == "proxy" => proxy::serve(rest),
        // `cargo test --benches` starts benchmarks too, and means to be quick.
        _ if !arguments.iter().any(|argument| argument == "--bench") => {
            say("not run: `cargo bench --bench peers -- --help` says how");
            Ok(())
        }
        _ => match options().try_get_matches_from(std::env::args()) {
            Ok(matches) => bench(&Options::of(&matches)),
            Err(error) => {
                let _ = error.print();
                return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
            }
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn options() -> Command {
    let cases = CASES.iter().map(|case| case.name);
    let tools = Tool::ALL.iter().map(|tool| tool.name());
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new("peers")
        .bin_name("cargo bench --bench peers --")
        .about("Measures mirror-image and its peers side by side, on the loopback")
        .arg(
            option("case", "NAME", "Only this case; may be given more than once")
                .action(ArgAction::Append)
                .value_parser(clap::builder::PossibleValuesParser::new(cases)),
        )
        .arg(
            option("only", "TOOL", "Only this tool; may be given more than once")
                .action(ArgAction::Append)
                .value_parser(clap::builder::PossibleValuesParser::new(tools)),
        )
        .arg(
            option("rounds", "N", "How often every tool is run [default: 5, or 3 for long cases]")
                .value_parser(clap::value_parser!(u16).range(1..)),
        )
        .arg(
            option("network", "WHICH", "Plain HTTP, or what real registries have: TLS, HTTP/2, tokens, redirects")
                .value_parser(["plain", "real"])
                .default_value("plain"),
        )
        .arg(
            option("target", "WHICH", "Whom the target of a real network is like")
                .value_parser(["ghcr", "ecr"])
                .default_value("ghcr"),
        )
        .arg(flag("large", "Also a blob of 4 GiB, 3,000 and 10,000 tags, for the peak memory"))
        .arg(flag("timeline", "One run each, printed request by request as the network saw it"))
        .arg(flag("keep", "Put the table into benches/README.md and the figures beside it"))
        .arg(option("json", "FILE", "Where the figures go [default: target/peers.json]"))
        .arg(option("registry", "PROGRAM", "Docker distribution to serve both ends [default: 3, else 2.8]"))
        .arg(option("program", "FILE", "A mirror-image to measure instead of the one built here"))
        .arg(flag("bench", "Given by Cargo").hide(true))
}

struct Options {
    cases: Vec<Case>,
    tools: Vec<Tool>,
    rounds: Option<usize>,
    /// What the target of a real network is like; none on a plain one.
    real: Option<Like>,
    timeline: bool,
    /// Whether the table is the one that the document shows from now on.
    keep: bool,
    json: PathBuf,
    registry: Option<PathBuf>,
    program: Option<PathBuf>,
}

impl Options {
    fn of(matches: &ArgMatches) -> Self {
        let chosen = |name: &str| -> Vec<String> { matches.get_many(name).into_iter().flatten().cloned().collect() };
        // Cargo runs a benchmark in the package's directory.
        let path = |name: &str| matches.get_one::<String>(name).map(PathBuf::from);
        let (cases, tools) = (chosen("case"), chosen("only"));
        let wanted = |case: &&Case| match cases.as_slice() {
            [] => !case.large || matches.get_flag("large"),
            names => names.iter().any(|name| name == case.name),
        };
        let tool_wanted = |tool: &Tool| tools.is_empty() || tools.iter().any(|name| name == tool.name());
        Self {
            cases: CASES.iter().filter(wanted).copied().collect(),
            tools: Tool::ALL.into_iter().filter(tool_wanted).collect(),
            rounds: matches.get_one::<u16>("rounds").map(|rounds| (*rounds).into()),
            real: match (value(matches, "network"), value(matches, "target")) {
                ("real", "ecr") => Some(Like::Ecr),
                ("real", _) => Some(Like::Ghcr),
                _ => None,
            },
            timeline: matches.get_flag("timeline"),
            keep: matches.get_flag("keep"),
            json: path("json").unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers.json")),
            registry: path("registry"),
            program: path("program"),
        }
    }
}

fn value<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}

fn bench(options: &Options) -> Outcome<()> {
    // Half an hour of runs is lost where their figures cannot be written: that is found out first.
    fs::create_dir_all(options.json.parent().unwrap_or(Path::new("")))?;
    fs::OpenOptions::new().create(true).append(true).open(&options.json)?;
    let registry = Program::find(options.registry.as_deref())?;
    let (mut installed, mut missing) = (vec![], vec![]);
    for tool in &options.tools {
        match Installed::find(*tool, options.program.as_deref()) {
            Some(found) => installed.push(found),
            None => missing.push(tool.name()),
        }
    }
    let directory = tempfile::Builder::new().prefix("mirror-image-peers-").tempdir()?;
    interrupt::clean_up(directory.path().to_owned())?;
    say(&format!("{} at both ends; images and storage in {}", registry.version, directory.path().display()));
    for tool in &missing {
        say(&format!("{tool} is not found and not measured; benches/README.md says how to install it"));
    }

    let certificates = options.real.map(|_| Certificates::make(&directory.path().join("certificates"))).transpose()?;
    let bench =
        Bench { options, registry: &registry, certificates: certificates.as_ref(), directory: directory.path() };
    let mut images: Vec<Image> = vec![];
    let mut sections = vec![];
    for case in &options.cases {
        if !images.iter().any(|image| image.kind == case.kind) {
            say(&format!("making {}", case.kind.describe()));
            images.push(Image::make(case.kind, &bench.source(case.kind))?);
        }
        let image = images.iter().find(|image| image.kind == case.kind).ok_or("the image was not made")?;
        sections.push(bench.section(case, image, &installed)?);
    }
    drop(directory);

    let scene = Scene {
        registry: registry.version.clone(),
        wire: match options.real {
            None => "plain HTTP".to_owned(),
            Some(like) => format!(
                "nginx with TLS 1.3 and HTTP/2 before them, the source as Docker Hub is, the target as {} is",
                like.name()
            ),
        },
        versions: tools::versions(&installed).into_iter().map(|(name, version)| (name.to_owned(), version)).collect(),
        missing,
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        floor: measure::floor(),
    };
    if !options.timeline {
        let (text, figures) = (table::markdown(&scene, &sections), table::json(&scene, &sections));
        let figures = serde_json::to_string_pretty(&figures)?;
        writeln!(std::io::stdout(), "{text}")?;
        fs::write(&options.json, &figures)?;
        say(&format!("the figures are in {}", options.json.display()));
        if options.keep {
            keep(options.real.is_some(), &text, &figures)?;
        }
    }
    Ok(())
}

/// Puts the table where the document has that of its network, and the figures beside the document.
fn keep(is_real: bool, table: &str, figures: &str) -> Outcome<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
    let (network, json) = if is_real { ("real", "last-real.json") } else { ("plain", "last.json") };
    let document = fs::read_to_string(here.join("README.md"))?;
    let (begin, end) = (format!("<!-- table: {network} -->\n"), format!("<!-- end of table: {network} -->"));
    let parts = document.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("benches/README.md has no place for the table: {begin}"))?;
    let today = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let today = today.split_once('T').map_or(today.as_str(), |(day, _)| day);
    let kept = format!("{before}{begin}\n{today}. {}\n\n{end}{after}", table.trim_end());
    fs::write(here.join("README.md"), kept)?;
    fs::write(here.join(json), format!("{figures}\n"))?;
    Ok(())
}

struct Bench<'a> {
    options: &'a Options,
    registry: &'a Program,
    /// Of a real network.
    certificates: Option<&'a Certificates>,
    directory: &'a Path,
}

/// What lies between the tool and the registries of one run.
struct Between {
    proxy: Option<Proxy>,
    front: Option<Front>,
}

impl Bench<'_> {
    /// The storage of the source for a kind of image.
    fn source(&self, kind: Kind) -> PathBuf {
        self.directory.join("source").join(kind.repository())
    }

    /// All tools in turn, as often as asked for: what disturbs the machine for a while disturbs them all.
    fn section(&self, case: &Case, image: &Image, installed: &[Installed]) -> Outcome<Section> {
        say(&format!("{}: {}", case.name, case.describe()));
        let fitting: Vec<&Installed> = installed.iter().filter(|found| found.tool.fits(case.kind)).collect();
        let mut series: Vec<Series> =
            fitting.iter().map(|found| Series { tool: found.tool, runs: vec![], problem: None }).collect();
        let rounds = if self.options.timeline { 1 } else { self.options.rounds.unwrap_or(case.rounds) };
        for round in 0..rounds {
            for (found, series) in fitting.iter().zip(&mut series) {
                let took = |run: &Run| run.usage.wall > LONG;
                if series.problem.is_some() || series.runs.iter().any(took) {
                    continue;
                }
                let label = found.tool.label(case.kind);
                match self.run(case, image, found)? {
                    Ok(run) => {
                        say(&format!("  {}/{rounds} {label}: {}", round + 1, table::seconds(run.usage.wall)));
                        series.runs.push(run);
                    }
                    Err(problem) => {
                        say(&format!("  {}/{rounds} {label}: {problem}", round + 1));
                        series.problem = Some(problem);
                    }
                }
            }
        }
        Ok(Section { case: *case, series })
    }

    fn between(
        &self,
        case: &Case,
        image: &Image,
        (source, target): (&Registry, &Registry),
        directory: &Path,
    ) -> Outcome<Between> {
        let (source, target) = (source.address(), target.address());
        if let Some((like, certificates)) = self.options.real.zip(self.certificates) {
            let behind = Behind { source, target, blobs: &image.root };
            let front = Front::start(&behind, like, certificates, directory)?;
            let proxy = Proxy::start(Upstream::Front(front.address), case.network)?;
            return Ok(Between { proxy: Some(proxy), front: Some(front) });
        }
        let is_needed = !case.network.is_plain() || self.options.timeline;
        let proxy = is_needed.then(|| Proxy::start(Upstream::Ends { source, target }, case.network)).transpose()?;
        Ok(Between { proxy, front: None })
    }

    /// One run between fresh registries: its figures, or what was wrong with it.
    fn run(&self, case: &Case, image: &Image, found: &Installed) -> Outcome<Result<Run, String>> {
        let place = tempfile::tempdir_in(self.directory)?;
        let path = |name: &str| place.path().join(name);
        fs::create_dir(path("home"))?;
        fs::create_dir(path("storage"))?;
        if case.target == Target::Same {
            copy_directory(&image.root, &path("storage"))?;
        }
        let listen = |directory: &Path| match self.options.real {
            Some(_) => Address::Socket(directory.join("socket")),
            None => Address::Port(([127, 0, 0, 1], 0).into()),
        };
        let start = |root: &Path, directory: &Path| Registry::start(self.registry, root, directory, listen(directory));
        let source = start(&image.root, &path("source"))?;
        let target = start(&path("storage"), &path("target"))?;
        let between = self.between(case, image, (&source, &target), &path("front"))?;
        let home = path("home");
        let (source_name, target_name) = between.names(&source, &target);
        let tls = self.certificates.zip(between.proxy.as_ref());
        let tls = tls.map(|(certificates, proxy)| Tls { proxy: proxy.source, roots: &certificates.roots });
        let job = Job { image, source: source_name, target: target_name, tls, home: &home };
        let usage = measure::run(&mut found.command(&job)?, &home, LONGEST)?;
        let seen = between.end(case.network)?;
        let (of_source, of_target) = match seen.requests {
            Some(requests) => requests,
            None => (source.requests()?, target.requests()?),
        };
        let run = Run { usage, source: of_source, target: of_target, connections: seen.connections };
        if self.options.timeline {
            print_timeline(case, found, &run, &seen.exchanges)?;
        }
        Ok(match (run.usage.code, image.wrong_at(&path("storage"))) {
            (Some(0), None) => Ok(run),
            (Some(0), Some(wrong)) => Err(format!("WRONG COPY: {wrong}")),
            (Some(2), _) if found.tool == Tool::MirrorImage => Err(format!("not available: {}", run.usage.said)),
            (Some(code), _) => Err(format!("exit code {code}: {}", run.usage.said)),
            (None, _) => Err(format!("killed after {}", table::seconds(run.usage.wall))),
        })
    }
}

/// What was seen between the tool and the registries.
#[derive(Default)]
struct Seen {
    exchanges: Vec<Exchange>,
    /// At the source and at the target, where the registries do not see all of them.
    requests: Option<(Requests, Requests)>,
    connections: Option<Connections>,
}

impl Between {
    /// How the tool calls both registries.
    fn names(&self, source: &Registry, target: &Registry) -> (String, String) {
        match (&self.proxy, &self.front) {
            (_, Some(front)) => (front::SOURCE.to_owned(), front.like.name().to_owned()),
            (Some(proxy), None) => (proxy.source.to_string(), proxy.target.to_string()),
            (None, None) => (source.address().to_string(), target.address().to_string()),
        }
    }

    fn end(self, network: Network) -> Outcome<Seen> {
        let Some(proxy) = self.proxy else { return Ok(Seen::default()) };
        let journal = proxy.end()?;
        let Some(front) = self.front else { return Ok(Seen { exchanges: journal.exchanges, ..Seen::default() }) };
        let (exchanges, resumed) = front.end(network.round_trip / 2)?;
        let mut connections = Connections { opened: std::collections::BTreeMap::new(), resumed };
        for host in &journal.connections {
            *connections.opened.entry(front::side(host)).or_default() += 1;
        }
        let requests = Some(front::requests(&exchanges));
        Ok(Seen { exchanges, requests, connections: Some(connections) })
    }
}

fn print_timeline(case: &Case, found: &Installed, run: &Run, exchanges: &[Exchange]) -> Outcome<()> {
    let Network { round_trip, .. } = case.network;
    writeln!(
        std::io::stdout(),
        "\n## {}: {} {}, a round trip of {} ms\n\n{}",
        case.name,
        found.tool.label(case.kind),
        found.version,
        round_trip.as_millis(),
        timeline::render(&run.usage, exchanges)
    )?;
    Ok(())
}

fn copy_directory(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// To the person who waits; the table alone goes to standard output.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
