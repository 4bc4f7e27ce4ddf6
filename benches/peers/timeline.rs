//! One run, request by request, as the proxy saw it, or the server before the registries: what waited for what.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::measure::Usage;
use crate::proxy::Exchange;

/// Columns of the bar.
const WIDTH: usize = 60;

/// The requests of one run, then what they add up to. Milliseconds since the tool's start.
pub(crate) fn render(usage: &Usage, exchanges: &[Exchange]) -> String {
    let mut sorted: Vec<&Exchange> = exchanges.iter().collect();
    sorted.sort_by_key(|exchange| exchange.began);
    let total = (usage.ended - usage.began).max(1);
    let since = |at: u64| at.saturating_sub(usage.began);
    let column = |at: u64| usize::try_from(since(at) * WIDTH as u64 / total).unwrap_or_default().min(WIDTH);
    let mut text = String::from("   start    sent  answer     end   connection    up    down  request\n");
    for exchange in &sorted {
        let end = if exchange.ended == 0 { usage.ended } else { exchange.ended };
        // Sending `>`, waiting `.`, receiving `<`.
        let bar: String = (0..=WIDTH)
            .map(|at| match at {
                _ if at < column(exchange.began) || at > column(end) => ' ',
                _ if at < column(exchange.sent) => '>',
                _ if exchange.answered == 0 || at < column(exchange.answered) => '.',
                _ => '<',
            })
            .collect();
        let Exchange { side, connection, request, status, bytes_up, bytes_down, .. } = exchange;
        let _ = writeln!(
            text,
            "{} {} {} {}  {side:<7} {connection:>3} {bytes_up:>7} {bytes_down:>7}  |{bar}| {status} {}",
            milliseconds(since(exchange.began)),
            milliseconds(since(exchange.sent)),
            milliseconds(since(exchange.answered)),
            milliseconds(since(end)),
            shortened(request),
        );
    }
    let first = sorted.first().map_or(0, |exchange| since(exchange.began));
    let last = sorted.iter().map(|exchange| since(exchange.ended)).max().unwrap_or(0);
    let ends: BTreeSet<&str> = sorted.iter().map(|exchange| exchange.side.as_str()).collect();
    let connections = |side: &&str| {
        let of_side = sorted.iter().filter(|exchange| exchange.side == *side);
        let numbers = of_side.map(|exchange| exchange.connection).collect::<BTreeSet<_>>();
        format!("{} to the {side}", numbers.len())
    };
    let connections: Vec<String> = ends.iter().map(connections).collect();
    let (idle, most) = load(&sorted);
    let _ = writeln!(
        text,
        "{} requests over connections: {}; at most {most} under way. From start to the first request{}, nothing under way \
         for{}, from the last answer to the end{}, in all{} ms",
        sorted.len(),
        connections.join(", "),
        milliseconds(first),
        milliseconds(idle),
        milliseconds(total.saturating_sub(last)),
        milliseconds(total),
    );
    text
}

/// For how long nothing was under way between the first and the last request, and how many were at most.
fn load(sorted: &[&Exchange]) -> (u64, usize) {
    let mut changes: Vec<(u64, bool)> = vec![];
    for exchange in sorted {
        changes.extend([(exchange.began, true), (exchange.ended.max(exchange.began), false)]);
    }
    changes.sort_by_key(|(at, begins)| (*at, !begins));
    let (mut under_way, mut most, mut idle, mut since) = (0_usize, 0, 0, None);
    for (at, begins) in changes {
        if begins {
            idle += since.take().map_or(0, |since| at - since);
            under_way += 1;
            most = most.max(under_way);
        } else {
            under_way -= 1;
            since = (under_way == 0).then_some(at);
        }
    }
    (idle, most)
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:>5}.{}", microseconds / 1000, microseconds % 1000 / 100)
}

/// Digests to seven digits, an upload session's state not at all.
fn shortened(request: &str) -> String {
    let request = request.replace("%3A", ":");
    let mut text = String::new();
    let mut rest = request.as_str();
    while let Some(at) = rest.find("sha256") {
        let (before, digest) = rest.split_at(at + "sha256:".len());
        let end = digest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digest.len());
        text.push_str(before);
        text.push_str(&digest[..end.min(7)]);
        rest = &digest[end..];
    }
    text.push_str(rest);
    if let Some((before, rest)) = text.split_once("_state=") {
        let after = rest.split_once('&').map_or("", |(_, after)| after);
        text = format!("{before}…{after}");
    }
    text
}
