//! `dhp-bench routes`: the route table of the workers, small and with the routes of a full table
//!
//! What is measured is the segment's own: a writer that publishes a whole table and changes single routes, as `dhpd` does
//! when the kernel's routes change, and a reader that looks up addresses at random, as a worker does.

mod table;

use std::fs::File;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};
use dhp_segment::{Geometry, Reader, Route, RouteAction, Segment, SegmentError, Writer};
use serde::Serialize;

use crate::statistics::{Spread, percentile};
use table::{Random, addresses, routes};

/// The limit that `--check` holds a lookup in a batch to, in nanoseconds in the median window.
const LIMIT_LOOKUP_NS: f64 = 150.0;
/// The limit that `--check` holds the median change to, in microseconds.
const LIMIT_CHANGE_US: f64 = 50.0;
/// Addresses that are looked up in turn: more than caches hold.
const ADDRESSES: usize = 1 << 20;
/// Destinations of one batch of a worker.
const BATCH: usize = 64;
/// Single routes changed in a window.
const CHANGES: usize = 20_000;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Routes of the full table.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    routes: u32,
    /// Windows measured, after one to warm up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    windows: u16,
    /// Write the result to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail unless, in the full table, a lookup in a batch stays within 150 ns and a change within 50 µs, in the median.
    #[arg(long)]
    check: bool,
}

/// Everything that was measured, and how.
#[derive(Debug, Serialize)]
struct Report {
    benchmark: &'static str,
    windows: u16,
    tables: Vec<Measured>,
}

/// One table.
#[derive(Debug, Serialize)]
struct Measured {
    routes: usize,
    /// A lookup in a row of them.
    lookup_ns: Spread,
    /// A lookup that begins only after the one before has ended: the worst case.
    lone_lookup_ns: Spread,
    /// A lookup in a batch of 64.
    batched_lookup_ns: Spread,
    /// All routes at once.
    publish_ms: Spread,
    /// One route, put or removed in turn.
    change_us: Spread,
    change_p99_us: Spread,
    /// The default route.
    default_change_us: Spread,
    /// The worst that one prefix can do: 2000::/3, which lies around all others, put or removed in turn.
    widest_change_ms: Spread,
    /// What the table takes of the segment, in octets.
    octets_per_route: f64,
}

/// Measure and print.
///
/// # Errors
/// When the tables answer wrongly, or with `--check` when a limit is missed.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut tables = Vec::new();
    for count in [50, usize::try_from(arguments.routes)?] {
        let measured = measure(count, arguments.windows)?;
        print(&measured);
        tables.push(measured);
    }
    let report = Report {
        benchmark: "routes",
        windows: arguments.windows,
        tables,
    };
    if let Some(path) = &arguments.json {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        serde_json::to_writer_pretty(file, &report)
            .with_context(|| format!("write {}", path.display()))?;
    }
    let full = report.tables.last().context("no table")?;
    ensure!(
        !arguments.check || full.batched_lookup_ns.median <= LIMIT_LOOKUP_NS,
        "a lookup in a batch takes {:.0} ns, the limit is {LIMIT_LOOKUP_NS:.0} ns",
        full.batched_lookup_ns.median
    );
    ensure!(
        !arguments.check || full.change_us.median <= LIMIT_CHANGE_US,
        "a change takes {:.1} µs, the limit is {LIMIT_CHANGE_US:.0} µs",
        full.change_us.median
    );
    Ok(())
}

fn print(measured: &Measured) {
    println!("{} routes:", measured.routes);
    for (name, spread, unit) in [
        ("lookup", measured.lookup_ns, "ns"),
        ("lookup, alone", measured.lone_lookup_ns, "ns"),
        ("lookup, batched", measured.batched_lookup_ns, "ns"),
        ("publish all", measured.publish_ms, "ms"),
        ("change one", measured.change_us, "µs"),
        ("change one, p99", measured.change_p99_us, "µs"),
        ("change ::/0", measured.default_change_us, "µs"),
        ("change 2000::/3", measured.widest_change_ms, "ms"),
    ] {
        let Spread { min, median, max } = spread;
        println!("  {name:<16} {median:9.2} {unit} median ({min:.2} to {max:.2})");
    }
    println!(
        "  memory           {:9.0} octets per route",
        measured.octets_per_route
    );
}

/// Values of one kind, one per window.
#[derive(Default)]
struct Windows {
    lookup_ns: Vec<f64>,
    lone_lookup_ns: Vec<f64>,
    batched_lookup_ns: Vec<f64>,
    publish_ms: Vec<f64>,
    change_us: Vec<f64>,
    change_p99_us: Vec<f64>,
    default_change_us: Vec<f64>,
    widest_change_ms: Vec<f64>,
}

