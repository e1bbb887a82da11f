//! Lists that may be long: printed page by page, as they come

use std::io::Write;

use anyhow::bail;
use dhpctl::{Reply, Request};
use serde::Serialize;

use crate::client::Client;
use crate::show;
use crate::table::Table;

/// Where a list goes: a table for people, or an array with a line for each element.
struct Output<'a, W> {
    writer: &'a mut W,
    /// `None`: JSON.
    table: Option<Table>,
    is_empty: bool,
}

impl<W: Write> Output<'_, W> {
    fn rows<T: Serialize>(
        &mut self,
        rows: &[T],
        cells: impl Fn(&T) -> Vec<String>,
    ) -> anyhow::Result<()> {
        match &mut self.table {
            Some(_) if rows.is_empty() => {}
            Some(table) => {
                for row in rows {
                    table.row(cells(row));
                }
                self.writer.write_all(table.take().as_bytes())?;
            }
            None => {
                for (number, row) in rows.iter().enumerate() {
                    let is_first = self.is_empty && number == 0;
                    self.writer
                        .write_all(if is_first { b"[\n" } else { b",\n" })?;
                    self.writer.write_all(&serde_json::to_vec(row)?)?;
                }
            }
        }
        self.is_empty &= rows.is_empty();
        Ok(self.writer.flush()?)
    }

    /// `nothing` says of an empty list that it is.
    fn end(self, nothing: &str) -> anyhow::Result<()> {
        let end = match (self.table, self.is_empty) {
            (Some(_), true) => format!("{nothing}\n"),
            (Some(_), false) => String::new(),
            (None, true) => "[]\n".to_owned(),
            (None, false) => "\n]\n".to_owned(),
        };
        Ok(self.writer.write_all(end.as_bytes())?)
    }
}

/// Ask for a list until all of it is there, and print each page at once.
///
/// # Errors
/// The daemon does not answer, or nobody reads.
pub fn print(
    client: &mut Client,
    mut request: Request,
    json: bool,
    writer: &mut impl Write,
) -> anyhow::Result<()> {
    let nothing = nothing(&request);
    let table = match &request {
        Request::MobileNodes { .. } => show::mobile_nodes::table(),
        _ => show::flows::table(),
    };
    let mut output = Output {
        writer,
        table: (!json).then_some(table),
        is_empty: true,
    };
    loop {
        let has_more = match (client.ask(&request)?, &mut request) {
            (Reply::MobileNodes(page), Request::MobileNodes { from, .. }) => {
                output.rows(&page.mobile_nodes, show::mobile_nodes::cells)?;
                *from = page.next.unwrap_or(*from);
                page.next.is_some()
            }
            (Reply::Flows(page), Request::Flows { after, .. }) => {
                output.rows(&page.flows, show::flows::cells)?;
                *after = page.next;
                page.next.is_some()
            }
            _ => bail!("dhpd answers something else"),
        };
        if !has_more {
            return output.end(&nothing);
        }
    }
}

fn nothing(request: &Request) -> String {
    match request {
        Request::MobileNodes { node: None, .. } => "no mobile node is configured".to_owned(),
        Request::MobileNodes {
            node: Some(node), ..
        } => format!("no mobile node {node} is configured"),
        Request::Flows {
            home_address: Some(home_address),
            ..
        } => format!("{home_address} has no flows, or is not bound"),
        Request::Flows {
            node: Some(node), ..
        } => format!("{node} has no flows"),
        _ => "no bound home address has flows".to_owned(),
    }
}

#[cfg(test)]
mod tests;
