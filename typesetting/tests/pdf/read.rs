//! What stands on the pages of a PDF, and in its description.

use lopdf::{Dictionary, Document, Object};

pub(crate) fn pages(pdf: &[u8]) -> Vec<String> {
    let document = Document::load_mem(pdf).unwrap();
    document.get_pages().keys().map(|page| document.extract_text(&[*page]).unwrap()).collect()
}

/// All pages as one line: the reader breaks lines where the layout does.
pub(crate) fn text(pdf: &[u8]) -> String {
    one_line(&pages(pdf).join(" "))
}

pub(crate) fn one_line(text: &str) -> String {
    text.replace('\u{200B}', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Title, author and creation date.
pub(crate) fn description(pdf: &[u8]) -> [String; 3] {
    let document = Document::load_mem(pdf).unwrap();
    let info: &Dictionary =
        document.trailer.get(b"Info").and_then(|info| document.dereference(info)).and_then(|(_, info)| info.as_dict()).unwrap();
    [b"Title".as_slice(), b"Author", b"CreationDate"].map(|key| string(info.get(key).unwrap()))
}

fn string(object: &Object) -> String {
    lopdf::decode_text_string(object).unwrap()
}
