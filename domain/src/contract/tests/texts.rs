//! Templates, clauses, and the text that is made of them (CTR-01, CTR-02, CTR-11..15, CTR-17).

use std::collections::BTreeMap;

use cqrs_es::test::TestFramework;
use proptest::prelude::*;

use super::case::{TENANT, staff};
use crate::contract::*;
use crate::kernel::{DomainError, ErrorKind, TenantAggregate, TenantId};

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn variable(name: &str, required: bool, default: Option<&str>) -> Variable {
    Variable { name: name.to_owned(), description: String::new(), required, default: default.map(str::to_owned) }
}

fn template(body_md: &str, variables: Vec<Variable>) -> TemplateCommand {
    TemplateCommand::Create { name: "Shooting".to_owned(), body_md: body_md.to_owned(), variables, status: TemplateStatus::Published }
}

fn decided(given: &[TemplateEvent], command: TemplateCommand) -> Result<Vec<TemplateEvent>, TemplateError> {
    TestFramework::<Template>::with(staff()).given(given.to_vec()).when(command).inspect_result()
}

fn refused(command: TemplateCommand) -> TemplateError {
    decided(&[], command).unwrap_err()
}

fn folded(events: &[TemplateEvent]) -> Template {
    let mut template = Template::default();
    for event in events {
        cqrs_es::Aggregate::apply(&mut template, event.clone());
    }
    template
}

#[test]
fn a_change_makes_the_next_version_and_none_makes_none() {
    // CTR-11, CTR-13
    let mut events = decided(&[], template("Dear {{ name }}", vec![variable("name", true, None)])).unwrap();
    let rename = |name: &str| TemplateCommand::Update { name: Some(name.to_owned()), body_md: None, variables: None, status: None };
    assert!(decided(&events, rename("Shooting")).unwrap().is_empty());
    events.extend(decided(&events, rename("Film")).unwrap());
    let changed = folded(&events);
    let current = changed.current().unwrap();
    assert_eq!((current.version, current.name.as_str(), current.body_md.as_str()), (2, "Film", "Dear {{ name }}"));
    assert_eq!(decided(&[], rename("Film")), Err(TemplateError::NotFound));
    assert_eq!(decided(&events, template("x", vec![])), Err(TemplateError::Exists));
}

#[test]
fn only_a_published_template_makes_contracts() {
    // CTR-30
    assert_eq!(Template::default().published(), Err(TemplateError::NotFound));
    let mut events = decided(&[], template("x", vec![])).unwrap();
    assert!(folded(&events).published().is_ok());
    for status in [TemplateStatus::Draft, TemplateStatus::Archived] {
        let change = TemplateCommand::Update { name: None, body_md: None, variables: None, status: Some(status) };
        events.extend(decided(&events, change).unwrap());
        assert_eq!(folded(&events).published(), Err(TemplateError::NotPublished));
        assert_eq!(folded(&events).status(), status.as_str());
    }
}

#[test]
fn a_template_that_could_not_be_rendered_is_refused_with_what_is_wrong() {
    let undeclared = refused(template("{{a}} {{b}} {{a}} {{clause:x}}", vec![variable("b", true, None)]));
    assert_eq!(undeclared, TemplateError::VariableUndeclared { names: vec!["a".to_owned()] });
    assert_eq!(undeclared.details()["names"][0], "a");
    for broken in ["{{Name}}", "{{clause:}}", "{{a b}}", "{{", "{{}}", "{{ {{a}} }}"] {
        let refusal = refused(template(broken, vec![variable("a", true, None)]));
        assert_eq!(refusal.describe(), (ErrorKind::Invalid, "PLACEHOLDER_INVALID"), "{broken}");
    }
    for name in ["", "Name", "1a", "a-b", &"a".repeat(65)] {
        assert_eq!(refused(template("x", vec![variable(name, false, None)])).describe().1, "VARIABLE_NAME_INVALID", "{name}");
    }
    let twice = vec![variable("a", false, None), variable("a", true, None)];
    assert_eq!(refused(template("x", twice)).describe().1, "VARIABLE_DECLARED_TWICE");
    let many = (0..201).map(|n| variable(&format!("v{n}"), false, None)).collect();
    assert_eq!(refused(template("x", many)).describe().1, "TOO_MANY_VARIABLES");
    assert_eq!(refused(template(" ", vec![])).describe().1, "TEMPLATE_BODY_INVALID");
    assert_eq!(refused(template(&"x".repeat(MAX_BODY_BYTES + 1), vec![])).describe().1, "TEMPLATE_BODY_INVALID");
    let nameless =
        TemplateCommand::Create { name: " ".to_owned(), body_md: "x".to_owned(), variables: vec![], status: TemplateStatus::Draft };
    assert_eq!(refused(nameless).describe().1, "TEMPLATE_NAME_INVALID");
}

