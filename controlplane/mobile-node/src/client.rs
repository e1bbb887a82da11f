//! The commands that ask a running agent.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv6Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, bail};

use crate::api::{Answer, Question};
use crate::explanation::Connection;
use crate::status::{HomeStatus, Status};

/// `dhp-mn status`.
pub fn status(socket: &Path, json: bool) -> anyhow::Result<()> {
    match ask(socket, &Question::Status)? {
        Answer::Status(status) if json => println!("{}", serde_json::to_string_pretty(&status)?),
        Answer::Status(status) => print!("{}", described(&status)),
        Answer::Refused(reason) => bail!(reason),
        Answer::Done | Answer::Explained(_) | Answer::Reloaded { .. } => {
            bail!("the agent gave no status")
        }
    }
    Ok(())
}

/// `dhp-mn explain`.
pub fn explain(socket: &Path, connection: Connection, json: bool) -> anyhow::Result<()> {
    match ask(socket, &Question::Explain(connection))? {
        Answer::Explained(explanation) if json => {
            println!("{}", serde_json::to_string_pretty(&explanation)?);
        }
        Answer::Explained(explanation) => print!("{explanation}"),
        Answer::Refused(reason) => bail!(reason),
        Answer::Done | Answer::Status(_) | Answer::Reloaded { .. } => {
            bail!("the agent gave no explanation")
        }
    }
    Ok(())
}

/// `dhp-mn move`.
pub fn prefer(socket: &Path, to: Option<String>) -> anyhow::Result<()> {
    match ask(socket, &Question::Move { to })? {
        Answer::Refused(reason) => bail!(reason),
        Answer::Done | Answer::Status(_) | Answer::Explained(_) | Answer::Reloaded { .. } => Ok(()),
    }
}

/// `dhp-mn stop`: waits until the agent has ended.
pub fn stop(socket: &Path, keep: bool) -> anyhow::Result<()> {
    let mut reader = send(socket, &Question::Stop { keep })?;
    let mut line = String::new();
    // It may have ended before it came to answer.
    while reader.read_line(&mut line)? > 0 {
        if let Answer::Refused(reason) = understood(&line)? {
            bail!(reason);
        }
        line.clear();
    }
    Ok(())
}

/// `dhp-mn reload`.
pub fn reload(socket: &Path) -> anyhow::Result<()> {
    match ask(socket, &Question::Reload)? {
        Answer::Refused(reason) => bail!(reason),
        Answer::Reloaded { spi: Some(spi) } => println!("the key with SPI {spi} is in use"),
        Answer::Reloaded { spi: None } => println!("the key is the same as before"),
        Answer::Done | Answer::Status(_) | Answer::Explained(_) => {
            bail!("the agent's answer is not understood")
        }
    }
    Ok(())
}

/// `dhp-mn events`.
pub fn events(socket: &Path, replay: bool) -> anyhow::Result<()> {
    let mut reader = send(socket, &Question::Events { replay })?;
    let mut line = String::new();
    let mut out = std::io::stdout().lock();
    while reader.read_line(&mut line)? > 0 {
        // A reader that has seen enough closes the pipe.
        if out
            .write_all(line.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            break;
        }
        line.clear();
    }
    Ok(())
}

fn send(socket: &Path, question: &Question) -> anyhow::Result<BufReader<UnixStream>> {
    let mut stream = UnixStream::connect(socket)
        .with_context(|| format!("{}: no agent answers", socket.display()))?;
    writeln!(stream, "{}", serde_json::to_string(question)?)?;
    Ok(BufReader::new(stream))
}

/// What the agent answers.
///
/// # Errors
/// No agent listens there.
pub fn ask(socket: &Path, question: &Question) -> anyhow::Result<Answer> {
    let mut line = String::new();
    send(socket, question)?.read_line(&mut line)?;
    understood(&line)
}

fn understood(line: &str) -> anyhow::Result<Answer> {
    serde_json::from_str(line).context("the agent's answer is not understood")
}

fn described_home(home: &HomeStatus) -> String {
    let address = home.address;
    if !home.discovered {
        return address.to_string();
    }
    let known: Vec<String> = home.known_agents.iter().map(Ipv6Addr::to_string).collect();
    let known = match known.as_slice() {
        [] => "no home agent is known".to_owned(),
        known => format!("home agents at home: {}", known.join(" ")),
    };
    let asking = match home.is_asking {
        true => ", being asked for",
        false => "",
    };
    format!("{address} ({known}{asking})")
}

