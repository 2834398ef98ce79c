//! Does what `docs/adding-an-aggregate.md` says to the copy of the project in the folder that it is given.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("which folder?")?;
    let root = Path::new(&folder);
    let page = std::fs::read_to_string(root.join("docs/adding-an-aggregate.md"))?;
    let lines: Vec<&str> = page.lines().collect();
    let mut done = 0;
    for (number, pair) in lines.windows(2).enumerate() {
        let [line, next] = pair else { continue };
        if !next.starts_with("```") || !line.ends_with(':') {
            continue;
        }
        let block: Vec<&str> = lines[number + 2..].iter().take_while(|line| !line.starts_with("```")).copied().collect();
        let words: Vec<&str> = line.split('`').collect();
        match words[..] {
            ["", path, ":"] => create(&root.join(path), &block)?,
            ["In ", path, ", above ", anchor, ":"] => insert(&root.join(path), anchor, &block, 0)?,
            ["In ", path, ", below ", anchor, ":"] => insert(&root.join(path), anchor, &block, 1)?,
            _ => bail!("line {}: what does {line:?} mean?", number + 1),
        }
        done += 1;
    }
    ensure!(done > 20, "only {done} steps were found");
    Ok(())
}

fn create(path: &Path, block: &[&str]) -> Result<()> {
    ensure!(!path.exists(), "{} is there already", path.display());
    std::fs::create_dir_all(path.parent().context("a file stands in a folder")?)?;
    Ok(std::fs::write(path, block.join("\n") + "\n")?)
}

fn insert(path: &Path, anchor: &str, block: &[&str], after: usize) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.starts_with(anchor)).with_context(|| format!("{}: no line {anchor:?}", path.display()))?;
    lines.splice(at + after..at + after, block.iter().copied());
    Ok(std::fs::write(path, lines.join("\n") + "\n")?)
}
