//! A small plot frame in SVG: scales, axes, grid and marks. Colours come from the page's style sheet by class, so that
//! light and dark need no second drawing.

use std::fmt::Write;

/// A plot with both axes linear.
#[derive(Debug)]
pub struct Plot {
    width: f64,
    height: f64,
    x: (f64, f64),
    y: (f64, f64),
    body: String,
}

const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 40.0;

impl Plot {
    /// An empty plot of this size in pixels, over these ranges.
    pub fn new((width, height): (f64, f64), x: (f64, f64), y: (f64, f64)) -> Self {
        Self {
            width,
            height,
            x: widened(x),
            y: widened(y),
            body: String::new(),
        }
    }

    /// Axes with ticks at round numbers, and what they mean.
    pub fn axes(&mut self, x_title: &str, y_title: &str) {
        let x_ticks: Vec<_> = ticks(self.x, 8)
            .into_iter()
            .map(|tick| (tick, number(tick)))
            .collect();
        self.axes_with(&x_ticks, x_title, y_title);
    }

    /// As [`axes`](Self::axes), with ticks of the caller's along the horizontal one: names, or the numbers behind logarithms.
    pub fn axes_with(&mut self, x_ticks: &[(f64, String)], x_title: &str, y_title: &str) {
        let (left, right, top, bottom) = (LEFT, self.width - RIGHT, TOP, self.height - BOTTOM);
        for tick in ticks(self.y, 5) {
            let y = self.at_y(tick);
            let _ = write!(
                self.body,
                "<line class='grid' x1='{left}' x2='{right}' y1='{y:.1}' y2='{y:.1}' /><text class='tick' text-anchor='end' x='{:.1}' y='{:.1}'>{}</text>",
                left - 7.0,
                y + 4.0,
                number(tick)
            );
        }
        for (at, label) in x_ticks {
            let x = self.at_x(*at);
            let _ = write!(
                self.body,
                "<text class='tick' text-anchor='middle' x='{x:.1}' y='{:.1}'>{}</text>",
                bottom + 17.0,
                escape(label)
            );
        }
        let _ = write!(
            self.body,
            "<line class='axis' x1='{left}' x2='{right}' y1='{bottom}' y2='{bottom}' />\
             <text class='title' text-anchor='end' x='{right}' y='{:.1}'>{}</text>\
             <text class='title' x='{left}' y='{:.1}'>{}</text>",
            self.height - 6.0,
            escape(x_title),
            top - 26.0,
            escape(y_title)
        );
    }

    /// A vertical mark with a label at the top.
    pub fn mark(&mut self, at: f64, label: &str) {
        let x = self.at_x(at);
        let _ = write!(
            self.body,
            "<line class='mark' x1='{x:.1}' x2='{x:.1}' y1='{TOP}' y2='{:.1}' /><text class='tick' text-anchor='middle' x='{x:.1}' y='{:.1}'>{}</text>",
            self.height - BOTTOM,
            TOP - 6.0,
            escape(label)
        );
    }

    /// A line through points.
    pub fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let verb = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{verb}{:.1} {:.1}", self.at_x(*x), self.at_y(*y));
        }
        let _ = write!(self.body, "<path class='line {class}' d='{path}' />");
    }

    /// Points, drawn as one path of dots.
    pub fn dots(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (x, y) in points
            .iter()
            .filter(|(x, _)| (self.x.0..=self.x.1).contains(x))
        {
            let _ = write!(path, "M{:.1} {:.1}h0", self.at_x(*x), self.at_y(*y));
        }
        let _ = write!(self.body, "<path class='dots {class}' d='{path}' />");
    }

    /// How far measurements lie apart: a vertical line from the least to the greatest.
    pub fn spread(&mut self, class: &str, at: f64, (least, greatest): (f64, f64)) {
        let x = self.at_x(at);
        let _ = write!(
            self.body,
            "<path class='spread {class}' d='M{x:.1} {:.1}V{:.1}' />",
            self.at_y(least),
            self.at_y(greatest)
        );
    }

    /// A bar from the bottom to a value, so many pixels wide; `shift` pixels to the right of a place, so that several can stand there.
    pub fn bar(&mut self, class: &str, (at, shift): (f64, f64), width: f64, value: f64) {
        let x = self.at_x(at) + shift;
        let _ = write!(
            self.body,
            "<path class='bar {class}' stroke-width='{width:.1}' d='M{x:.1} {:.1}V{:.1}' />",
            self.at_y(self.y.0),
            self.at_y(value)
        );
    }

    /// A word or a number above a bar.
    pub fn label(&mut self, (at, shift): (f64, f64), value: f64, text: &str) {
        let _ = write!(
            self.body,
            "<text class='tick' text-anchor='middle' x='{:.1}' y='{:.1}'>{}</text>",
            self.at_x(at) + shift,
            self.at_y(value) - 4.0,
            escape(text)
        );
    }

    /// The drawing, described for those who do not see it.
    pub fn finish(self, description: &str) -> String {
        format!(
            "<svg viewBox='0 0 {} {}' role='img' aria-label='{}'>{}</svg>",
            self.width,
            self.height,
            escape(description),
            self.body
        )
    }

    /// Its size in pixels, and what is in it.
    pub(crate) fn into_parts(self) -> ((f64, f64), String) {
        ((self.width, self.height), self.body)
    }

    fn at_x(&self, value: f64) -> f64 {
        LEFT + (value - self.x.0) / (self.x.1 - self.x.0) * (self.width - LEFT - RIGHT)
    }

    fn at_y(&self, value: f64) -> f64 {
        self.height
            - BOTTOM
            - (value - self.y.0) / (self.y.1 - self.y.0) * (self.height - TOP - BOTTOM)
    }
}

fn widened((from, to): (f64, f64)) -> (f64, f64) {
    if to > from {
        (from, to)
    } else {
        (from, from + 1.0)
    }
}

/// Round numbers in a range: 1, 2 or 5 times a power of ten apart, about `wanted` of them.
fn ticks((from, to): (f64, f64), wanted: u32) -> Vec<f64> {
    let raw = (to - from) / f64::from(wanted.max(1));
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= raw)
        .unwrap_or(raw);
    let first = (from / step).ceil();
    (0..=wanted * 2)
        .map(|index| (first + f64::from(index)) * step)
        .take_while(|tick| *tick <= to + step * 1e-9)
        .collect()
}

/// Text as the content of an element or of a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
        .replace('"', "&quot;")
}

/// A number without needless digits.
pub fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks((0.0, 43.0), 5), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(
            ticks((-100.0, 700.0), 8),
            [-100.0, 0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0]
        );
        assert!(ticks((0.0, 0.3), 5).len() >= 3);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(20.0), "20");
        assert_eq!(number(0.25), "0.25");
        assert_eq!(number(-0.0001), "0");
    }
}
