//! What a file really is, found while its bytes pass by once.

use memchr::memmem;
use sha2::{Digest as _, Sha256};

use crate::content_type::{Check, HEAD_BYTES};
use crate::{Checksum, ContentType};

/// Counts, hashes and looks at content as it arrives, in pieces of any size. Keeps a few kilobytes, never the file.
pub(crate) struct Inspector {
    hash: Sha256,
    size: u64,
    head: Vec<u8>,
    body: Body,
}

/// What has to be looked at beyond the head.
enum Body {
    Nothing,
    Text(Text),
    Entry { name: &'static str, found: bool, tail: Vec<u8> },
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) size: u64,
    pub(crate) sha256: Checksum,
    /// None when the content is what was announced; else what it seems to be.
    pub(crate) other_type: Option<&'static str>,
}

impl Inspector {
    pub(crate) fn new(announced: ContentType) -> Self {
        let body = match announced.check() {
            Check::Head(_) => Body::Nothing,
            Check::Text => Body::Text(Text::default()),
            Check::ZipWith(name) => Body::Entry { name, found: false, tail: Vec::new() },
        };
        Self { hash: Sha256::new(), size: 0, head: Vec::new(), body }
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        self.size += piece.len() as u64;
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend_from_slice(&piece[..piece.len().min(missing)]);
        match &mut self.body {
            Body::Nothing => {}
            Body::Text(text) => text.update(piece),
            Body::Entry { found: true, .. } => {}
            Body::Entry { name, found, tail } => {
                // A name may lie across two pieces.
                tail.extend_from_slice(piece);
                *found = memmem::find(tail, name.as_bytes()).is_some();
                let keep = tail.len().min(name.len() - 1);
                tail.drain(..tail.len() - keep);
            }
        }
    }

    pub(crate) fn finish(self, announced: ContentType) -> Found {
        let fits = match (announced.check(), &self.body) {
            (Check::Head(is), _) => is(&self.head),
            (Check::Text, Body::Text(text)) => text.is_whole(),
            (Check::ZipWith(_), Body::Entry { found, .. }) => *found && infer::archive::is_zip(&self.head),
            (Check::Text | Check::ZipWith(_), _) => false,
        };
        let other_type = if fits { None } else { Some(guess(&self.head, announced)) };
        Found { size: self.size, sha256: Checksum::finished(self.hash), other_type }
    }
}

/// For people who wonder why their file was refused: what it looks like, which is never what was announced.
fn guess(head: &[u8], announced: ContentType) -> &'static str {
    let mut text = Text::default();
    text.update(head);
    let plain = text.clean && !head.is_empty() && !matches!(announced.check(), Check::Text);
    match infer::get(head) {
        Some(known) if known.mime_type() != announced.mime() => known.mime_type(),
        None if plain => "text/plain",
        Some(_) | None => "application/octet-stream",
    }
}

/// UTF-8 without NUL, so far.
struct Text {
    clean: bool,
    /// The first bytes of a character that the next piece completes; at most 3.
    begun: Vec<u8>,
}

impl Default for Text {
    fn default() -> Self {
        Self { clean: true, begun: Vec::new() }
    }
}

impl Text {
    fn update(&mut self, piece: &[u8]) {
        if !self.clean {
            return;
        }
        self.begun.extend_from_slice(piece);
        let whole = match std::str::from_utf8(&self.begun) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => {
                self.clean = false;
                return;
            }
        };
        self.clean = !self.begun[..whole].contains(&0);
        self.begun.drain(..whole);
    }

    fn is_whole(&self) -> bool {
        self.clean && self.begun.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inspect(mime: &str, content: &[u8], piece: usize) -> Found {
        let announced = ContentType::of(mime).unwrap();
        let mut inspector = Inspector::new(announced);
        content.chunks(piece).for_each(|piece| inspector.update(piece));
        inspector.finish(announced)
    }

    const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

    #[test]
    fn a_text_is_a_text_however_it_is_cut() {
        // TAL-20
        let content = "grüße, 世界 🌍\r\n".as_bytes();
        for piece in 1..=content.len() {
            let found = inspect("text/csv", content, piece);
            assert_eq!(found.other_type, None, "pieces of {piece}");
            assert_eq!((found.size, found.sha256), (content.len() as u64, Checksum::of(content)));
        }
        for wrong in [&content[..content.len() - 3], b"latin \xe9", b"nul \0", b"\xff\xfeu\0t\0f\0"] {
            for piece in 1..=wrong.len() {
                let other_type = inspect("text/plain", wrong, piece).other_type;
                assert_eq!(other_type, Some("application/octet-stream"), "{wrong:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn an_office_document_is_told_from_any_other_archive() {
        // TAL-20
        let archive = [b"PK\x03\x04".as_slice(), &[0; 600], b"word/document.xml", &[7; 40]].concat();
        for piece in 1..=archive.len() {
            assert_eq!(inspect(DOCX, &archive, piece).other_type, None, "pieces of {piece}");
        }
        assert_eq!(inspect("application/zip", &archive, 512).other_type, None);
        assert_eq!(inspect(DOCX, &archive[..600], 512).other_type, Some("application/zip"));
        assert_eq!(inspect(DOCX, b"word/document.xml", 512).other_type, Some("text/plain"), "a name alone is no archive");
    }

    #[test]
    fn content_that_lies_about_its_type_is_named() {
        // TAL-20
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        assert_eq!(inspect("image/png", png, 3).other_type, None);
        assert_eq!(inspect("application/pdf", png, 3).other_type, Some("image/png"));
        assert_eq!(inspect("application/pdf", b"MZ\x90\0", 3).other_type, Some("application/vnd.microsoft.portable-executable"));
        assert_eq!(inspect("application/pdf", b"", 3).other_type, Some("application/octet-stream"));
        let html = b"<!DOCTYPE html><script>alert(1)</script>";
        assert_eq!(inspect("image/png", html, 9).other_type, Some("text/html"));
    }

    proptest! {
        #[test]
        fn any_content_is_counted_and_hashed_and_breaks_nothing(
            magic in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\0\0\0\x18ftyp", b"RIFF", b"\x1a\x45\xdf\xa3"]),
            rest in prop::collection::vec(any::<u8>(), 0..2_000),
            piece in 1_usize..500,
        ) {
            let content = [magic, &rest].concat();
            for content_type in ContentType::all() {
                let found = inspect(content_type.mime(), &content, piece);
                prop_assert_eq!((found.size, found.sha256), (content.len() as u64, Checksum::of(&content)));
                prop_assert_ne!(found.other_type, Some(content_type.mime()));
            }
        }
    }
}
