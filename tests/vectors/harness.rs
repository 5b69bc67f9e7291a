//! Finds a category's cases, runs each, and counts them.

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    fmt::Debug,
    io::Write,
    path::{Path, PathBuf},
};

/// What a case that failed says.
pub(crate) type Outcome = Result<(), String>;

/// Runs every case of one category of one file; panics with all failures, or when there is nothing to run where there must be. A category
/// inside another is named by its path, and an object is one case.
pub(crate) fn run<C: DeserializeOwned>(file: &str, category: &str, case: fn(&C) -> Outcome) {
    let (folder, is_fixed) = folder();
    let Some(cases) = cases(&folder, file, category) else {
        assert!(!is_fixed, "{file} {category}: absent from {}, where the list of categories is fixed", folder.display());
        return say(&format!("{file} {category}: absent from {}", folder.display()));
    };
    assert!(!cases.is_empty(), "{file} {category}: the category is there and empty");
    let count = cases.len();
    let failures: Vec<String> = cases
        .into_iter()
        .enumerate()
        .filter_map(|(index, value)| {
            let name = value.get("name").and_then(Value::as_str).map_or_else(|| format!("case {index}"), str::to_owned);
            let outcome = serde_json::from_value(value).map_err(|error| format!("not understood: {error}")).and_then(|shaped| case(&shaped));
            outcome.err().map(|why| format!("{name}: {why}"))
        })
        .collect();
    say(&format!("{file} {category}: {count} cases ran, {} failed", failures.len()));
    assert!(failures.is_empty(), "{file} {category}: {} of {count} cases failed\n{}", failures.len(), failures.join("\n"));
}

/// A case's figure against the contract's.
pub(crate) fn equal<T: PartialEq + Debug>(what: &str, ours: &T, theirs: &T) -> Outcome {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: ours {ours:?}, the contract's {theirs:?}")) }
}

/// The folder, and whether its list of categories is fixed.
fn folder() -> (PathBuf, bool) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    match std::env::var_os("HARRIER_VECTORS").filter(|name| !name.is_empty()) {
        None => (own, true),
        Some(name) => {
            let other = PathBuf::from(name);
            assert!(other.is_dir(), "HARRIER_VECTORS names no folder: {}", other.display());
            let is_own = other.canonicalize().ok().zip(own.canonicalize().ok()).is_some_and(|(other, own)| other == own);
            (other, is_own)
        }
    }
}

/// The cases of a category, which may be a path of keys; `None` when the file or the category is absent. A file that can't be read or has another shape fails.
fn cases(folder: &Path, file: &str, category: &str) -> Option<Vec<Value>> {
    let path = folder.join(format!("{file}.json"));
    if !path.exists() {
        return None;
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut root: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match root.pointer_mut(&format!("/{category}"))?.take() {
        Value::Array(cases) => Some(cases),
        case @ Value::Object(_) => Some(vec![case]),
        other => panic!("{}: {category} is no list of cases: {other}", path.display()),
    }
}

/// Prints past the test runner's capture, so that the count is always seen.
pub(crate) fn say(line: &str) {
    if let Err(error) = writeln!(std::io::stderr(), "{line}") {
        panic!("the error stream takes no line: {error}");
    }
}
