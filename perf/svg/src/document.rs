//! Plots as a file of their own, with the colours in it

use std::fmt::Write;

use crate::plot::{Plot, escape};

/// Classes of lines, dots and spreads that a [`document`] has colours for, told apart by those who see few of them too
/// (after Okabe and Ito), in light and in dark.
pub const COLOURS: [&str; 6] = ["c0", "c1", "c2", "c3", "c4", "c5"];

const STYLE: &str = "\
svg { font: 12px system-ui, sans-serif; --page: #fcfcfb; --soft: #52514e; --muted: #898781; --grid: #e1e0d9; --axis: #c3c2b7; \
--c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #898781; --c4: #cc79a7; --c5: #b58900; } \
@media (prefers-color-scheme: dark) { svg { --page: #1a1a19; --soft: #c3c2b7; --grid: #2c2c2a; --axis: #383835; \
--c0: #56b4e9; --c1: #e8762b; --c2: #1fc79a; --c4: #dd93bc; --c5: #e5b92c; } } \
.page { fill: var(--page); } text { fill: var(--soft); } .tick { fill: var(--muted); } .name { font-size: 15px; font-weight: 600; } \
.grid { stroke: var(--grid); } .axis { stroke: var(--axis); } .mark { stroke: var(--muted); stroke-dasharray: 3 4; } \
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .dots { fill: none; stroke-width: 6; stroke-linecap: round; } \
.spread { fill: none; stroke-width: 4; stroke-opacity: .35; stroke-linecap: round; } .bar { fill: none; } .small { stroke-width: 4; } \
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); } .c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); } \
.c5 { stroke: var(--c5); }";

const MARGIN: f64 = 12.0;
const HEADING: f64 = 44.0;
const LEGEND: f64 = 24.0;
/// About as wide as a letter of this size is, and rather more.
const LETTER: f64 = 7.0;

/// One plot of a document, and what its colours mean: pairs of class and name.
#[derive(Debug)]
pub struct Panel {
    /// The plot.
    pub plot: Plot,
    /// Class (of [`COLOURS`]) and meaning.
    pub legend: Vec<(&'static str, String)>,
}

/// Plots one below the other, under a title and a line of smaller print.
pub fn document(title: &str, subtitle: &str, panels: Vec<Panel>) -> String {
    let mut body = String::new();
    let (mut width, mut y) = (0.0_f64, MARGIN + HEADING);
    for panel in panels {
        let mut x = MARGIN + 52.0;
        for (class, name) in &panel.legend {
            let _ = write!(
                body,
                "<path class='dots {class}' d='M{x:.1} {:.1}h0' /><text x='{:.1}' y='{:.1}'>{}</text>",
                y + 10.0,
                x + 10.0,
                y + 14.0,
                escape(name)
            );
            x += 40.0 + LETTER * name.chars().count() as f64;
        }
        y += LEGEND;
        let ((plot_width, plot_height), drawing) = panel.plot.into_parts();
        let _ = write!(
            body,
            "<g transform='translate({MARGIN} {y:.1})'>{drawing}</g>"
        );
        width = width.max(plot_width).max(x - 2.0 * MARGIN);
        y += plot_height + MARGIN;
    }
    let width = width.max(LETTER * subtitle.chars().count() as f64);
    let (width, height) = (width + 2.0 * MARGIN, y + MARGIN);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0} {height:.0}' width='{width:.0}' height='{height:.0}' \
         role='img' aria-label='{title}'><style>{STYLE}</style><rect class='page' width='100%' height='100%' />\
         <text class='name' x='{MARGIN}' y='28'>{title}</text><text class='tick' x='{MARGIN}' y='46'>{subtitle}</text>{body}</svg>\n",
        title = escape(title),
        subtitle = escape(subtitle),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_well_formed_whatever_it_says() {
        let mut plot = Plot::new((300.0, 200.0), (0.0, 3.0), (0.0, 10.0));
        plot.axes_with(&[(1.0, "1 k <&>".to_owned())], "x's", "y & y");
        plot.line("c0", &[(0.0, 1.0), (3.0, 9.0)]);
        plot.dots("c1", &[(1.0, 2.0)]);
        plot.spread("c1", 1.0, (1.0, 3.0));
        plot.bar("c0", (1.0, -4.0), 8.0, 3.0);
        plot.label((1.0, -4.0), 3.0, "3 < 4");
        plot.mark(2.0, "<mark>");
        let panel = Panel {
            plot,
            legend: vec![("c0", "a < b".to_owned())],
        };
        let text = document("title's", "A & B", vec![panel]);
        let mut open = Vec::new();
        for tag in text.split('<').skip(1) {
            let (tag, after) = tag.split_once('>').expect("each < has its >");
            assert!(!after.contains('>'), "{after}");
            assert_eq!(tag.matches('\'').count() % 2, 0, "{tag}");
            assert_eq!(
                tag.matches('=').count(),
                tag.matches("='").count(),
                "{tag}: all attributes are quoted"
            );
            let name = tag.split_whitespace().next().unwrap_or_default();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}
