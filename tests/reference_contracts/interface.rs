//! Selectors and topics that the artifacts of reference contracts must have.

use alloy::{hex, json_abi::JsonAbi};
use serde_json::Value;
use std::{fs, path::Path};

/// Contracts with what each of them must have: functions, errors, events.
pub(crate) struct Interface {
    pub(crate) of: &'static [&'static str],
    pub(crate) functions: &'static [&'static str],
    pub(crate) errors: &'static [&'static str],
    pub(crate) events: &'static [&'static str],
}

/// Fails with what an artifact lacks.
pub(crate) fn check(interfaces: &[Interface]) {
    for Interface { of, functions, errors, events } in interfaces {
        for name in *of {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("solidity/artifacts/{name}.json"));
            let artifact: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            let abi: JsonAbi = serde_json::from_value(artifact["abi"].clone()).unwrap();
            let ours: Vec<_> = abi.functions().map(|item| hex::encode(item.selector())).collect();
            assert_eq!(missing(functions, &ours), Vec::<&str>::new(), "{name}: functions");
            let ours: Vec<_> = abi.errors().map(|item| hex::encode(item.selector())).collect();
            assert_eq!(missing(errors, &ours), Vec::<&str>::new(), "{name}: errors");
            let ours: Vec<_> = abi.events().map(|item| hex::encode(item.selector())).collect();
            assert_eq!(missing(events, &ours), Vec::<&str>::new(), "{name}: events");
        }
    }
}

/// What of `all` is not among `ours`.
fn missing<'a>(all: &[&'a str], ours: &[String]) -> Vec<&'a str> {
    all.iter().filter(|one| !ours.iter().any(|mine| mine == *one)).copied().collect()
}
