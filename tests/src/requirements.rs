//! Which requirements have a test that names them, and which have none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// `docs/requirements.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    area: Vec<Area>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Area {
    prefix: String,
    about: String,
    /// `12`, `50a` or `30..48`.
    ids: Vec<String>,
    /// What waits for something, and for what.
    #[serde(default)]
    open: BTreeMap<String, String>,
}

/// One requirement id and where tests name it.
#[derive(Debug)]
pub struct Requirement {
    pub id: String,
    pub about: String,
    pub open: Option<String>,
    /// Files, from the project's root.
    pub tests: BTreeSet<String>,
}

/// Every requirement of the catalogue with its tests.
///
/// # Errors
/// When the catalogue or a source file cannot be read, or an open id is not in the catalogue.
pub fn requirements(root: &Path) -> Result<Vec<Requirement>> {
    let catalogue: Catalogue = toml::from_str(&std::fs::read_to_string(root.join("docs/requirements.toml"))?)?;
    let named = named_in_tests(root, &catalogue, true)?;
    let mut all = Vec::new();
    for area in &catalogue.area {
        let numbers = area.ids.iter().map(|range| expand(range)).collect::<Result<Vec<_>>>()?.concat();
        if let Some(unknown) = area.open.keys().find(|number| !numbers.contains(number)) {
            bail!("{}-{unknown} is listed as open and is no id of its area", area.prefix);
        }
        for number in numbers {
            let id = format!("{}-{number}", area.prefix);
            let tests = named.get(&id).cloned().unwrap_or_default();
            all.push(Requirement { open: area.open.get(&number).cloned(), about: area.about.clone(), id, tests });
        }
    }
    Ok(all)
}

/// Ids that a test names although the catalogue does not have them, with the file. A range may have gaps.
///
/// # Errors
/// As [`requirements`].
pub fn unknown_ids(root: &Path) -> Result<Vec<String>> {
    let catalogue: Catalogue = toml::from_str(&std::fs::read_to_string(root.join("docs/requirements.toml"))?)?;
    let known: BTreeSet<String> = requirements(root)?.into_iter().map(|requirement| requirement.id).collect();
    let named = named_in_tests(root, &catalogue, false)?;
    let unknown = named.into_iter().filter(|(id, _)| !known.contains(id));
    Ok(unknown.map(|(id, files)| format!("{id} in {}", files.into_iter().collect::<Vec<_>>().join(", "))).collect())
}

/// `30..48` as 30, 31, …; a single number as itself.
fn expand(range: &str) -> Result<Vec<String>> {
    let Some((first, last)) = range.split_once("..") else { return Ok(vec![range.to_owned()]) };
    let number = |text: &str| text.parse::<u32>().with_context(|| format!("{range} is no range of numbers"));
    Ok((number(first)?..=number(last)?).map(|number| format!("{number:02}")).collect())
}

fn named_in_tests(root: &Path, catalogue: &Catalogue, ranges: bool) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut named = BTreeMap::<String, BTreeSet<String>>::new();
    for file in rust_files(root)? {
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let text = std::fs::read_to_string(&file)?;
        for line in test_lines(&shown, &text) {
            for area in &catalogue.area {
                for number in numbers_in(line, &area.prefix, ranges) {
                    named.entry(format!("{}-{number}", area.prefix)).or_default().insert(shown.clone());
                }
            }
        }
    }
    Ok(named)
}

/// Of a file of tests, every line; of another, what stands behind its first `#[cfg(test)]`.
fn test_lines<'a>(path: &str, text: &'a str) -> impl Iterator<Item = &'a str> {
    let is_test = path.split('/').any(|part| matches!(part, "tests" | "tests.rs")) && !path.starts_with("tests/src/requirements");
    let from = if is_test { 0 } else { text.find("#[cfg(test)]").unwrap_or(text.len()) };
    text[from..].lines()
}

/// `ESC-36`, `ESC-30..32`, and `esc_36_` in the name of a test.
fn numbers_in(line: &str, prefix: &str, ranges: bool) -> Vec<String> {
    let mut found = Vec::new();
    let marker = format!("{prefix}-");
    for (at, _) in line.match_indices(&marker) {
        let rest = &line[at + marker.len()..];
        let (number, rest) = number_at(rest);
        let Some(number) = number else { continue };
        if let Some(last) = rest.strip_prefix("..").and_then(|rest| number_at(rest).0)
            && let Ok(range) = expand(&format!("{number}..{last}"))
        {
            if ranges {
                found.extend(range);
            }
        } else {
            found.push(number);
        }
    }
    let in_name = format!("fn {}_", prefix.to_lowercase());
    if let Some(at) = line.find(&in_name)
        && let (Some(number), _) = number_at(&line[at + in_name.len()..])
    {
        found.push(number);
    }
    found
}

/// The number, with its letter when it has one, and what follows it.
fn number_at(text: &str) -> (Option<String>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return (None, text);
    }
    let letter = text[digits..].bytes().next().filter(u8::is_ascii_lowercase);
    let ends = |at: usize| text[at..].bytes().next().is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let end = if letter.is_some() && ends(digits + 1) { digits + 1 } else { digits };
    (Some(text[..end].to_owned()), &text[end..])
}

fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_alone_in_ranges_and_in_names() {
        assert_eq!(numbers_in("    // ESC-36, MNY-14 and ESC-50a.", "ESC", true), ["36", "50a"]);
        assert_eq!(numbers_in("// ESC-30..32: money in", "ESC", true), ["30", "31", "32"]);
        assert_eq!(numbers_in("async fn mny_07_a_wallet_pays() {", "MNY", true), ["07"]);
        assert_eq!(numbers_in("// ESCALATE-3", "ESC", true), Vec::<String>::new());
    }

    #[test]
    fn only_what_is_behind_the_test_attribute_counts_elsewhere() {
        let text = "// ESC-01\n#[cfg(test)]\nmod tests { // ESC-02\n}";
        let lines = |path| test_lines(path, text).filter(|line| line.contains("ESC")).count();
        assert_eq!((lines("domain/src/escrow/status.rs"), lines("domain/src/escrow/tests/money.rs")), (1, 2));
    }
}
