//! Small files that are what they say.

pub(crate) const PDF: &str = "application/pdf";
pub(crate) const TEXT: &str = "text/plain";

pub(crate) fn pdf(n: usize) -> Vec<u8> {
    format!("%PDF-1.7\n% {n:08}\n%%EOF\n").into_bytes()
}

/// A PDF of this size, with bytes that repeat nowhere near a part's size.
pub(crate) fn large_pdf(size: usize) -> Vec<u8> {
    let mut content = pdf(0);
    let mut state = 1_u32;
    while content.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        content.extend_from_slice(&state.to_be_bytes());
    }
    content.truncate(size);
    content
}
