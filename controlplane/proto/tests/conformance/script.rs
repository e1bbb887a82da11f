//! The format of the case files.
//!
//! ```text
//! # a heading, for the reader
//!
//! ## BU-6 sequence 15 then 16        the duty and the title of a case
//! on virtual                         home links it runs on; without this line: virtual real
//! given errors=2                     settings of the anchor, see `world`
//! One ahead of the last is greater.  prose, a line or more
//! > bu seq=15                        what the anchor is sent, or is to do: see `input`
//! < ba status=0 seq=15               what comes of it: all of it, in this order, see `output`
//! > bu seq=15
//! < ba status=135
//! ```
//!
//! After each `>` at least one `<` stands; `< silence` if nothing may come.

use std::fmt;
use std::path::Path;

use crate::words::Words;

/// The kind of home link that a case runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Virtual,
    Real,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virtual => "virtual",
            Self::Real => "real",
        })
    }
}

/// One thing that is sent, and what has to come of it.
#[derive(Debug, Clone)]
pub struct Step {
    pub line: usize,
    pub input: Words,
    pub expected: Vec<Words>,
}

#[derive(Debug, Clone)]
pub struct Case {
    /// The name of the file without its ending.
    pub file: String,
    pub duty: String,
    pub title: String,
    pub prose: Vec<String>,
    pub links: Vec<Link>,
    pub given: Words,
    pub steps: Vec<Step>,
}

impl Case {
    /// The title as part of a test's name.
    pub fn slug(&self) -> String {
        let word = |c: char| if c.is_alphanumeric() { c } else { '_' };
        self.title.to_lowercase().chars().map(word).collect()
    }

    fn check(&self) -> Result<(), String> {
        let whole = !self.prose.is_empty()
            && !self.steps.is_empty()
            && self.steps.iter().all(|step| !step.expected.is_empty());
        if whole {
            return Ok(());
        }
        Err(format!(
            "{} {} {}: a case has prose, and each step says what comes of it",
            self.file, self.duty, self.title
        ))
    }
}

/// Every case of every file, in the order of the files' names.
pub fn read_all(directory: &Path) -> Result<Vec<Case>, String> {
    let listed = std::fs::read_dir(directory).map_err(|error| error.to_string())?;
    let mut files: Vec<_> = listed
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        cases.extend(read(&stem, &text)?);
    }
    Ok(cases)
}

fn read(file: &str, text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        let wrong = |what: &str| format!("{file}.txt:{line}: {what}");
        if let Some(title) = content.strip_prefix("## ") {
            let (duty, title) = title.split_once(' ').ok_or(wrong("no title"))?;
            cases.push(Case {
                file: file.to_owned(),
                duty: duty.to_owned(),
                title: title.to_owned(),
                prose: Vec::new(),
                links: vec![Link::Virtual, Link::Real],
                given: Words::default(),
                steps: Vec::new(),
            });
            continue;
        }
        if content.is_empty() || content.starts_with("# ") {
            continue;
        }
        let case = cases.last_mut().ok_or(wrong("no case begun"))?;
        if let Some(input) = content.strip_prefix("> ") {
            case.steps.push(Step {
                line,
                input: Words::read(input),
                expected: Vec::new(),
            });
        } else if let Some(expected) = content.strip_prefix("< ") {
            let step = case.steps.last_mut().ok_or(wrong("nothing was sent"))?;
            step.expected.push(Words::read(expected));
        } else if let Some(given) = content.strip_prefix("given ") {
            case.given = Words::read(given);
        } else if let Some(links) = content.strip_prefix("on ") {
            case.links = links
                .split_whitespace()
                .map(|link| match link {
                    "virtual" => Ok(Link::Virtual),
                    "real" => Ok(Link::Real),
                    _ => Err(wrong("a link is virtual or real")),
                })
                .collect::<Result<_, _>>()?;
        } else {
            case.prose.push(content.to_owned());
        }
    }
    cases.iter().try_for_each(Case::check)?;
    Ok(cases)
}