fn clause(key: &str, title: &str, body_md: &str, tags: &[&str]) -> ClauseCommand {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    ClauseCommand::Create { key: key.to_owned(), title: title.to_owned(), body_md: body_md.to_owned(), tags }
}

#[test]
fn a_key_names_one_clause_of_the_tenant() {
    // CTR-15
    assert_eq!(clause_id(TENANT, "overtime"), clause_id(TENANT, "overtime"));
    assert_ne!(clause_id(TENANT, "overtime"), clause_id(TENANT, "over-time"));
    assert_ne!(clause_id(TENANT, "overtime"), clause_id(TenantId(uuid::Uuid::from_u128(2)), "overtime"));
    let decide =
        |given: &[ClauseEvent], command| TestFramework::<Clause>::with(staff()).given(given.to_vec()).when(command).inspect_result();
    let good = || clause("overtime", "Overtime", "Per hour: {{rate}}", &["pay"]);
    let events = decide(&[], good()).unwrap();
    assert_eq!(decide(&events, good()).unwrap_err().describe(), (ErrorKind::Conflict, "CLAUSE_KEY_TAKEN"));
    let cases = [
        (clause("Over", "t", "b", &[]), "CLAUSE_KEY_INVALID"),
        (clause("over", " ", "b", &[]), "CLAUSE_TITLE_INVALID"),
        (clause("over", "t", " ", &[]), "CLAUSE_BODY_INVALID"),
        (clause("over", "t", &"x".repeat(64 * 1024 + 1), &[]), "CLAUSE_BODY_INVALID"),
        (clause("over", "t", "{{clause:other}}", &[]), "PLACEHOLDER_INVALID"),
        (clause("over", "t", "{{Other}}", &[]), "PLACEHOLDER_INVALID"),
        (clause("over", "t", "b", &["a", "a"]), "CLAUSE_TAGS_INVALID"),
        (clause("over", "t", "b", &[""]), "CLAUSE_TAGS_INVALID"),
    ];
    for (command, code) in cases {
        assert_eq!(decide(&[], command.clone()).unwrap_err().describe().1, code, "{command:?}");
    }
}

#[test]
fn values_and_clauses_are_put_in_once_and_never_looked_at_again() {
    // CTR-17
    let clauses = values(&[("pay", "Rate {{rate}}.")]);
    let given = values(&[("name", "{{rate}}"), ("rate", "{{clause:pay}}")]);
    let text = render("{{name}}: {{ clause:pay }} End {{ not a name }}.", &given, &clauses).unwrap();
    assert_eq!(text, r"\{\{rate\}\}: Rate \{\{clause\:pay\}\}. End {{ not a name }}.");
    assert_eq!(render("", &given, &clauses).unwrap(), "");
}

