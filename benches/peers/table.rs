//! What was measured, as Markdown for people and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cases::Case;
use crate::measure::Usage;
use crate::registries::Requests;
use crate::tools::Tool;

/// One run of one tool.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) usage: Usage,
    pub(crate) source: Requests,
    pub(crate) target: Requests,
    /// Of a real network.
    pub(crate) connections: Option<Connections>,
}

/// TLS connections of one run: a handshake each.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    /// By the end that they lead to.
    pub(crate) opened: BTreeMap<&'static str, usize>,
    /// Those that went on with an earlier one's session.
    pub(crate) resumed: usize,
}

impl Connections {
    /// `14 (3 resumed): source 2, target 12`.
    fn describe(&self) -> String {
        let total: usize = self.opened.values().sum();
        let each: Vec<String> = self.opened.iter().map(|(side, count)| format!("{side} {count}")).collect();
        format!("{total} ({} resumed): {}", self.resumed, each.join(", "))
    }
}

/// The runs of one tool in one case, and why there are no more.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) tool: Tool,
    pub(crate) runs: Vec<Run>,
    pub(crate) problem: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) case: Case,
    pub(crate) series: Vec<Series>,
}

/// Where the figures come from.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) registry: String,
    /// What lies between.
    pub(crate) wire: String,
    /// Program and version.
    pub(crate) versions: Vec<(String, String)>,
    /// Tools that were not found.
    pub(crate) missing: Vec<&'static str>,
    pub(crate) cores: usize,
    /// Bytes below which no peak can be measured.
    pub(crate) floor: u64,
}

fn median<T: Copy + Ord>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut sorted: Vec<T> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

impl Series {
    fn wall(&self) -> Option<Duration> {
        median(self.runs.iter().map(|run| run.usage.wall))
    }

    /// The run with the median wall time: its requests stand for all.
    fn typical(&self) -> Option<&Run> {
        let wall = self.wall()?;
        self.runs.iter().find(|run| run.usage.wall == wall)
    }
}

impl Section {
    /// The best peer's median.
    fn best(&self) -> Option<Duration> {
        self.series.iter().filter(|series| series.tool != Tool::MirrorImage).filter_map(Series::wall).min()
    }

    fn markdown(&self, text: &mut String) {
        let _ = writeln!(text, "\n### {}\n\n{}.\n", self.case.name, self.case.describe());
        let mut runs = self.series.iter().flat_map(|series| &series.runs);
        let is_real = runs.any(|run| run.connections.is_some());
        let (column, rule) = if is_real { (" TLS connections |", "---|") } else { ("", "") };
        let _ = writeln!(
            text,
            "| tool | median (least–most of n) | to the best peer | CPU | peak memory | requests at the source | requests at \
             the target |{column}\n|---|---|---|---|---|---|---|{rule}"
        );
        let best = self.best();
        for series in &self.series {
            let label = series.tool.label(self.case.kind);
            if let (Some(wall), Some(typical)) = (series.wall(), series.typical()) {
                let walls = || series.runs.iter().map(|run| run.usage.wall);
                let (least, most) = (walls().min().unwrap_or(wall), walls().max().unwrap_or(wall));
                let ratio =
                    best.map_or("—".to_owned(), |best| format!("{:.2}", wall.as_secs_f64() / best.as_secs_f64()));
                let processor = median(series.runs.iter().map(|run| run.usage.processor)).unwrap_or_default();
                let peak = series.runs.iter().map(|run| run.usage.peak).max().unwrap_or_default();
                let connections = typical.connections.as_ref().map(|opened| format!(" {} |", opened.describe()));
                let _ = writeln!(
                    text,
                    "| {label} | {} ({}–{} of {}) | {ratio} | {} | {} MiB | {} | {} |{}",
                    seconds(wall),
                    seconds(least),
                    seconds(most),
                    series.runs.len(),
                    seconds(processor),
                    mebibytes(peak),
                    by_method(&typical.source),
                    by_method(&typical.target),
                    connections.unwrap_or_default(),
                );
            }
            if let Some(problem) = &series.problem {
                let _ = writeln!(text, "| {label} | {} | | | | | |", problem.replace('|', "\\|").replace('\n', " "));
            }
        }
    }

    fn json(&self) -> Value {
        let run = |run: &Run| {
            json!({
                "milliseconds": run.usage.wall.as_secs_f64() * 1000.0,
                "cpu_milliseconds": run.usage.processor.as_secs_f64() * 1000.0,
                "peak_bytes": run.usage.peak,
                "requests": { "source": run.source, "target": run.target },
                "connections": run.connections.as_ref().map(|opened| &opened.opened),
                "resumed_sessions": run.connections.as_ref().map(|opened| opened.resumed),
            })
        };
        let tools: Vec<Value> = self
            .series
            .iter()
            .map(|series| {
                let ratio = series.wall().zip(self.best()).map(|(own, best)| own.as_secs_f64() / best.as_secs_f64());
                json!({
                    "tool": series.tool.name(),
                    "label": series.tool.label(self.case.kind),
                    "median_milliseconds": series.wall().map(|wall| wall.as_secs_f64() * 1000.0),
                    "ratio_to_best_peer": ratio,
                    "problem": series.problem,
                    "runs": series.runs.iter().map(run).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({ "name": self.case.name, "description": self.case.describe(), "tools": tools })
    }
}

pub(crate) fn markdown(scene: &Scene, sections: &[Section]) -> String {
    let versions: Vec<String> =
        scene.versions.iter().map(|(program, version)| format!("{program} {version}")).collect();
    let mut text = format!(
        "{} at both ends, {}, {} cores. {}. Peak memory cannot be told below {} MiB.\n",
        scene.registry,
        scene.wire,
        scene.cores,
        versions.join(", "),
        mebibytes(scene.floor)
    );
    if !scene.missing.is_empty() {
        let _ = writeln!(text, "\nNot found, not measured: {}.", scene.missing.join(", "));
    }
    for section in sections {
        section.markdown(&mut text);
    }
    text
}

pub(crate) fn json(scene: &Scene, sections: &[Section]) -> Value {
    let versions: serde_json::Map<String, Value> =
        scene.versions.iter().map(|(program, version)| (program.clone(), version.clone().into())).collect();
    json!({
        "registry": scene.registry,
        "network": scene.wire,
        "versions": versions,
        "missing": scene.missing,
        "cores": scene.cores,
        "floor_bytes": scene.floor,
        "cases": sections.iter().map(Section::json).collect::<Vec<_>>(),
    })
}

/// `56: GET 48, HEAD 8`.
fn by_method(requests: &Requests) -> String {
    let mut methods: Vec<(&str, usize)> = vec![];
    for (request, count) in requests {
        let method = request.split(' ').next().unwrap_or_default();
        match methods.iter_mut().find(|(known, _)| *known == method) {
            Some((_, sum)) => *sum += count,
            None => methods.push((method, *count)),
        }
    }
    let total: usize = methods.iter().map(|(_, count)| count).sum();
    let each: Vec<String> = methods.iter().map(|(method, count)| format!("{method} {count}")).collect();
    format!("{total}: {}", each.join(", "))
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.*} s", if time.as_secs() < 10 { 2 } else { 1 }, time.as_secs_f64())
}

fn mebibytes(bytes: u64) -> String {
    format!("{}.{}", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}
