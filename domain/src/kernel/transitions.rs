//! State machines are data: a table of (state, action, next states).

/// The rows of `table` that start at `from` with `action`; empty means that the move is illegal.
pub fn find_transition<S: PartialEq + Copy, A: PartialEq + Copy>(table: &[(S, A, S)], from: S, action: A) -> impl Iterator<Item = S> {
    table.iter().filter(move |(state, on, _)| *state == from && *on == action).map(|(_, _, to)| *to)
}
