//! The matrix of a job in a workflow, as far as it is written out.
//!
//! Owns which values an expression `${{ matrix.KEY }}` has. A number that GitHub reads otherwise than it is written is no
//! value: `3.10` without quotes is 3.1 there.

use std::collections::BTreeMap;

use crate::plan::list::yaml::{Node, Value};

/// The most rows that are made; GitHub makes 256 jobs.
const MOST_ROWS: usize = 256;

/// One row: the text of each key, or why it is not known.
pub type Row = BTreeMap<String, Result<String, String>>;

/// All rows, or why they are not known.
#[derive(Debug)]
pub struct Matrix(Result<Vec<Row>, String>);

impl Default for Matrix {
    fn default() -> Self {
        Self(Err("it is worked out when the workflow runs".to_owned()))
    }
}

impl Matrix {
    pub fn of(job: &Node) -> Self {
        let Some(matrix) = job.get("strategy").and_then(|strategy| strategy.get("matrix")) else {
            return Self::default();
        };
        if matrix.members().is_empty() {
            return Self(Err("the matrix is worked out when the workflow runs".to_owned()));
        }
        Self(rows(matrix))
    }

    /// The rows, or why they are not known.
    pub fn rows(&self) -> Result<&[Row], &str> {
        self.0.as_deref().map_err(String::as_str)
    }

    /// What a text with expressions comes to, in the order of the rows, each once.
    pub fn fill(&self, text: &str) -> Result<Vec<String>, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${{") {
            let (inside, behind) = after.split_once("}}").ok_or("it has `${{` without `}}`")?;
            let key = inside.trim().strip_prefix("matrix.").ok_or("it is worked out when the workflow runs")?;
            if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) {
                return Err("it is worked out when the workflow runs".to_owned());
            }
            parts.push((before, key));
            rest = behind;
        }
        let mut values: Vec<String> = Vec::new();
        for row in self.0.as_ref().map_err(Clone::clone)? {
            let mut value = String::new();
            let mut is_whole = true;
            for (before, key) in &parts {
                value.push_str(before);
                match row.get(*key) {
                    Some(part) => value.push_str(part.as_ref().map_err(Clone::clone)?),
                    // A row without the key has nothing there; beside other text that is another image.
                    None => is_whole = parts.len() == 1 && before.is_empty() && rest.is_empty(),
                }
            }
            value.push_str(rest);
            if is_whole && !values.contains(&value) {
                values.push(value);
            }
        }
        if values.is_empty() { Err("the matrix has no such key".to_owned()) } else { Ok(values) }
    }
}

fn rows(matrix: &Node) -> Result<Vec<Row>, String> {
    let mut rows = vec![Row::new()];
    let mut own: Vec<&str> = Vec::new();
    for (key, value) in matrix.members() {
        if matches!(&*key.text, "include" | "exclude") {
            continue;
        }
        own.push(&key.text);
        let Value::List(items) = &value.value else {
            let why = format!("`matrix.{}` is worked out when the workflow runs", crate::text::quote::quote(&key.text));
            for row in &mut rows {
                row.insert(key.text.clone(), Err(why.clone()));
            }
            continue;
        };
        let mut next = Vec::new();
        for row in &rows {
            for item in items {
                let mut row = row.clone();
                put(&mut row, &key.text, item);
                next.push(row);
            }
            if next.len() > MOST_ROWS {
                return Err(format!("the matrix has more than {MOST_ROWS} rows"));
            }
        }
        rows = next;
    }
    for left_out in matrix.get("exclude").map(Node::items).unwrap_or_default() {
        let mut unwanted = Row::new();
        left_out.members().iter().for_each(|(key, value)| put(&mut unwanted, &key.text, value));
        rows.retain(|row| !unwanted.iter().all(|(key, value)| row.get(key) == Some(value)));
    }
    if own.is_empty() {
        rows.clear();
    }
    include(matrix, &own, &mut rows)?;
    Ok(rows)
}

/// What `include` adds: to every row whose own values it leaves as they are; else it is a row of its own.
fn include(matrix: &Node, own: &[&str], rows: &mut Vec<Row>) -> Result<(), String> {
    let Some(include) = matrix.get("include") else { return Ok(()) };
    if include.text().is_some() {
        return Err("`matrix.include` is worked out when the workflow runs".to_owned());
    }
    let made = rows.len();
    for item in include.items() {
        let mut added = Row::new();
        item.members().iter().for_each(|(key, value)| put(&mut added, &key.text, value));
        let mut is_taken = false;
        for row in rows.iter_mut().take(made) {
            if added.iter().all(|(key, value)| {
                let is_own = own.iter().any(|name| key == name || key.starts_with(&format!("{name}.")));
                !is_own || row.get(key) == Some(value)
            }) {
                row.extend(added.clone());
                is_taken = true;
            }
        }
        if !is_taken {
            rows.push(added);
        }
        if rows.len() > MOST_ROWS {
            return Err(format!("the matrix has more than {MOST_ROWS} rows"));
        }
    }
    Ok(())
}

/// Puts a value into a row; of a map, each of its members by `KEY.MEMBER`.
fn put(row: &mut Row, key: &str, value: &Node) {
    match &value.value {
        Value::Map(members) => {
            for (name, value) in members {
                if let Some(value) = scalar(value) {
                    row.insert(format!("{key}.{}", name.text), value);
                }
            }
        }
        _ => {
            if let Some(value) = scalar(value) {
                row.insert(key.to_owned(), value);
            }
        }
    }
}

fn scalar(value: &Node) -> Option<Result<String, String>> {
    match &value.value {
        Value::Null => Some(Ok(String::new())),
        Value::Quoted(text) | Value::Plain(text) if text.contains("${{") => {
            Some(Err("it is worked out when the workflow runs".to_owned()))
        }
        Value::Plain(text) if is_other_number(text) => Some(Err(format!(
            "`{text}` without quotes is a number, which GitHub reads without the zeros at its ends; write it in quotes"
        ))),
        Value::Quoted(text) | Value::Plain(text) => Some(Ok(text.clone())),
        Value::List(_) => Some(Err(format!("it is a list, in line {}", value.place.line))),
        Value::Map(_) => None,
    }
}

/// Whether a text is a number that is written otherwise than programs write it: `3.10`, `012`, `1e3`, `0x1F`.
pub fn is_other_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let bare = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits(bare) {
        return bare.len() > 1 && bare.starts_with('0') || text.starts_with('+');
    }
    if let Some((whole, part)) = bare.split_once('.')
        && digits(whole)
        && digits(part)
    {
        return part.ends_with('0') || whole.len() > 1 && whole.starts_with('0');
    }
    let is_exponent = bare.split_once(['e', 'E']).is_some_and(|(number, power)| {
        digits(&number.replacen('.', "", 1)) && digits(power.strip_prefix(['-', '+']).unwrap_or(power))
    });
    let is_based = bare.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()))
        || bare.strip_prefix("0o").is_some_and(digits);
    is_exponent || is_based
}
