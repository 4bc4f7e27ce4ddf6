//! The command that starts a container: which of its words is the image.
//!
//! Owns which options take the word behind them. Never guesses: behind an option that is not known here, or a quotation that was
//! taken apart, nothing is read.

/// Options that stand by themselves.
const SWITCHES: [&str; 15] = [
    "detach",
    "disable-content-trust",
    "init",
    "interactive",
    "no-healthcheck",
    "oom-kill-disable",
    "privileged",
    "publish-all",
    "quiet",
    "read-only",
    "replace",
    "rm",
    "sig-proxy",
    "tls-verify",
    "tty",
];

/// Options whose value may be the next word.
const VALUED: &str = "add-host annotation attach blkio-weight cap-add cap-drop cgroup-parent cgroupns cidfile cpu-period \
     cpu-quota cpu-shares cpus cpuset-cpus cpuset-mems device dns dns-option dns-search domainname entrypoint env env-file \
     expose gpus group-add health-cmd health-interval health-retries health-start-period health-timeout hostname ip ip6 ipc \
     isolation label label-file link log-driver log-opt mac-address memory memory-reservation memory-swap memory-swappiness \
     mount name net network network-alias oom-score-adj pid pids-limit platform publish pull restart runtime secret \
     security-opt shm-size stop-signal stop-timeout storage-opt sysctl tmpfs ulimit user userns uts volume volume-driver \
     volumes-from workdir";

/// The same by one letter.
const SHORT_SWITCHES: &str = "ditPq";
const SHORT_VALUED: &str = "acehlmpuvw";

/// The image among the words behind `docker run`, and the platform that they name.
pub fn image<'a>(words: &[&'a str]) -> Option<(&'a str, Option<&'a str>)> {
    let (mut platform, mut words) = (None, words.iter().copied());
    while let Some(word) = words.next() {
        if word.is_empty() || word == "\\" {
            continue;
        }
        let Some(option) = word.strip_prefix('-') else {
            // Several commands are several lines.
            let is_last = |word: &str| word.ends_with(';') || matches!(word, "&&" | "||" | "|" | "&");
            let is_one = !is_last(word) && !words.any(is_last);
            return is_one.then_some((word, platform));
        };
        let value = value(option, &mut words)?;
        if [word, value].iter().any(|text| is_torn(text)) {
            return None;
        }
        if option.trim_start_matches('-').split('=').next() == Some("platform") {
            platform = Some(value);
        }
    }
    None
}

/// The value of an option, empty for one that has none; none for an option that is not known.
fn value<'a>(option: &'a str, words: &mut impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let Some(name) = option.strip_prefix('-') else {
        for (at, letter) in option.char_indices() {
            if SHORT_VALUED.contains(letter) {
                let beside = &option[at + 1..];
                return if beside.is_empty() { words.next() } else { Some(beside) };
            }
            if !SHORT_SWITCHES.contains(letter) {
                return None;
            }
        }
        return (!option.is_empty()).then_some("");
    };
    match name.split_once('=') {
        Some((name, value)) if is_known(name) => Some(value),
        None if SWITCHES.contains(&name) => Some(""),
        None if is_known(name) => words.next(),
        _ => None,
    }
}

fn is_known(name: &str) -> bool {
    SWITCHES.contains(&name) || VALUED.split_ascii_whitespace().any(|known| known == name)
}

/// Whether blanks have taken apart what belongs together, or a shell would put something else here.
fn is_torn(text: &str) -> bool {
    ['"', '\''].iter().any(|mark| text.matches(*mark).count() % 2 == 1) || text.contains(['`', '(', ')'])
}
