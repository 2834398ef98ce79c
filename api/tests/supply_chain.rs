//! What may become part of Holdfast: the licences, banned crates and sources of `deny.toml`, checked without another tool.

#![allow(clippy::unwrap_used, reason = "the helpers of tests")]

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{Metadata, MetadataCommand};
use serde::Deserialize;

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

fn deny() -> Deny {
    toml::from_str(&std::fs::read_to_string(root().join("deny.toml")).unwrap()).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn metadata() -> Metadata {
    let options = ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned).to_vec();
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).other_options(options).exec().unwrap()
}

/// Names of all crates that a build of the workspace compiles, features resolved as the build does (`cargo metadata` lists more).
fn built() -> BTreeSet<String> {
    let tree = ["tree", "--locked", "--workspace", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let target = ["--target", "x86_64-unknown-linux-gnu"];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo).args(tree).args(target).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

/// True when some choice between the `OR`s leaves only allowed licences; `(a OR b) AND c` is read as written.
fn allowed(expression: &str, allow: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let tokens = tokens(&expression);
    let (value, rest) = any_of(&tokens, allow);
    assert!(rest.is_empty(), "unreadable licence expression {expression:?}");
    value
}

fn tokens(expression: &str) -> Vec<String> {
    expression.replace('(', " ( ").replace(')', " ) ").split_whitespace().map(str::to_owned).collect()
}

fn any_of<'a>(tokens: &'a [String], allow: &BTreeSet<String>) -> (bool, &'a [String]) {
    let (mut value, mut rest) = all_of(tokens, allow);
    while rest.first().is_some_and(|token| token == "OR") {
        let (next, left) = all_of(&rest[1..], allow);
        (value, rest) = (value || next, left);
    }
    (value, rest)
}

fn all_of<'a>(tokens: &'a [String], allow: &BTreeSet<String>) -> (bool, &'a [String]) {
    let (mut value, mut rest) = one(tokens, allow);
    while rest.first().is_some_and(|token| token == "AND") {
        let (next, left) = one(&rest[1..], allow);
        (value, rest) = (value && next, left);
    }
    (value, rest)
}

fn one<'a>(tokens: &'a [String], allow: &BTreeSet<String>) -> (bool, &'a [String]) {
    if tokens[0] == "(" {
        let (value, rest) = any_of(&tokens[1..], allow);
        return (value, &rest[1..]);
    }
    let with_exception = tokens.get(1).is_some_and(|token| token == "WITH");
    let (name, rest) = if with_exception { (tokens[..3].join(" "), &tokens[3..]) } else { (tokens[0].clone(), &tokens[1..]) };
    (allow.contains(&name), rest)
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let (metadata, deny) = (metadata(), deny());
    let wrong: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(|licence| allowed(licence, &deny.licenses.allow)))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(wrong.is_empty(), "not allowed by deny.toml: {wrong:#?}");
}

#[test]
fn no_banned_crate_is_built() {
    let built = built();
    assert!(built.contains("holdfast-api") && built.contains("sqlx"), "the list of crates is incomplete");
    for banned in deny().bans.deny {
        assert!(!built.contains(&banned.name), "{} is banned: {}", banned.name, banned.reason);
    }
}

#[test]
fn everything_comes_from_the_public_registry_or_this_workspace() {
    for package in metadata().packages {
        let ours = package.source.is_none();
        assert!(
            ours || package.source.as_ref().is_some_and(|source| source.is_crates_io()),
            "{} comes from {:?}",
            package.name,
            package.source
        );
    }
}

#[test]
fn licence_expressions_are_read_as_written() {
    let allow = BTreeSet::from(["MIT".to_owned(), "Apache-2.0".to_owned(), "ISC".to_owned()]);
    for good in ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT", "(MIT OR GPL-3.0) AND ISC", "MIT AND (GPL-3.0 OR Apache-2.0)"] {
        assert!(allowed(good, &allow), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT AND GPL-3.0) OR AGPL-3.0", "Apache-2.0 WITH LLVM-exception"] {
        assert!(!allowed(bad, &allow), "{bad}");
    }
}
