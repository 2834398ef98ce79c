//! Changes of inputs.

use crate::Dice;

/// What parsers trip over, whatever they parse.
const STRANGE: &[&str] = &[
    "\0",
    "\u{feff}",
    "\u{202e}",
    "é",
    "👍",
    "\r\n",
    "\t",
    " ",
    "\"",
    "\\",
    "'",
    "--",
    "%00",
    "%",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "0",
    "00",
    "1e309",
    "-0",
    "0.1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "NaN",
    "00000000-0000-0000-0000-000000000000",
    "+262142-12-31T23:59:59Z",
    "-262143-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-12-31T23:59:60Z",
    "EUR",
    "XXX",
    "../",
    "${jndi:x}",
];

/// One of `pool` after one to four changes; sometimes nothing but rubbish.
#[must_use]
pub fn mutated(pool: &[Vec<u8>], words: &[&str], dice: &mut Dice) -> Vec<u8> {
    if dice.below(64) == 0 {
        return (0..dice.below(64)).map(|_| dice.byte()).collect();
    }
    let mut input = dice.pick(pool).cloned().unwrap_or_default();
    for _ in 0..=dice.below(4) {
        change(&mut input, pool, words, dice);
    }
    input
}

fn change(input: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&str], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let end = (at + dice.below(16)).min(input.len());
    match dice.below(9) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = dice.byte();
            }
        }
        2 => input.insert(at, dice.byte()),
        3 => drop(input.drain(at..end)),
        4 => {
            let copied = input[at..end].to_vec();
            input.splice(at..at, copied);
        }
        5 | 6 => {
            let list = if words.is_empty() || dice.below(3) == 0 { STRANGE } else { words };
            let word = dice.pick(list).copied().unwrap_or_default();
            // Beside what is there, or instead of it.
            let end = if dice.below(2) == 0 { at } else { end };
            input.splice(at..end, word.bytes());
        }
        7 => {
            // The head of this one and the tail of another.
            let other = dice.pick(pool).cloned().unwrap_or_default();
            let from = dice.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => {
            // A digit or letter becomes its neighbour: still of the same kind, no longer the same.
            if let Some(byte) = input.get_mut(at).filter(|byte| byte.is_ascii_alphanumeric()) {
                *byte = if dice.below(2) == 0 { byte.saturating_add(1) } else { byte.saturating_sub(1) };
            }
        }
    }
}
