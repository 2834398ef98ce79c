//! Typst, with nothing to reach but the templates, the fonts and the one document that is rendered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::Serialize;
use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, Timestamp};

use holdfast_documents::RenderError;

use crate::input;

pub(crate) enum Template {
    Contract,
    Statement,
    CallSheet,
}

impl Template {
    /// Longest word that surely fits into a line, in characters.
    const fn max_word(&self) -> usize {
        match self {
            Self::Contract | Self::CallSheet => 40,
            Self::Statement => 20,
        }
    }
}

/// What the PDF says about itself.
pub(crate) struct About {
    /// The same for every rendering of one document, different for others.
    pub ident: String,
    pub dated: DateTime<Utc>,
}

/// # Errors
/// `TooLarge`; `Failed` for a defect in a template.
pub(crate) fn render(template: Template, about: About, document: &impl Serialize) -> Result<Vec<u8>, RenderError> {
    let data = Bytes::new(input::to_json(document, template.max_word())?);
    let shared = SHARED.as_ref().ok_or_else(|| RenderError::Failed("the templates are incomplete".to_owned()))?;
    let job = Job { shared, main: shared.main(&template), data };
    // The layout engine asserts what it believes about a document; a wrong belief must not take the caller down.
    let pdf = catch_unwind(AssertUnwindSafe(|| job.pdf(about)));
    // Its cache would hold every text that was ever rendered.
    typst::comemo::evict(0);
    pdf.unwrap_or_else(|_| Err(RenderError::Failed("the layout engine panicked".to_owned())))
}

static SHARED: LazyLock<Option<Shared>> = LazyLock::new(Shared::new);

/// Made once for all documents.
struct Shared {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    house: Source,
    contract: Source,
    statement: Source,
    call_sheet: Source,
    data: FileId,
}

impl Shared {
    fn new() -> Option<Self> {
        let fonts: Vec<Font> = typst_assets::fonts().filter_map(|data| Font::new(Bytes::new(data), 0)).filter(is_used).collect();
        let source = |name, text: &str| Some(Source::new(file(name)?, text.to_owned()));
        Some(Self {
            library: LazyHash::new(Library::default()),
            book: LazyHash::new(FontBook::from_fonts(&fonts)),
            fonts,
            house: source("house.typ", include_str!("templates/house.typ"))?,
            contract: source("contract.typ", include_str!("templates/contract.typ"))?,
            statement: source("statement.typ", include_str!("templates/statement.typ"))?,
            call_sheet: source("call_sheet.typ", include_str!("templates/call_sheet.typ"))?,
            data: file("data.json")?,
        })
    }

    const fn main(&self, template: &Template) -> &Source {
        match template {
            Template::Contract => &self.contract,
            Template::Statement => &self.statement,
            Template::CallSheet => &self.call_sheet,
        }
    }
}

fn file(name: &str) -> Option<FileId> {
    Some(RootedPath::new(VirtualRoot::Project, VirtualPath::new(name).ok()?).intern())
}

fn is_used(font: &Font) -> bool {
    matches!(font.info().family.as_str(), "Libertinus Serif" | "DejaVu Sans Mono")
}

/// One document being rendered.
struct Job {
    shared: &'static Shared,
    main: &'static Source,
    data: Bytes,
}

impl Job {
    fn pdf(&self, about: About) -> Result<Vec<u8>, RenderError> {
        let document = typst::compile::<PagedDocument>(self).output.map_err(|errors| failed(&errors))?;
        let options = PdfOptions {
            ident: Smart::Custom(about.ident),
            creator: Smart::Custom(Some("Holdfast".to_owned())),
            timestamp: date(about.dated).map(Timestamp::new_utc),
            ..PdfOptions::default()
        };
        typst_pdf::pdf(&document, &options).map_err(|errors| failed(&errors))
    }
}

fn failed(errors: &[SourceDiagnostic]) -> RenderError {
    RenderError::Failed(errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; "))
}

/// `None` for a year that a PDF cannot write: such a document has no date.
fn date(at: DateTime<Utc>) -> Option<Datetime> {
    let year = Some(at.year()).filter(|year| (0..=9999).contains(year))?;
    let [month, day, hour, minute, second] = [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(u8::try_from);
    Datetime::from_ymd_hms(year, month.ok()?, day.ok()?, hour.ok()?, minute.ok()?, second.ok()?)
}

impl World for Job {
    fn library(&self) -> &LazyHash<Library> {
        &self.shared.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.shared.book
    }

    fn main(&self) -> FileId {
        self.main.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        [self.main, &self.shared.house].into_iter().find(|source| source.id() == id).cloned().ok_or_else(not_found)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        (id == self.shared.data).then(|| self.data.clone()).ok_or_else(not_found)
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.shared.fonts.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

fn not_found() -> FileError {
    FileError::NotFound(PathBuf::new())
}
