//! `dhp-lab`: a roaming mobile node, its anchors and a plain correspondent, in network namespaces of this machine.
#![forbid(unsafe_code)]

mod access;
mod addresses;
mod agent_events;
mod bgp;
mod capture;
mod check_capture;
mod children;
mod cli;
mod clock;
mod configuration;
mod conformance;
mod content;
mod criteria;
mod delay_line;
mod demo;
mod demo_lab;
mod demo_network;
mod demo_plan;
mod demo_report;
mod download;
mod findings;
mod flows;
mod fuzz;
mod fuzz_packets;
mod handoff;
mod http_server;
mod lab;
mod namespace;
mod network_plan;
mod path_mtu;
mod pcap;
mod ping;
mod plots;
mod port_driver;
mod priority;
mod process_id;
mod random;
mod report_html;
mod roaming;
mod scenario;
mod signalling_options;
mod sketch;
mod stall_meter;
mod state;
mod stop;
mod stream_record;
mod streams;
mod tables;
mod timeline;
mod topology;
mod traffic;
mod udp_stream;
mod up;
mod wire;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;

use crate::cli::{
    BgpArguments, Cli, Command, ConformanceArguments, DemoArguments, LabArguments,
    PathMtuArguments, RunArguments, StreamArguments, UdpCommand,
};
use crate::demo_plan::DemoPlan;
use crate::lab::LabOptions;
use crate::namespace::Namespace;
use crate::port_driver::PortDriver;
use crate::signalling_options::SignallingOptions;
use crate::stop::Stop;
use crate::udp_stream::StreamPlan;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("dhp-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(arguments) => return run_demo(&arguments),
        Command::Up(arguments) => up::run(
            LabOptions {
                ports: PortDriver::of_option(arguments.dpdk),
                signalling: arguments.signalling,
                ..options(&arguments.lab)?
            },
            arguments.networks_only,
            &Stop::on_signals()?,
        )?,
        Command::Run(arguments) => return run_scenario(&arguments),
        Command::Down => {
            namespace::check_available()?;
            let was_running =
                state::bring_down(Path::new(state::DIRECTORY), Duration::from_secs(30))?;
            println!(
                "{}",
                if was_running {
                    "the running lab was ended"
                } else {
                    "no lab was running; all clean"
                }
            );
        }
        Command::Shell { node, command } => return Err(enter(&node, command)),
        Command::Move { to, gap_ms } => {
            let cut = access::Radio::of_running_lab()?.change(
                &Stop::default(),
                access::Interface::Wlan0,
                to,
                Duration::from_millis(gap_ms),
            )?;
            println!(
                "in access network {to:?} after {:.0} ms",
                handoff::milliseconds(cut.up_ns - cut.down_ns)
            );
        }
        Command::Bgp(arguments) => return run_bgp(&arguments),
        Command::PathMtu(arguments) => return run_path_mtu(&arguments),
        Command::Conformance(arguments) => return run_conformance(&arguments),
        Command::CheckCapture { files } => check_capture::run(&files)?,
        Command::FuzzPort(arguments) => fuzz::run(
            options(&arguments.lab)?,
            arguments.packets,
            arguments.seed,
            &Stop::on_signals()?,
        )?,
        Command::Serve { listen, rate } => http_server::serve(listen, rate)?,
        Command::Udp(UdpCommand::Serve { listen, stream }) => {
            udp_stream::serve(listen, &plan(&stream, &Stop::on_signals()?))?;
        }
        Command::Udp(UdpCommand::Stream { to, stream }) => {
            udp_stream::stream(to, &plan(&stream, &Stop::on_signals()?))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn run_demo(arguments: &DemoArguments) -> Result<ExitCode> {
    let stop = Stop::on_signals()?;
    let plan = if arguments.quick {
        DemoPlan::quick()
    } else {
        DemoPlan::full()
    };
    let options = LabOptions {
        ports: PortDriver::of_option(arguments.dpdk),
        signalling: arguments.signalling,
        ..options(&arguments.lab)?
    };
    let captures = arguments
        .pcap
        .clone()
        .unwrap_or_else(|| options.logs.join("capture"));
    let report = demo::run(options, &plan, &captures, &stop)?;
    print!("{}", tables::render(&report, timeline::wants_colour()));
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    if let Some(path) = &arguments.html {
        fs::write(path, report_html::render(&report))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("report: {}", path.display());
    }
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_scenario(arguments: &RunArguments) -> Result<ExitCode> {
    let Some(name) = arguments.scenario.as_ref().filter(|_| !arguments.list) else {
        scenario::list()?;
        return Ok(ExitCode::SUCCESS);
    };
    let options = LabOptions {
        signalling: arguments.signalling,
        ..options(&arguments.lab)?
    };
    let report = scenario::run(name, arguments, &options, &Stop::on_signals()?)?;
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_path_mtu(arguments: &PathMtuArguments) -> Result<ExitCode> {
    let octets = arguments.megabytes.saturating_mul(1_000_000);
    let options = options(&arguments.lab)?;
    let reports = path_mtu::run_all(&options, octets, &Stop::on_signals()?)?;
    for report in &reports {
        print!("{}", report.render(timeline::wants_colour()));
    }
    if let Some(path) = &arguments.json {
        write_json(path, &reports)?;
    }
    Ok(if reports.iter().all(path_mtu::PathMtuReport::holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_conformance(arguments: &ConformanceArguments) -> Result<ExitCode> {
    let report = conformance::run(options(&arguments.lab)?, &Stop::on_signals()?)?;
    print!("{}", report.render());
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_bgp(arguments: &BgpArguments) -> Result<ExitCode> {
    let report = bgp::run(
        options(&arguments.lab)?,
        arguments.seconds,
        &Stop::on_signals()?,
    )?;
    print!("{}", report.render(timeline::wants_colour()));
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn write_json(path: &Path, data: &impl serde::Serialize) -> Result<()> {
    let file =
        fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    serde_json::to_writer(std::io::BufWriter::new(file), data)?;
    println!("all data: {}", path.display());
    Ok(())
}

fn options(arguments: &LabArguments) -> Result<LabOptions> {
    let beside = || -> Result<PathBuf> {
        let own = std::env::current_exe().context("cannot find the own executable")?;
        Ok(own.parent().unwrap_or(Path::new("/")).to_owned())
    };
    let binaries = arguments.bin_dir.clone().map_or_else(beside, Ok)?;
    Ok(LabOptions {
        binaries,
        logs: arguments.logs.clone(),
        ports: PortDriver::AfPacket,
        signalling: SignallingOptions::default(),
    })
}

fn plan<'a>(arguments: &'a StreamArguments, stop: &'a Stop) -> StreamPlan<'a> {
    let until = arguments
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    StreamPlan {
        rate: arguments.rate,
        record: &arguments.record,
        until,
        stop,
    }
}

/// Becomes a command inside a node's namespace; returns only if that fails.
fn enter(node: &str, command: Vec<String>) -> anyhow::Error {
    let namespace = match Namespace::of_running_lab(node) {
        Ok(namespace) => namespace,
        Err(error) => return error,
    };
    let command = if command.is_empty() {
        vec![std::env::var("SHELL").unwrap_or_else(|_| "sh".into())]
    } else {
        command
    };
    let failed = process::Command::new("ip")
        .args(["netns", "exec", namespace.name()])
        .args(command)
        .exec();
    anyhow::Error::new(failed).context("cannot run ip")
}
