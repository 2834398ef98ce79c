//! Which types of files are taken, and how each is told from its content (TAL-19).

use std::fmt;

use crate::Refusal;

/// A type from the table: the only ones that can be uploaded.
#[derive(Clone, Copy)]
pub struct ContentType(&'static Row);

#[derive(Debug)]
struct Row {
    mime: &'static str,
    extension: &'static str,
    check: Check,
}

/// How content shows that it is of a type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Check {
    /// The first bytes.
    Head(fn(&[u8]) -> bool),
    /// UTF-8 without NUL, from the first byte to the last.
    Text,
    /// A ZIP archive with an entry of this name. Archives keep names uncompressed.
    ZipWith(&'static str),
}

use Check::{Head, Text, ZipWith};
use infer::{archive, audio, image, video};

/// How much of a file [`Check::Head`] may look at.
pub(crate) const HEAD_BYTES: usize = 8 * 1024;

#[rustfmt::skip] // keeps the columns
const TABLE: &[Row] = &[
    Row { mime: "application/pdf",  extension: "pdf",  check: Head(archive::is_pdf) },
    Row { mime: "image/png",        extension: "png",  check: Head(image::is_png) },
    Row { mime: "image/jpeg",       extension: "jpg",  check: Head(image::is_jpeg) },
    Row { mime: "image/webp",       extension: "webp", check: Head(image::is_webp) },
    Row { mime: "image/gif",        extension: "gif",  check: Head(image::is_gif) },
    Row { mime: "image/heic",       extension: "heic", check: Head(image::is_heif) },
    Row { mime: "video/mp4",        extension: "mp4",  check: Head(is_mp4) },
    Row { mime: "video/quicktime",  extension: "mov",  check: Head(video::is_mov) },
    Row { mime: "video/webm",       extension: "webm", check: Head(video::is_webm) },
    Row { mime: "audio/mpeg",       extension: "mp3",  check: Head(audio::is_mp3) },
    Row { mime: "audio/mp4",        extension: "m4a",  check: Head(audio::is_m4a) },
    Row { mime: "audio/wav",        extension: "wav",  check: Head(audio::is_wav) },
    Row { mime: "text/plain",       extension: "txt",  check: Text },
    Row { mime: "text/csv",         extension: "csv",  check: Text },
    Row { mime: "text/markdown",    extension: "md",   check: Text },
    Row { mime: "application/zip",  extension: "zip",  check: Head(archive::is_zip) },
    Row { mime: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",   extension: "docx", check: ZipWith("word/document.xml") },
    Row { mime: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",         extension: "xlsx", check: ZipWith("xl/workbook.xml") },
    Row { mime: "application/vnd.openxmlformats-officedocument.presentationml.presentation", extension: "pptx", check: ZipWith("ppt/presentation.xml") },
];

/// Phones write MP4 under both brands.
fn is_mp4(head: &[u8]) -> bool {
    video::is_mp4(head) || video::is_m4v(head)
}

impl ContentType {
    /// `mime` in any case; parameters such as `; charset=utf-8` do not count.
    ///
    /// # Errors
    /// [`Refusal::TypeNotAllowed`] when the table does not have it.
    pub fn of(mime: &str) -> Result<Self, Refusal> {
        let essence = mime.split(';').next().unwrap_or_default().trim();
        TABLE
            .iter()
            .find(|row| row.mime.eq_ignore_ascii_case(essence))
            .map(Self)
            .ok_or_else(|| Refusal::TypeNotAllowed { mime: essence.chars().take(100).collect() })
    }

    /// All that are taken.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(Self)
    }

    #[must_use]
    pub const fn mime(self) -> &'static str {
        self.0.mime
    }

    /// Without a dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        self.0.extension
    }

    pub(crate) const fn check(self) -> Check {
        self.0.check
    }
}

impl PartialEq for ContentType {
    fn eq(&self, other: &Self) -> bool {
        self.mime() == other.mime()
    }
}

impl Eq for ContentType {}

impl fmt::Debug for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mime())
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mime())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_whatever_its_case_and_parameters() {
        // TAL-19
        assert_eq!(ContentType::of("Text/Plain; charset=utf-8").unwrap().mime(), "text/plain");
        for content_type in ContentType::all() {
            assert_eq!(ContentType::of(content_type.mime()), Ok(content_type));
        }
    }

    #[test]
    fn what_a_browser_could_run_is_not_taken() {
        // TAL-19
        for mime in
            ["text/html", "image/svg+xml", "application/javascript", "application/octet-stream", "application/x-executable", "", ";"]
        {
            assert!(matches!(ContentType::of(mime), Err(Refusal::TypeNotAllowed { .. })), "{mime}");
        }
    }
}
