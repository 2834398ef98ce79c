//! Pages of docs/ that are made from the code: a test fails when they differ, `UPDATE_DOCS=1` writes them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What one source file says about its reaction.
struct Told {
    context: String,
    name: String,
    on: Vec<String>,
    about: String,
    commands: BTreeSet<String>,
    slow: bool,
}

#[test]
fn the_page_of_reactions_is_what_the_code_does() {
    let mut told: Vec<Told> = sources().iter().filter_map(|file| read(file)).collect();
    assert!(told.len() > 8, "reactions are files of commands/src/<context>/ with a constant of type Reaction or Effect");
    told.sort_by(|a, b| (&a.on, &a.name).cmp(&(&b.on, &b.name)));
    let mut page = String::from(
        "# Reactions\n\n<!-- made from commands/src: UPDATE_DOCS=1 cargo test -p holdfast-tests --test documents -->\n\n\
         What follows on which event. Each line is one file of `commands/src/<context>/`, named after what it does; each command carries a\n\
         key made of event, step and attempt, so it takes effect once however often it is sent. Effects (*slow*) talk to the world outside and\n\
         run beside the others, so that money never waits for them.\n\n\
         | event | reaction | commands | what |\n| --- | --- | --- | --- |\n",
    );
    let mut rows: Vec<(String, &Told)> = told.iter().flat_map(|told| told.on.iter().map(move |event| (event.clone(), told))).collect();
    rows.sort_by(|a, b| (&a.0, &a.1.name).cmp(&(&b.0, &b.1.name)));
    for (event, Told { context, name, about, commands, slow, .. }) in rows {
        let commands = commands.iter().map(|command| format!("`{command}`")).collect::<Vec<_>>().join(", ");
        let slow = if *slow { " *slow*" } else { "" };
        writeln!(page, "| `{event}` | `{context}/{name}`{slow} | {commands} | {about} |").unwrap();
    }
    let path = Path::new(ROOT).join("docs/reactions.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == page, "docs/reactions.md differs from the code: UPDATE_DOCS=1 writes it");
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for context in std::fs::read_dir(Path::new(ROOT).join("commands/src")).unwrap() {
        let context = context.unwrap().path();
        if context.is_dir() {
            files.extend(std::fs::read_dir(context).unwrap().map(|file| file.unwrap().path()));
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    files
}

/// None where the file holds no reaction.
fn read(file: &Path) -> Option<Told> {
    let text = std::fs::read_to_string(file).unwrap();
    let at = text.find(": Reaction =").or_else(|| text.find(": Effect ="))?;
    let slow = text[..at + 8].ends_with(": Effect");
    let constant = &text[at..];
    let name = quoted(&constant[constant.find("name:")?..])?;
    let on = &constant[constant.find("on:")?..];
    let on = &on[..on.find(']')?];
    let about: Vec<&str> =
        text.lines().take_while(|line| line.starts_with("//!")).map(|line| line.trim_start_matches("//!").trim()).collect();
    let about = about.split(|line| line.is_empty()).next()?.join(" ");
    assert!(about.contains('→'), "{} does not begin with what → what", file.display());
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    Some(Told {
        context: file.parent()?.file_name()?.to_string_lossy().into_owned(),
        name,
        on: quoted_all(on),
        about: about.replace('|', "\\|"),
        commands: commands(code),
        slow,
    })
}

fn quoted(text: &str) -> Option<String> {
    let start = text.find('"')? + 1;
    Some(text[start..start + text[start..].find('"')?].to_owned())
}

fn quoted_all(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every `WalletCommand::Credit` that the code names.
fn commands(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("Command::") {
        let word = |character: char| character.is_alphanumeric() || character == '_';
        let start = code[..at].rfind(|character| !word(character)).map_or(0, |before| before + 1);
        let rest = &code[at + "Command::".len()..];
        let end = rest.find(|character| !word(character)).unwrap_or(rest.len());
        let context = &code[start..at];
        if !context.is_empty() && rest[..end].starts_with(char::is_uppercase) {
            found.insert(format!("{context}::{}", &rest[..end]));
        }
    }
    found
}
