//! The process environment as a value, and the overlay that it lays over the file.
//!
//! `HARRIER__section__key=value` replaces or adds the key `section.key`. Segments are exactly as in the file; a number is an index into
//! a list that is there. The value is read as TOML and, when it is none, taken as a string.

use super::mistake::{Mistake, Problem};
use std::{collections::BTreeMap, fmt};
use toml::Value;

const PREFIX: &str = "HARRIER__";
const SEPARATOR: &str = "__";

/// Environment variables, taken once, so that nothing reads them behind a test's back.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process; those that are not Unicode are left out.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect())
    }

    /// The value of one variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Lays the `HARRIER__` variables over a parsed file; what does not fit is returned.
    pub(super) fn overlay(&self, table: &mut toml::Table) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for (name, text) in self.0.range(PREFIX.to_owned()..) {
            let Some(path) = name.strip_prefix(PREFIX) else { break };
            if let Err(problem) = put(table, path, parse(text)) {
                mistakes.push(Mistake { path: format!("environment {name}"), problem });
            }
        }
        mistakes
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn parse(text: &str) -> Value {
    toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()
        // A text with a line break could smuggle in a second key; then it was not one value.
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn put(table: &mut toml::Table, path: &str, value: Value) -> Result<(), Problem> {
    let (segment, rest) = match path.split_once(SEPARATOR) {
        Some((segment, rest)) => (segment, Some(rest)),
        None => (path, None),
    };
    if segment.is_empty() {
        return Err(Problem::OverlayPath("an empty name".to_owned()));
    }
    match rest {
        None => {
            table.insert(segment.to_owned(), value);
            Ok(())
        }
        Some(rest) => descend(table.entry(segment).or_insert_with(|| Value::Table(toml::Table::new())), segment, rest, value),
    }
}

fn descend(place: &mut Value, name: &str, path: &str, value: Value) -> Result<(), Problem> {
    match place {
        Value::Table(table) => put(table, path, value),
        Value::Array(list) => {
            let (index, rest) = match path.split_once(SEPARATOR) {
                Some((index, rest)) => (index, Some(rest)),
                None => (path, None),
            };
            let item = index.parse::<usize>().ok().and_then(|index| list.get_mut(index));
            let item = item.ok_or_else(|| Problem::OverlayPath(format!("{name}[{index}]")))?;
            match rest {
                None => {
                    *item = value;
                    Ok(())
                }
                Some(rest) => descend(item, index, rest, value),
            }
        }
        _ => Err(Problem::OverlayPath(name.to_owned())),
    }
}
