//! From the text of a file to its sections

use toml::de::DeTable;

use crate::problem::Problem;
use crate::section::{Problems, Section};

/// Reads a whole file: `sections` takes from its root what it knows, and keys that it does not ask for are problems too. The answer
/// is what it made of the file and all that was found wrong.
///
/// # Errors
/// What is not TOML; of that nothing can be read.
pub fn read<T>(
    text: &str,
    sections: impl FnOnce(&Section<'_>) -> T,
) -> Result<(T, Vec<Problem>), Vec<Problem>> {
    let problems = Problems::default();
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    for error in &syntax_errors {
        let span = error.span().unwrap_or(0..0);
        let mut message = error.message().lines();
        let what = message.next().unwrap_or("not TOML").to_owned();
        problems.push(Problem::new(
            span,
            format!("not TOML: {what}"),
            message.collect::<Vec<_>>().join(" "),
        ));
    }
    if !syntax_errors.is_empty() {
        // What could be recovered would be reported as missing or unknown.
        return Err(problems.into_inner());
    }
    let root = Section::root(&document, &problems);
    let made = sections(&root);
    root.finish();
    Ok((made, problems.into_inner()))
}
