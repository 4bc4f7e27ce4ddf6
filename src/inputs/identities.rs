//! `registry-identities`: a YAML list, as other actions have it, or a line for each login.
//!
//! Owns the two forms. What the fields of a type are is the business of `credentials::cloud`.

use crate::credentials::cloud::fields::{Field, Fields, INPUT};
use crate::error::Error;
use crate::plan::list::yaml::{self, Node, Value};
use crate::text::quote::quote;

/// The most logins of a run.
const MOST: usize = 100;

/// Reads the input. Contacts nothing.
pub fn read(text: &str) -> Result<Vec<Fields>, Error> {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let is_list = first.is_some_and(|line| line == "-" || line.starts_with("- ") || line.starts_with('['));
    let logins = if is_list { of_yaml(text)? } else { of_lines(text)? };
    if logins.len() > MOST {
        return Err(Error::input(INPUT, format!("has more than {MOST} logins; leave out those that no image needs")));
    }
    Ok(logins)
}

fn of_yaml(text: &str) -> Result<Vec<Fields>, Error> {
    let root = yaml::parse(text).map_err(|problem| problem_at(problem.place.line, &problem.text))?;
    let Value::List(items) = &root.value else {
        return Err(problem_at(root.place.line, &format!("is {}; write a list of logins", root.kind())));
    };
    items.iter().map(of_item).collect()
}

fn of_item(item: &Node) -> Result<Fields, Error> {
    let Value::Map(members) = &item.value else {
        return Err(problem_at(item.place.line, &format!("is {}; write a login, `- type: …`", item.kind())));
    };
    let field = |(key, value): &(yaml::Key, Node)| {
        let text = match &value.value {
            Value::Null => "",
            Value::Plain(text) | Value::Quoted(text) => text,
            Value::List(_) | Value::Map(_) => {
                let what = format!("`{}` is {}; write a text", quote(&key.text), value.kind());
                return Err(problem_at(key.place.line, &what));
            }
        };
        Ok(Field { name: name(&key.text), value: text.to_owned(), line: key.place.line })
    };
    Ok(Fields { line: item.place.line, all: members.iter().map(field).collect::<Result<_, _>>()? })
}

/// `HOST TYPE key=value …`.
fn of_lines(text: &str) -> Result<Vec<Fields>, Error> {
    let lines = text.lines().map(str::trim).enumerate().map(|(number, line)| (number + 1, line));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(line, text)| {
            let mut words = text.split_whitespace();
            let (Some(registry), Some(kind)) = (words.next(), words.next()) else {
                let what = format!("`{}` is no login; write `HOST TYPE key=value …`, or a YAML list", quote(text));
                return Err(problem_at(line, &what));
            };
            let field = |key: &str, value: &str| Field { name: name(key), value: value.to_owned(), line };
            let mut all = vec![field("registry", registry), field("type", kind)];
            for word in words {
                let Some((key, value)) = word.split_once('=') else {
                    let what = format!("`{}` is no `key=value`; write `HOST TYPE key=value …`", quote(word));
                    return Err(problem_at(line, &what));
                };
                all.push(field(key, value));
            }
            Ok(Fields { line, all })
        })
        .collect()
}

/// Other actions write some names with `_` and some with `-`: both are read.
fn name(text: &str) -> String {
    text.trim().to_ascii_lowercase().replace('_', "-")
}

fn problem_at(line: usize, what: &str) -> Error {
    Error::input(INPUT, format!("line {line}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn both_forms_say_the_same() {
        let yaml =
            "# who\n- type: dockerhub\n  registry: docker.io\n  connection_id: c\n\n- {type: aws-ecr, registry: r}\n";
        let lines = "# who\ndocker.io  dockerhub  connection_id=c\n\n r aws-ecr\n";
        let pairs = |text: &str| {
            let logins = read(text).unwrap().into_iter();
            logins
                .map(|login| {
                    let pairs = login.all.into_iter().map(|field| (field.name, field.value));
                    pairs.collect::<std::collections::BTreeMap<_, _>>()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(pairs(yaml), pairs(lines));
        assert_eq!(pairs(yaml)[0]["connection-id"], "c");
        assert_eq!(read(yaml).unwrap().iter().map(|login| login.line).collect::<Vec<_>>(), [2, 6]);
        assert!(read(" # nothing\n").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_login_is_said_with_its_line() {
        for (text, part) in [
            ("- type: [a]", "line 1: `type` is a list; write a text"),
            ("- a\n", "line 1: is a text; write a login"),
            ("- type: a\n   b: c\n", "line 2: "),
            ("docker.io\n", "line 1: `docker.io` is no login; write `HOST TYPE key=value …`"),
            ("\ndocker.io dockerhub acme\n", "line 2: `acme` is no `key=value`"),
        ] {
            let problem = read(text).unwrap_err().to_string();
            assert!(problem.contains(part) && problem.contains("registry-identities"), "{problem}");
        }
    }
}
