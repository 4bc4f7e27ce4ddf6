//! A long run over a bad network: thousands of tags and tens of gigabytes through one process, with a fault in one of a
//! hundred requests. `scripts/soak` runs it; `docs/soak.md` has what it said last.
//!
//! The source makes its layers up as it sends them, the target hashes what arrives and keeps the digest: neither needs a
//! disk. Fails when the run fails, when a tag is missing or wrong, or when memory grows with what went through.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is there to be read")]
#![allow(unreachable_pub, reason = "an example has no readers outside of it")]

mod synthetic_registry;

use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use synthetic_registry::{FarEnd, Faults, Image};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Memory that a run may take, in KiB, whatever goes through it: the static program of a release, whose allocator gives
/// memory back at once, and the one built here, whose allocator (glibc's) keeps some for later.
const ROOM: Room = Room { released: 32 * 1024, built_here: 64 * 1024 };

struct Room {
    released: u64,
    built_here: u64,
}

fn word(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}

fn argument(name: &str, default: u64) -> Result<u64> {
    word(name).map_or(Ok(default), |word| word.parse().map_err(|_| format!("`{name}` takes a number").into()))
}

fn main() -> ExitCode {
    match soak() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("soak: FAILED: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn soak() -> Result<()> {
    let tags = argument("--tags", 3_000)?;
    let gibibytes = argument("--gibibytes", 50)?;
    let per_mille = argument("--faults-per-mille", 10)?;
    let seed = argument("--seed", 1)?;
    let size = (gibibytes << 30) / tags;
    let (program, room) = match word("--program") {
        Some(file) => (std::path::PathBuf::from(file), ROOM.released),
        None => (built_here()?, ROOM.built_here),
    };
    println!("soak: {tags} tags, {gibibytes} GiB, faults in {per_mille} of 1000 requests, seed {seed}");
    println!("soak: working out what the source has");
    let images: Vec<Image> = (0..tags).map(|number| Image::new(number, size)).collect();

    let source = FarEnd::source(&images, Faults::new(seed, per_mille))?;
    let target = FarEnd::target(Faults::new(seed ^ 0x5eed, per_mille))?;
    // A variable holds 128 KiB on Linux: the target is said once.
    let list = images.iter().fold(String::new(), |mut list, image| {
        let _ = writeln!(list, "{}/library/soak:{}", source.host(), image.tag);
        list
    });
    let template = format!("{}/mirror/soak:{{tag}}", target.host());
    let directory = tempfile::tempdir()?;
    let started = Instant::now();
    let mut child = start(&program, &list, &template, directory.path())?;
    let memory = watch(&mut child, &target, tags)?;
    let elapsed = started.elapsed();
    let code = child.wait()?.code();

    let log = std::fs::read_to_string(directory.path().join("log"))?;
    let verdict = log.lines().rev().find(|line| line.contains(" pulls billed")).unwrap_or("no last line");
    println!("soak: the program said: {verdict}");
    let (asked, failed) = (source.requests() + target.requests(), source.faults() + target.faults());
    println!("soak: {asked} requests answered, {failed} of them with a fault; {} s", elapsed.as_secs());
    println!("soak: memory: {}", memory.describe());
    for image in &images {
        if target.tag(&image.tag).as_deref() != Some(image.digest()) {
            return Err(
                format!("tag {} is {:?}, not {}\n{log}", image.tag, target.tag(&image.tag), image.digest()).into()
            );
        }
        if !target.has(&image.layer) || !target.has(&image.config) {
            return Err(format!("tag {} is there and a part of it is not", image.tag).into());
        }
    }
    if code != Some(0) {
        return Err(format!("exit code {code:?}\n{log}").into());
    }
    if memory.peak > room {
        return Err(format!("{} KiB is more than the {room} KiB that it may take", memory.peak).into());
    }
    println!("soak: every tag is there, every digest is right");
    Ok(())
}

/// The build beside this example.
fn built_here() -> Result<std::path::PathBuf> {
    let here = std::env::current_exe()?;
    let built = here.parent().and_then(Path::parent).map(|folder| folder.join("mirror-image"));
    built.filter(|file| file.is_file()).ok_or_else(|| "the program is not built; use scripts/soak".into())
}

fn start(program: &Path, list: &str, template: &str, directory: &Path) -> Result<Child> {
    let log = File::create(directory.join("log"))?;
    Ok(Command::new(program)
        .env_clear()
        .env("INPUT_IMAGES", list)
        .env("INPUT_TARGET", template)
        .env("INPUT_SUMMARY", "false")
        .env("HOME", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?)
}

/// Resident memory of a run, in KiB, at each tenth of it.
struct Memory {
    tenths: Vec<u64>,
    peak: u64,
}

impl Memory {
    fn describe(&self) -> String {
        let mib = |kib: u64| format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024);
        let tenths: Vec<String> = self.tenths.iter().map(|kib| mib(*kib)).collect();
        format!("{} MiB at its most; at each tenth of the tags {} MiB", mib(self.peak), tenths.join(", "))
    }
}

fn watch(child: &mut Child, target: &FarEnd, tags: u64) -> Result<Memory> {
    let mut memory = Memory { tenths: Vec::new(), peak: 0 };
    while child.try_wait()?.is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
        };
        memory.peak = memory.peak.max(field("VmHWM:"));
        let done = target.tags() as u64;
        if done * 10 / tags > memory.tenths.len() as u64 {
            memory.tenths.push(field("VmRSS:"));
            println!("soak: {done} of {tags} tags");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(memory)
}