fn measure(count: usize, windows: u16) -> anyhow::Result<Measured> {
    let geometry = |routes| Geometry {
        home_addresses: 1,
        templates: 2,
        routes,
        flow_sets: 0,
        flows: 0,
        ring_slots: 1,
        ..Geometry::default()
    };
    // Two more than the table has: the default route and 2000::/3.
    let segment = Segment::anonymous(&geometry(u32::try_from(count)? + 2))?;
    let without = Segment::anonymous(&geometry(1))?;
    let octets = segment.len_bytes().saturating_sub(without.len_bytes());
    let mut bench = Bench {
        writer: segment.writer()?,
        reader: segment.reader(0)?,
        random: Random::new(1),
        routes: routes(count),
        addresses: Vec::new(),
    };
    bench.addresses = addresses(&bench.routes, ADDRESSES, &mut bench.random);
    let mut values = Windows::default();
    bench.window(&mut Windows::default())?;
    for _ in 0..windows {
        bench.window(&mut values)?;
    }
    let spread = |values: &[f64]| Spread::of(values).context("nothing was measured");
    Ok(Measured {
        routes: count,
        lookup_ns: spread(&values.lookup_ns)?,
        lone_lookup_ns: spread(&values.lone_lookup_ns)?,
        batched_lookup_ns: spread(&values.batched_lookup_ns)?,
        publish_ms: spread(&values.publish_ms)?,
        change_us: spread(&values.change_us)?,
        change_p99_us: spread(&values.change_p99_us)?,
        default_change_us: spread(&values.default_change_us)?,
        widest_change_ms: spread(&values.widest_change_ms)?,
        octets_per_route: octets as f64 / count as f64,
    })
}

struct Bench {
    writer: Writer,
    reader: Reader,
    random: Random,
    routes: Vec<Route>,
    addresses: Vec<[u8; 16]>,
}

impl Bench {
    fn window(&mut self, values: &mut Windows) -> anyhow::Result<()> {
        self.reader.quiescent();
        self.writer.reclaim();
        let start = Instant::now();
        self.writer.try_publish_routes(&self.routes)?;
        values.publish_ms.push(seconds(start) * 1e3);

        self.look_up(values)?;

        let mut changes = Vec::with_capacity(CHANGES);
        let few = self.routes.len().min(CHANGES / 2);
        for number in 0..CHANGES / 2 {
            let route = match self.routes.len() == few {
                true => self.routes.get(number % few),
                false => self.routes.get(self.random.below(self.routes.len())),
            };
            let route = *route.context("a route")?;
            changes.push(self.change(|writer| writer.remove_route(&route).map(|_| ()))? * 1e6);
            changes.push(self.change(|writer| writer.put_route(&route))? * 1e6);
        }
        changes.sort_by(f64::total_cmp);
        values.change_us.push(percentile(&changes, 0.5));
        values.change_p99_us.push(percentile(&changes, 0.99));

        for (len, values, unit) in [
            (0, &mut values.default_change_us, 1e6),
            (3, &mut values.widest_change_ms, 1e3),
        ] {
            let wide = Route {
                prefix: (1_u128 << 125).into(),
                len,
                action: RouteAction::Pool,
            };
            let mut changes = [
                self.change(|writer| writer.put_route(&wide))? * unit,
                self.change(|writer| writer.remove_route(&wide).map(|_| ()))? * unit,
            ];
            changes.sort_by(f64::total_cmp);
            values.push(percentile(&changes, 1.0));
        }
        Ok(())
    }

    fn look_up(&self, values: &mut Windows) -> anyhow::Result<()> {
        let per_lookup = |start| seconds(start) * 1e9 / self.addresses.len() as f64;
        let start = Instant::now();
        let mut found = 0;
        for address in &self.addresses {
            found += usize::from(self.reader.route(address) != RouteAction::Unreachable);
        }
        values.lookup_ns.push(per_lookup(start));
        ensure!(found == self.addresses.len(), "addresses without a route");

        let start = Instant::now();
        let mut last = 0;
        for address in &self.addresses {
            // The answer before decides over the question, so that the processor cannot ask both at once.
            let mut address = *address;
            address[15] ^= last;
            last = u8::from(self.reader.route(&address) == RouteAction::Pool);
        }
        black_box(last);
        values.lone_lookup_ns.push(per_lookup(start));

        let mut actions = [RouteAction::Unreachable; BATCH];
        let start = Instant::now();
        for batch in self.addresses.chunks(BATCH) {
            self.reader.lookup_routes(batch, &mut actions);
            black_box(&mut actions);
        }
        values.batched_lookup_ns.push(per_lookup(start));
        Ok(())
    }

    /// How long a change takes, in seconds. The worker lets go of what was replaced after each.
    fn change(
        &mut self,
        change: impl FnOnce(&mut Writer) -> Result<(), SegmentError>,
    ) -> anyhow::Result<f64> {
        let start = Instant::now();
        change(&mut self.writer)?;
        let taken = seconds(start);
        self.reader.quiescent();
        Ok(taken)
    }
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