/// The state in words.
pub fn described(status: &Status) -> String {
    let mut out = String::new();
    let or_none = |address: Option<Ipv6Addr>| {
        address.map_or_else(|| "none".to_owned(), |address| address.to_string())
    };
    let _ = writeln!(out, "care-of address  {}", or_none(status.care_of));
    if let Some(home) = &status.at_home {
        let (address, interface) = (home.home_address, &home.interface);
        let _ = writeln!(out, "at home          {address} on {interface}");
    }
    let _ = writeln!(
        out,
        "key              SPI {} ({})",
        status.spi, status.algorithm
    );
    for interface in &status.interfaces {
        let state = if interface.up { "up" } else { "down" };
        let used = if interface.in_use { ", in use" } else { "" };
        let addresses: Vec<String> = interface
            .addresses
            .iter()
            .map(Ipv6Addr::to_string)
            .collect();
        let _ = writeln!(
            out,
            "interface        {} ({state}{used}) {}",
            interface.name,
            addresses.join(" ")
        );
        let rate = interface.rate_kbps.map(|rate| format!("{rate} kbit/s"));
        let metered = interface.metered.then(|| "metered".to_owned());
        let measured = interface.measured.iter().map(|one| {
            let round_trip = one.rtt_ns.map_or_else(
                || "unknown".to_owned(),
                |ns| format!("{:.1} ms", ns as f64 / 1e6),
            );
            let (anchor, lost, probes) = (one.anchor, one.lost, one.probes);
            format!("to {anchor} RTT {round_trip}, {lost} of {probes} probes lost")
        });
        let known: Vec<String> = rate.into_iter().chain(metered).chain(measured).collect();
        if !known.is_empty() {
            let _ = writeln!(out, "  {}", known.join("; "));
        }
    }
    if let Some(home) = &status.home {
        let _ = writeln!(out, "home address     {}", described_home(home));
        for former in &home.former {
            let left = former
                .seconds_left
                .map_or_else(|| "for ever".to_owned(), |left| format!("{left} s left"));
            let _ = writeln!(out, "  before: {} ({left})", former.address);
        }
    }
    for anchor in &status.anchors {
        let round_trip = anchor
            .rtt_ns
            .map_or_else(String::new, |ns| format!(", RTT {:.1} ms", ns as f64 / 1e6));
        let _ = writeln!(
            out,
            "anchor           {} ({}{round_trip}{})",
            anchor.address,
            anchor.kind,
            if anchor.silent { ", silent" } else { "" }
        );
        for binding in &anchor.bindings {
            let left = binding
                .seconds_left
                .map_or_else(|| "for ever".to_owned(), |left| format!("{left} s left"));
            let risk = if anchor.silent { " at risk" } else { "" };
            let _ = writeln!(
                out,
                "  {} -> {} ({left}), sessions{risk}: {}",
                binding.home_address,
                or_none(binding.care_of),
                binding.sessions
            );
        }
    }
    for flow in &status.flows {
        let source = or_none(flow.source);
        let _ = writeln!(
            out,
            "flow             {}{} {} ({}), source {source}",
            flow.prefix,
            match flow.about.as_str() {
                "" => String::new(),
                about => format!(" ({about})"),
            },
            flow.session,
            flow.state
        );
        if let Some(access) = &flow.access {
            let _ = writeln!(out, "  over {access}: {}", flow.access_reason);
        }
    }
    for one in &status.correspondents {
        let _ = writeln!(
            out,
            "correspondents   {} {} ({}), source {}, judged: {}",
            one.serves,
            one.session,
            one.state,
            or_none(one.source),
            one.judged
        );
    }
    for route in &status.routes {
        let reason = route.reason.as_deref();
        let _ = writeln!(
            out,
            "route            {} -> {} {}{}",
            route.home_address,
            route.correspondent,
            route.mode,
            reason.map_or_else(String::new, |reason| format!(" ({reason})"))
        );
    }
    for (name, value) in status.counters.iter().filter(|(_, value)| **value > 0) {
        let _ = writeln!(out, "counter          {name} {value}");
    }
    out
}
