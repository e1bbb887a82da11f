//! Aligned columns for people

/// A table that is as wide as its contents.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
    widths: Vec<usize>,
}

impl Table {
    /// A table with these headings. A heading that starts with `>` has its column set flush right, as numbers are.
    pub fn new(headings: &[&str]) -> Self {
        let right: Vec<bool> = headings
            .iter()
            .map(|heading| heading.starts_with('>'))
            .collect();
        let mut table = Self {
            rows: Vec::new(),
            widths: vec![0; right.len()],
            right,
        };
        let headings = headings
            .iter()
            .map(|heading| heading.trim_start_matches('>').to_owned());
        table.row(headings);
        table
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = cell.chars().count().max(*width);
        }
        self.rows.push(cells);
    }

    /// The rows since the last time. Those to come will be no narrower.
    pub fn take(&mut self) -> String {
        let text = self.to_string();
        self.rows.clear();
        text
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&self.widths).zip(&self.right) {
                if *right {
                    line.push_str(&format!("{cell:>width$}  "));
                } else {
                    line.push_str(&format!("{cell:<width$}  "));
                }
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_blanks() {
        let mut table = Table::new(&["NAME", ">COUNT"]);
        table.row(["a".to_owned(), "7".to_owned()]);
        table.row(["longer".to_owned(), "12345".to_owned()]);
        assert_eq!(
            table.to_string(),
            "NAME    COUNT\na           7\nlonger  12345\n"
        );
    }

    #[test]
    fn a_table_that_comes_in_parts_grows_and_does_not_shrink() {
        let mut table = Table::new(&["NAME", ">COUNT"]);
        table.row(["longer".to_owned(), "7".to_owned()]);
        assert_eq!(table.take(), "NAME    COUNT\nlonger      7\n");
        table.row(["a".to_owned(), "123456".to_owned()]);
        assert_eq!(table.take(), "a       123456\n");
        assert_eq!(table.take(), "");
    }
}
