//! Reads one table of the file key by key and remembers every mistake instead of stopping at the first.

use super::{
    mistake::{Mistake, Problem},
    value::FromToml,
};
use std::{cell::RefCell, ops::RangeInclusive};
use toml::{Table, Value};

/// Where mistakes are collected.
pub(super) type Mistakes = RefCell<Vec<Mistake>>;

/// One table, and what was asked of it.
pub(super) struct Section<'a> {
    path: String,
    table: &'a Table,
    asked: Vec<&'static str>,
    mistakes: &'a Mistakes,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) const fn root(table: &'a Table, mistakes: &'a Mistakes) -> Self {
        Self { path: String::new(), table, asked: Vec::new(), mistakes }
    }

    /// The path of a key of this table.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Records a mistake at a key of this table.
    pub(super) fn mistake(&self, key: &str, problem: Problem) {
        self.mistakes.borrow_mut().push(Mistake { path: self.path_of(key), problem });
    }

    /// The value of a key, if it is there.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// A value that may be absent.
    pub(super) fn optional<T: FromToml>(&mut self, key: &'static str) -> Option<T> {
        let value = self.value(key)?;
        self.kept(key, T::from_toml(value))
    }

    /// A value that must be there.
    pub(super) fn required<T: FromToml>(&mut self, key: &'static str) -> Option<T> {
        if self.value(key).is_none() {
            self.mistake(key, Problem::Missing);
        }
        self.optional(key)
    }

    /// A value with a default.
    pub(super) fn or<T: FromToml>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// A whole number with a default and a range.
    pub(super) fn number<T: FromToml + Copy + TryInto<u64> + PartialOrd>(&mut self, key: &'static str, default: T, range: RangeInclusive<T>) -> T {
        let number = self.or(key, default);
        if !range.contains(&number) {
            let bound = |bound: T| bound.try_into().unwrap_or(u64::MAX);
            self.mistake(key, Problem::OutOfRange { min: bound(*range.start()), max: bound(*range.end()) });
        }
        number
    }

    /// A list; absent is empty.
    pub(super) fn list<T: FromToml>(&mut self, key: &'static str) -> Vec<T> {
        self.list_with(key, T::from_toml)
    }

    /// A list whose items `read` reads; absent is empty.
    pub(super) fn list_with<T>(&mut self, key: &'static str, read: impl Fn(&Value) -> Result<T, Problem>) -> Vec<T> {
        let items = match self.value(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.mistake(key, Problem::WrongType { expected: "a list", found: other.type_str() });
                return Vec::new();
            }
        };
        items.iter().enumerate().filter_map(|(index, item)| self.kept(&format!("{key}[{index}]"), read(item))).collect()
    }

    /// The table below `[key]`, if it is there.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        let path = self.path_of(key);
        match self.value(key)? {
            Value::Table(table) => Some(Section { path, table, asked: Vec::new(), mistakes: self.mistakes }),
            other => {
                self.mistake(key, Problem::WrongType { expected: "a table", found: other.type_str() });
                None
            }
        }
    }

    /// The tables below `[key.*]` with their names.
    pub(super) fn named_sections(&mut self, key: &'static str) -> Vec<(String, Self)> {
        let Some(parent) = self.section(key) else { return Vec::new() };
        let mut sections = Vec::new();
        for (name, value) in parent.table {
            match value {
                Value::Table(table) => sections.push((name.clone(), Section { path: parent.path_of(name), table, asked: Vec::new(), mistakes: self.mistakes })),
                other => parent.mistake(name, Problem::WrongType { expected: "a table", found: other.type_str() }),
            }
        }
        sections
    }

    /// The tables of `[[key]]`.
    pub(super) fn listed_sections(&mut self, key: &'static str) -> Vec<Self> {
        let path = self.path_of(key);
        let items = match self.value(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.mistake(key, Problem::WrongType { expected: "a list of tables ([[...]])", found: other.type_str() });
                return Vec::new();
            }
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item {
                Value::Table(table) => sections.push(Section { path: format!("{path}[{index}]"), table, asked: Vec::new(), mistakes: self.mistakes }),
                other => self.mistake(&format!("{key}[{index}]"), Problem::WrongType { expected: "a table", found: other.type_str() }),
            }
        }
        sections
    }

    /// The entries of a table whose keys are data.
    pub(super) fn entries(&mut self, key: &'static str) -> Option<(Self, &'a Table)> {
        let section = self.section(key)?;
        let table = section.table;
        Some((section, table))
    }

    /// Keeps a good value, records a bad one.
    pub(super) fn kept<T>(&self, key: &str, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.mistake(key, problem)).ok()
    }

    /// Records the keys that nothing asked for.
    pub(super) fn finish(self) {
        let mut known = self.asked.clone();
        known.sort_unstable();
        known.dedup();
        for key in self.table.keys().filter(|key| !known.contains(&key.as_str())) {
            self.mistake(key, Problem::Unknown { known: known.clone() });
        }
    }
}
