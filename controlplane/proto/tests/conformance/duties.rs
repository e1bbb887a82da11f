//! The page of duties, made of `duties.txt` and the names of the cases.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::script::Case;

/// Set to have the page written instead of checked.
const UPDATE: &str = "UPDATE_DUTIES";

/// A line of `duties.txt`: `id | section | level | the duty | file that meets it, or "-" and why it is not met`.
struct Duty<'a> {
    id: &'a str,
    section: &'a str,
    level: &'a str,
    text: &'a str,
    met: &'a str,
}

impl<'a> Duty<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split('|').map(str::trim);
        Some(Self {
            id: fields.next()?,
            section: fields.next()?,
            level: fields.next()?,
            text: fields.next()?,
            met: fields.next()?,
        })
    }

    /// Why the duty is not met, or not here.
    fn excuse(&self) -> Option<&'a str> {
        self.met.strip_prefix("- ")
    }

    fn file(&self) -> &'a str {
        self.met.split_whitespace().next().unwrap_or_default()
    }
}

/// Checks that each case is about a duty there is, that each duty is met by a file there is and by cases or tests, and that
/// the page says so.
pub fn check(directory: &Path, cases: &[Case]) -> Result<(), String> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = read(&directory.join("duties.txt"))?;
    let mut by_duty: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        by_duty.entry(&case.duty).or_default().push(case);
    }
    let mut page = String::from(HEADING);
    let total: usize = cases.iter().map(|case| case.links.len()).sum();
    let _ = writeln!(page, "\n{} cases, {total} runs.", cases.len());
    page.push_str(DIFFERENCES);
    for line in text.lines().map(str::trim) {
        if let Some(heading) = line.strip_prefix("# ") {
            let _ = write!(page, "\n## {heading}\n\n{TABLE}");
            continue;
        }
        let Some(duty) = Duty::read(line) else {
            continue;
        };
        let met_by = by_duty.remove(duty.id).unwrap_or_default();
        if duty.excuse().is_none() {
            let file = crate_root.join("src").join(duty.file());
            if !file.is_file() {
                return Err(format!("{}: there is no {}", duty.id, file.display()));
            }
            check_tests(crate_root, &duty, &met_by)?;
        }
        write_row(&mut page, &duty, &met_by);
    }
    if let Some(duty) = by_duty.keys().next() {
        return Err(format!(
            "duties.txt has no {duty}, of which there are cases"
        ));
    }
    let path = crate_root.join("DUTIES.md");
    if std::env::var_os(UPDATE).is_some() {
        return std::fs::write(path, page).map_err(|error| error.to_string());
    }
    if read(&path)? == page {
        return Ok(());
    }
    Err(format!("DUTIES.md is not in step: run with {UPDATE}=1"))
}

/// A duty has cases, or names a test: `file (tests/anchor/receive.rs: name_of_test)`.
fn check_tests(crate_root: &Path, duty: &Duty<'_>, cases: &[&Case]) -> Result<(), String> {
    let Some((file, test)) = named_test(duty.met) else {
        let no_case = || format!("{} has neither a case nor a test", duty.id);
        return (!cases.is_empty()).then_some(()).ok_or_else(no_case);
    };
    let text = std::fs::read_to_string(crate_root.join(file)).unwrap_or_default();
    let found = text.contains(&format!("fn {test}("));
    let missing = || format!("{}: {file} has no test {test}", duty.id);
    found.then_some(()).ok_or_else(missing)
}

fn named_test(met: &str) -> Option<(&str, &str)> {
    let (_, named) = met.split_once('(')?;
    let (file, test) = named.trim_end_matches(')').split_once(':')?;
    Some((file.trim(), test.trim()))
}

fn write_row(page: &mut String, duty: &Duty<'_>, cases: &[&Case]) {
    let titles: Vec<String> = cases
        .iter()
        .map(|case| format!("{}: {}", case.file, case.title))
        .collect();
    let tests = match (duty.excuse(), named_test(duty.met)) {
        (Some(why), _) => format!("**not here**: {why}"),
        (None, Some((file, test))) if titles.is_empty() => format!("`{test}` in `{file}`"),
        (None, Some((file, test))) => format!("`{test}` in `{file}`; {}", titles.join("; ")),
        (None, None) => titles.join("; "),
    };
    let file = match duty.excuse() {
        Some(_) => String::new(),
        None => format!("`src/{}`", duty.file()),
    };
    let Duty {
        id,
        section,
        level,
        text,
        ..
    } = duty;
    let _ = writeln!(
        page,
        "| {id} | {section} | {level} | {text} | {file} | {tests} |"
    );
}

const HEADING: &str = "# Duties of a home agent, a correspondent and a mobile node, and what meets them

Made from `tests/conformance/duties.txt` and the titles of the cases in `tests/conformance/cases`; a test keeps it in step. M: MUST,
S: SHOULD, m: MAY. Unless another RFC or the profile is named, sections are RFC 6275's.
";

/// What is not as the RFC has it, on purpose, and what that means for others.
const DIFFERENCES: &str = "
## What a plain RFC 6275 mobile node finds different

- **There is no IPsec** (RFC 3776, RFC 4877; rows SEC-1, RR-11, TN-8), though RFC 6275 has it mandatory. Binding Updates and
  Acknowledgements, revocations and Home Agent Switches carry the mobility message authentication of RFC 4285 in its place, DMIPv6
  messages the same option with a key for each anchor. A mobile node that knows IPsec alone cannot register. What passes through the
  tunnel, Home Test messages too, is neither encrypted nor authenticated, nor are Mobile Prefix Solicitations and Advertisements:
  `deploy/SECURITY.md` says what follows from that for who runs it.
- **A sequence number stays in force after its binding has expired**, where §9.5.1 has any number accepted (row BU-6): without IPsec a
  recorded update would bring an old care-of address back. The 135 names the number to go on from, and a fresh timestamp of RFC 4285
  makes any number good.
- **Tunnel packets from the previous care-of address are taken for 2 s after a handoff**, where §10.4.5 has the primary one alone (row
  TN-7): they are in flight when the Binding Update arrives.
- **Home Agent Address Discovery Replies have at most three times the length of the request** (row DH-2): requests are not
  authenticated.
";

const TABLE: &str = "| id | section | level | duty | file | cases and tests |
|---|---|---|---|---|---|
";
