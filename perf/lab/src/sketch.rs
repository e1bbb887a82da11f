//! The report's sketch of the lab.

use std::fmt::Write;

struct Box {
    x: f64,
    y: f64,
    class: &'static str,
    name: &'static str,
    what: &'static str,
}

const WIDTH: f64 = 118.0;
const HEIGHT: f64 = 46.0;

const NODES: [Box; 7] = [
    Box {
        x: 10.0,
        y: 107.0,
        class: "node",
        name: "MN",
        what: "roams",
    },
    Box {
        x: 210.0,
        y: 37.0,
        class: "node",
        name: "access A",
        what: "2001:db8:a::/64",
    },
    Box {
        x: 210.0,
        y: 177.0,
        class: "node",
        name: "access B",
        what: "2001:db8:b::/64",
    },
    Box {
        x: 410.0,
        y: 107.0,
        class: "node",
        name: "core",
        what: "plain router",
    },
    Box {
        x: 410.0,
        y: 227.0,
        class: "node anchor",
        name: "HA",
        what: "anchors the HoA",
    },
    Box {
        x: 630.0,
        y: 107.0,
        class: "node anchor",
        name: "DHP",
        what: "anchors the DHoA",
    },
    Box {
        x: 850.0,
        y: 107.0,
        class: "node",
        name: "CN",
        what: "knows nothing",
    },
];

/// The topology with its delays and the paths of the two anchored flows.
pub fn topology() -> String {
    let mut body = String::new();
    for (class, x1, y1, x2, y2, label, label_x, label_y) in [
        ("radio", 128.0, 122.0, 210.0, 60.0, "radio", 148.0, 80.0),
        ("radio", 128.0, 138.0, 210.0, 200.0, "", 0.0, 0.0),
        ("wire", 328.0, 60.0, 410.0, 122.0, "5 ms", 334.0, 104.0),
        ("wire", 328.0, 200.0, 410.0, 138.0, "5 ms", 350.0, 162.0),
        ("wire", 469.0, 153.0, 469.0, 227.0, "35 ms", 476.0, 196.0),
        ("wire", 528.0, 130.0, 630.0, 130.0, "4 ms", 566.0, 150.0),
        ("wire", 748.0, 130.0, 850.0, 130.0, "1 ms", 786.0, 150.0),
    ] {
        let _ = write!(
            body,
            "<line class={class} x1={x1} y1={y1} x2={x2} y2={y2} /><text class=tick x={label_x} y={label_y}>{label}</text>"
        );
    }
    for Box {
        x,
        y,
        class,
        name,
        what,
    } in NODES
    {
        let middle = x + WIDTH / 2.0;
        let _ = write!(
            body,
            "<g class='{class}'><rect x={x} y={y} width={WIDTH} height={HEIGHT} rx=7 /><text x={middle} y={:.0}>{name}</text>\
             <text x={middle} y={:.0}>{what}</text></g>",
            y + 20.0,
            y + 36.0
        );
    }
    body.push_str(
        "<path class='path dhp' d='M69 105 C95 5 330 -5 405 78 C425 98 445 98 475 98 L895 98 L905 105' />\
         <path class='path ha' d='M69 153 C120 290 320 292 404 262 M532 250 C600 250 570 172 640 168 S880 176 905 157' />",
    );
    format!(
        "<svg viewBox='0 0 980 292' role=img aria-label='The lab: MN, two access networks, core, HA, DHP, CN'>{body}</svg>"
    )
}
