//! The rooms of `design.md`: a room imports the vocabulary and rooms that stand earlier in the list.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "a test says what it expects")]

use std::{collections::BTreeSet, fs, path::Path};

/// The rooms in the order of the design. A room that does not exist yet may be absent.
const ROOMS: &[&str] = &[
    "plan",
    "config",
    "chain",
    "fork",
    "protocols",
    "book",
    "venues",
    "flash",
    "executor",
    "engine",
    "risk",
    "relay",
    "supervisor",
    "ledger",
    "drivers",
    "server",
    "flow",
    "devnet",
    "cli",
];

/// Where everything meets.
const MEETING_PLACES: &[&str] = &["drivers", "devnet", "cli"];

fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// The rooms that a text names by `crate::room` or in a `use crate::{room::.., ..}` list.
fn named(text: &str) -> BTreeSet<&'static str> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut named = BTreeSet::new();
    for (place, _) in code.match_indices("crate::") {
        let rest = &code[place + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            named.extend(ROOMS.iter().filter(|room| starts_with_word(rest, room)));
            continue;
        };
        // The names at depth one of the braces.
        let (mut depth, mut word_start) = (1, true);
        for (offset, letter) in list.char_indices() {
            if depth == 1 && word_start && letter.is_alphabetic() {
                named.extend(ROOMS.iter().filter(|room| starts_with_word(&list[offset..], room)));
            }
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            word_start = !(letter.is_alphanumeric() || letter == '_' || letter == ':');
            if depth == 0 {
                break;
            }
        }
    }
    named
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

#[test]
fn rooms_import_earlier_rooms_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (place, room) in ROOMS.iter().enumerate() {
        let folder = root.join(room);
        if !folder.is_dir() || MEETING_PLACES.contains(room) {
            continue;
        }
        for (path, text) in sources(&folder) {
            seen += 1;
            for import in named(&text) {
                let import_place = ROOMS.iter().position(|known| *known == import).unwrap();
                if import_place > place {
                    wrong.push(format!("{path} imports {import}"));
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} sources were read");
    assert!(wrong.is_empty(), "imports against the flow:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_fork_names_revm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let fork = root.join("fork").display().to_string();
    let wrong: Vec<String> =
        sources(&root).into_iter().filter(|(path, text)| !path.starts_with(&fork) && text.lines().any(names_revm)).map(|(path, _)| path).collect();
    assert!(wrong.is_empty(), "revm outside of the fork: {wrong:?}");
}

fn names_revm(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.contains("revm::") || code.contains("revm_inspectors::") || code.contains("foundry_fork_db::")
}

#[test]
fn every_folder_is_a_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(ROOMS.contains(&name.as_str()), "{name} is no room of the design");
        }
    }
}

#[test]
fn the_reader_of_imports_sees_lists_and_paths() {
    let text = "use crate::{\n    book::{Book, MarketRef},\n    plan::Skip, // engine::\n};\nlet x = crate::fork::View::new();";
    assert_eq!(named(text), BTreeSet::from(["book", "fork", "plan"]));
}
