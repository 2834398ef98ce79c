//! An export verified with nothing but a public key, and perhaps heads that were kept from before.

use std::io::BufRead;

use serde::Deserialize;

use super::line::{Event, Footer, Header, LeftOut, VERSION};
use crate::seal::{Frontier, Seal, SealKeys};

/// What was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub after: i64,
    pub events: i64,
    /// Present by their hash only, as the export's filters say.
    pub left_out: i64,
    pub seal: Seal,
    /// Heads of before that this log continues.
    pub earlier: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the export cannot be read")]
    Read(#[from] std::io::Error),
    #[error("line {0} is not what an export has there")]
    Line(usize, #[source] serde_json::Error),
    #[error("this is no export of version {VERSION}")]
    Version,
    #[error("line {line}: position {found} where {expected} should be")]
    Position { line: usize, found: i64, expected: i64 },
    #[error("line {0}: an event is left out, and the export names no filter")]
    LeftOut(usize),
    #[error("the export ends before its footer: it is not complete")]
    NoFooter,
    #[error("there is something after the footer")]
    AfterFooter,
    #[error("header, lines and footer do not agree about what is in the export")]
    Counts,
    #[error("the seal is not signed by an accepted key")]
    Signature,
    #[error("the events are not those that were sealed")]
    Root,
    #[error("the earlier head of {0} events is not signed by an accepted key")]
    EarlierSignature(i64),
    #[error("the log of the earlier head of {0} events is not the beginning of this one")]
    Inconsistent(i64),
    #[error("the earlier head covers {earlier} events, this export ends at {through}: events are missing, or it is older")]
    Shorter { earlier: i64, through: i64 },
    #[error("the export begins after position {after}, the earlier head covers {earlier} events: export from {earlier} or before")]
    BeginsLater { earlier: i64, after: i64 },
    #[error("none of the earlier heads belongs to this tenant")]
    NoEarlier,
}

/// What a line after the header can be.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Event(Event),
    LeftOut(LeftOut),
    Footer(Box<Footer>),
}

/// `earlier`: empty when there are none; else at least one must be of this tenant, and all of this tenant's must be met.
///
/// # Errors
/// With the first thing that does not hold.
pub fn verify(export: impl BufRead, keys: &SealKeys, earlier: Option<&[Seal]>) -> Result<Verified, VerifyError> {
    let mut lines = export.lines().zip(1..);
    let (first, _) = lines.next().ok_or(VerifyError::Version)?;
    let header: Header = serde_json::from_str(&first?).map_err(|error| VerifyError::Line(1, error))?;
    if header.holdfast != "export" || header.version != VERSION {
        return Err(VerifyError::Version);
    }
    let earlier = earlier.map(|seals| earlier_heads(seals, &header, keys)).transpose()?.unwrap_or_default();
    let prefix = header.prefix.iter().map(|hash| hash.0).collect();
    let size = u64::try_from(header.after).map_err(|_| VerifyError::Counts)?;
    let mut tree = Frontier::after(size, prefix).ok_or(VerifyError::Counts)?;
    let (mut position, mut events, mut left_out) = (header.after, 0, 0);
    let mut met = meet(&earlier, position, &tree)?;
    while let Some((line, number)) = lines.next() {
        let line: Line = serde_json::from_str(&line?).map_err(|error| VerifyError::Line(number, error))?;
        let (found, hash) = match line {
            Line::Event(event) => {
                events += 1;
                (event.position, event.hash(header.tenant_id))
            }
            Line::LeftOut(_) if !header.is_filtered() => return Err(VerifyError::LeftOut(number)),
            Line::LeftOut(line) => {
                left_out += 1;
                (line.position, line.leaf_hash.0)
            }
            Line::Footer(footer) => {
                if lines.next().is_some() {
                    return Err(VerifyError::AfterFooter);
                }
                check_footer(&header, &footer, (position, events, left_out), &tree, keys)?;
                return Ok(Verified { after: header.after, events, left_out, seal: footer.seal, earlier: met });
            }
        };
        position += 1;
        if found != position {
            return Err(VerifyError::Position { line: number, found, expected: position });
        }
        tree.push(hash);
        met += meet(&earlier, position, &tree)?;
    }
    Err(VerifyError::NoFooter)
}

/// This tenant's, which must lie within the export.
fn earlier_heads(seals: &[Seal], header: &Header, keys: &SealKeys) -> Result<Vec<Seal>, VerifyError> {
    let mine: Vec<Seal> = seals.iter().filter(|seal| seal.tenant_id == header.tenant_id).cloned().collect();
    for seal in &mine {
        let earlier = seal.size;
        if !keys.accept(seal) {
            return Err(VerifyError::EarlierSignature(earlier));
        }
        if earlier > header.through {
            return Err(VerifyError::Shorter { earlier, through: header.through });
        }
    }
    // Of a whole series of heads those before the export's beginning say nothing about it; a single one must.
    let within: Vec<Seal> = mine.iter().filter(|seal| seal.size >= header.after).cloned().collect();
    match (within.is_empty(), mine.iter().map(|seal| seal.size).max()) {
        (true, None) => Err(VerifyError::NoEarlier),
        (true, Some(earlier)) => Err(VerifyError::BeginsLater { earlier, after: header.after }),
        (false, _) => Ok(within),
    }
}

/// How many heads of this size there are; all must have this root.
fn meet(earlier: &[Seal], size: i64, tree: &Frontier) -> Result<usize, VerifyError> {
    let mut met = 0;
    for seal in earlier.iter().filter(|seal| seal.size == size) {
        if seal.root != tree.root() {
            return Err(VerifyError::Inconsistent(size));
        }
        met += 1;
    }
    Ok(met)
}

fn check_footer(
    header: &Header,
    footer: &Footer,
    (position, events, left_out): (i64, i64, i64),
    tree: &Frontier,
    keys: &SealKeys,
) -> Result<(), VerifyError> {
    let seal = &footer.seal;
    let agreed = footer.holdfast == "footer"
        && (footer.events, footer.left_out) == (events, left_out)
        && header.through == position
        && seal.size == position
        && seal.tenant_id == header.tenant_id;
    if !agreed {
        return Err(VerifyError::Counts);
    }
    if !keys.accept(seal) {
        return Err(VerifyError::Signature);
    }
    if seal.root != tree.root() {
        return Err(VerifyError::Root);
    }
    Ok(())
}
