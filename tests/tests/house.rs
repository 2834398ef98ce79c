//! The house's own rules: which room may use what (docs/ARCHITECTURE.md, "Where things live").

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Direct, normal dependencies of each crate of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().other_options(["--offline".to_owned()]).exec().unwrap();
    let direct = |package: &cargo_metadata::Package| {
        package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
            .map(|dependency| dependency.name.clone())
            .collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), direct(package))).collect()
}

#[test]
fn the_domain_does_no_io() {
    // Invariant 10: what it may use is listed; everything else is refused.
    let allowed =
        ["blake3", "chrono", "cqrs-es", "iso_currency", "rust_decimal", "schemars", "serde", "serde_json", "sha2", "thiserror", "uuid"];
    let used = &dependencies()["holdfast-domain"];
    let unexpected: Vec<_> = used.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
    assert!(unexpected.is_empty(), "domain may not use {unexpected:?}");
}

#[test]
fn commands_and_projections_never_meet() {
    let dependencies = dependencies();
    assert!(!dependencies["holdfast-commands"].contains("holdfast-projections"));
    assert!(!dependencies["holdfast-projections"].contains("holdfast-commands"));
}

#[test]
fn data_flows_one_way() {
    let allowed: &[(&str, &[&str])] = &[
        ("holdfast-domain", &[]),
        ("holdfast-eventlog", &["holdfast-domain"]),
        ("holdfast-documents", &[]),
        ("holdfast-typesetting", &["holdfast-documents"]),
        ("holdfast-files", &["holdfast-domain"]),
        ("holdfast-commands", &["holdfast-domain", "holdfast-eventlog", "holdfast-documents", "holdfast-files"]),
        ("holdfast-projections", &["holdfast-domain", "holdfast-eventlog"]),
        (
            "holdfast-api",
            &[
                "holdfast-domain",
                "holdfast-eventlog",
                "holdfast-commands",
                "holdfast-projections",
                "holdfast-documents",
                "holdfast-typesetting",
                "holdfast-files",
            ],
        ),
    ];
    let dependencies = dependencies();
    for (room, may) in allowed {
        let ours: Vec<_> = dependencies[*room].iter().filter(|name| name.starts_with("holdfast-")).collect();
        assert!(ours.iter().all(|name| may.contains(&name.as_str())), "{room} uses {ours:?}");
    }
}

#[test]
fn only_the_edges_speak_http_and_only_the_log_speaks_nats() {
    let dependencies = dependencies();
    for room in ["holdfast-eventlog", "holdfast-commands", "holdfast-projections"] {
        assert!(!dependencies[room].contains("actix-web"), "{room} may not know HTTP");
    }
    for room in ["holdfast-commands", "holdfast-projections"] {
        assert!(!dependencies[room].contains("async-nats"), "{room} may not know NATS");
    }
}

#[test]
fn the_domain_asks_no_clock_and_no_dice() {
    // Invariant 10. Tests of the domain may.
    let forbidden =
        ["Utc::now", "Local::now", "SystemTime", "Instant::now", "new_v4", "now_v7", "rand::", "std::fs", "std::net", "std::env"];
    let mut found = Vec::new();
    for file in rust_files(concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        if file.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests")) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        found.extend(forbidden.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", file.display())));
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn reads_name_their_columns() {
    // Protocols 7.3.
    let mut found = Vec::new();
    for room in ["projections", "api"] {
        for file in rust_files(&format!("{}/../{room}/src", env!("CARGO_MANIFEST_DIR"))) {
            if std::fs::read_to_string(&file).unwrap().to_uppercase().contains("SELECT *") {
                found.push(file);
            }
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

/// Of two schemas with one name, the OpenAPI document shows one, at both places.
#[test]
fn no_two_schemas_share_a_name() {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for folder in ["api", "commands", "domain", "projections"] {
        for file in rust_files(&format!("{}/../{folder}/src", env!("CARGO_MANIFEST_DIR"))) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (_, after) in text.match_indices("ToSchema").map(|(at, word)| text.split_at(at + word.len())) {
                let Some((derived, rest)) = after.split_once(")]") else { continue };
                let is_derive = derived.chars().all(|sign| sign.is_alphanumeric() || " ,:_".contains(sign));
                let item = rest.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("///"));
                let words: Vec<&str> = item.unwrap_or_default().split(|sign: char| !sign.is_alphanumeric() && sign != '_').collect();
                let name = words.iter().skip_while(|word| !["struct", "enum"].contains(word)).nth(1);
                if let (true, Some(name)) = (is_derive, name) {
                    found.entry((*name).to_owned()).or_default().push(file.display().to_string());
                }
            }
        }
    }
    assert!(found.len() > 50, "schemas are found: {}", found.len());
    found.retain(|_, places| places.len() > 1);
    assert!(found.is_empty(), "{found:#?}");
}

fn rust_files(folder: &str) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}
