//! Proofs for those who keep a signed head and do not want the whole log.

use holdfast_domain::kernel::TenantId;
use sqlx::PgConnection;

use super::store::load;
use super::tiles;
use super::tree::{Hash, Range, consistency_path, inclusion_path};
use crate::LogError;

/// That the event at `position` is in the log of `size` events (RFC 6962, 2.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    pub position: i64,
    pub size: i64,
    pub leaf_hash: Hash,
    pub path: Vec<Hash>,
    pub root: Hash,
}

/// That the log of `from` events is the beginning of the log of `to` events (RFC 6962, 2.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    pub from: i64,
    pub to: i64,
    pub from_root: Hash,
    pub to_root: Hash,
    pub path: Vec<Hash>,
}

#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error("must be at least 1")]
    TooSmall(&'static str),
    /// Or not sealed yet.
    #[error("must be at most {most}")]
    TooLarge { parameter: &'static str, most: i64 },
    #[error("tiles are missing")]
    Incomplete,
    #[error(transparent)]
    Log(#[from] LogError),
}

/// `size` is not larger than the newest seal's.
///
/// # Errors
/// When position or size are out of range, tiles are missing, or the database does not answer.
pub async fn inclusion(connection: &mut PgConnection, tenant_id: TenantId, position: i64, size: i64) -> Result<Inclusion, ProofError> {
    let (index, leaves) = (at_least_1("position", position)? - 1, at_least_1("size", size)?);
    if position > size {
        return Err(ProofError::TooLarge { parameter: "position", most: size });
    }
    let mut ranges = vec![Range { from: index, to: index + 1 }, Range { from: 0, to: leaves }];
    ranges.extend(inclusion_path(index, leaves));
    let [leaf_hash, root, path @ ..] = &hashes(connection, tenant_id, &ranges).await?[..] else { return Err(ProofError::Incomplete) };
    Ok(Inclusion { position, size, leaf_hash: *leaf_hash, path: path.to_vec(), root: *root })
}

/// `to` is not larger than the newest seal's size.
///
/// # Errors
/// When the sizes are out of range, tiles are missing, or the database does not answer.
pub async fn consistency(connection: &mut PgConnection, tenant_id: TenantId, from: i64, to: i64) -> Result<Consistency, ProofError> {
    let (old, new) = (at_least_1("from", from)?, at_least_1("to", to)?);
    if from > to {
        return Err(ProofError::TooLarge { parameter: "from", most: to });
    }
    let mut ranges = vec![Range { from: 0, to: old }, Range { from: 0, to: new }];
    ranges.extend(consistency_path(old, new));
    let [from_root, to_root, path @ ..] = &hashes(connection, tenant_id, &ranges).await?[..] else { return Err(ProofError::Incomplete) };
    Ok(Consistency { from, to, from_root: *from_root, to_root: *to_root, path: path.to_vec() })
}

fn at_least_1(parameter: &'static str, value: i64) -> Result<u64, ProofError> {
    u64::try_from(value).ok().filter(|value| *value > 0).ok_or(ProofError::TooSmall(parameter))
}

async fn hashes(connection: &mut PgConnection, tenant_id: TenantId, ranges: &[Range]) -> Result<Vec<Hash>, ProofError> {
    let tiles = load(connection, tenant_id, &tiles::needed(ranges)).await?;
    ranges.iter().map(|range| tiles.range(*range)).collect::<Option<_>>().ok_or(ProofError::Incomplete)
}
