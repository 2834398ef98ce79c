use crate::given::*;
use holdfast_documents::*;
#[test]
fn write() {
    let out = std::path::Path::new("/tmp/hfdoc");
    for i in 0..20 {
        let t = std::time::Instant::now();
        let pdf = contract_pdf(&signed(AGREEMENT)).unwrap();
        println!("contract {i} {:?}", t.elapsed());
        std::fs::write(out.join("contract.pdf"), pdf).unwrap();
        let t = std::time::Instant::now();
        let pdf = contract_pdf(&draft(AGREEMENT)).unwrap();
        println!("draft {i} {:?}", t.elapsed());
        std::fs::write(out.join("draft.pdf"), pdf).unwrap();
        let t = std::time::Instant::now();
        let pdf = statement_pdf(&statement(60)).unwrap();
        println!("statement {i} {:?}", t.elapsed());
        std::fs::write(out.join("statement.pdf"), pdf).unwrap();
        let t = std::time::Instant::now();
        let pdf = call_sheet_pdf(&call_sheet()).unwrap();
        println!("sheet {i} {:?}", t.elapsed());
        std::fs::write(out.join("sheet.pdf"), pdf).unwrap();
    }
}