#[test]
fn a_value_makes_no_heading_no_link_and_no_paragraph() {
    let cases = [
        ("# Free", r"\# Free"),
        ("a\n\n# b\r\n\tc", r"a \# b c"),
        ("[x](http://y)", r"\[x\]\(http\://y\)"),
        ("<b>&amp;", r"\<b\>\&amp;"),
        ("- 1. *x* _y_ `z` | ~~w~~", r"\- 1\. \*x\* \_y\_ \`z\` \| \~\~w\~\~"),
        ("\\", r"\\"),
        ("  José, 50% ", "José, 50%"),
        ("abc\u{202e}def", "abcdef"),
    ];
    for (value, expected) in cases {
        assert_eq!(render("{{v}}", &values(&[("v", value)]), &BTreeMap::new()).unwrap(), expected, "{value:?}");
    }
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    // CTR-17
    let missing = render("{{b}} {{a}} {{b}}", &BTreeMap::new(), &BTreeMap::new()).unwrap_err();
    assert_eq!(missing, RenderError::MissingVariables { names: vec!["b".to_owned(), "a".to_owned()] });
    assert_eq!(missing.describe(), (ErrorKind::Invalid, "MISSING_VARIABLE"));
    let declared = [variable("a", true, None), variable("b", true, None), variable("c", true, Some("C")), variable("d", false, None)];
    let missing = values_for(&declared, &values(&[("a", " ")])).unwrap_err();
    assert_eq!(missing, RenderError::MissingVariables { names: vec!["a".to_owned(), "b".to_owned()] });
    let complete = values_for(&declared, &values(&[("a", "A"), ("b", "B")])).unwrap();
    assert_eq!(complete, values(&[("a", "A"), ("b", "B"), ("c", "C"), ("d", "")]));
    let unknown = values_for(&declared, &values(&[("x", "1")])).unwrap_err();
    assert_eq!(unknown.describe(), (ErrorKind::Invalid, "UNKNOWN_VARIABLE"));
    let clause = render("{{clause:x}}", &BTreeMap::new(), &BTreeMap::new()).unwrap_err();
    assert_eq!((clause.describe().1, clause.details()["keys"][0].as_str()), ("CLAUSE_UNKNOWN", Some("x")));
}

#[test]
fn a_text_that_grows_beyond_all_measure_is_refused() {
    let given = values(&[("v", &"x".repeat(1_000))]);
    assert_eq!(render(&"{{v}}".repeat(300), &given, &BTreeMap::new()).unwrap_err().describe().1, "DOCUMENT_TOO_LONG");
}

#[test]
fn clauses_of_a_text_are_found_in_their_order() {
    assert_eq!(clauses_of("{{clause:b}} {{x}} {{clause:a}} {{clause:b}}"), ["b", "a"]);
}

#[test]
fn the_standard_text_asks_for_what_a_booking_has() {
    // CTR-46
    let declared = standard_variables();
    let missing = values_for(&declared, &BTreeMap::new()).unwrap_err();
    let RenderError::MissingVariables { names } = missing else { panic!("{missing}") };
    assert_eq!(names, ["payer", "talent", "title", "from", "to", "price", "currency"]);
    let given: BTreeMap<_, _> = names.into_iter().map(|name| (name.clone(), format!("<{name}>"))).collect();
    let text = render(STANDARD_AGREEMENT, &values_for(&declared, &given).unwrap(), &BTreeMap::new()).unwrap();
    assert!(given.keys().all(|name| text.contains(&format!(r"\<{name}\>"))) && !text.contains("{{"));
    decided(&[], template(STANDARD_AGREEMENT, declared)).unwrap();
}

proptest! {
    #[test]
    fn nothing_of_the_text_is_lost_or_changed_around_what_is_put_in(text in "[a-z{}:# \n]{0,60}", value in "\\PC{0,20}") {
        let given = values(&[("a", &value), ("b", "B")]);
        if let Ok(rendered) = render(&format!("<{text}>"), &given, &BTreeMap::new()) {
            prop_assert!(rendered.starts_with('<') && rendered.ends_with('>'));
            prop_assert_eq!(render(&format!("<{text}>"), &given, &BTreeMap::new()).unwrap(), rendered, "the same again");
        }
        let alone = render("{{a}}", &given, &BTreeMap::new()).unwrap();
        prop_assert!(!alone.contains('\n'));
        let unescaped = alone.replace("\\\\", "").replace(r"\#", "").replace(r"\[", "").replace(r"\*", "").replace(r"\<", "");
        prop_assert!(!unescaped.contains(['#', '[', '*', '<']), "{alone}");
    }
}
