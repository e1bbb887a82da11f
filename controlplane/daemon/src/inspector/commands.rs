//! Commands, and what is said when they are done

use std::net::Ipv6Addr;

use dhpctl::{Answer, Reply};

use super::Inspector;
use crate::control::Stopped;

impl Inspector {
    pub(super) async fn release(&self, home_address: Ipv6Addr) -> Answer {
        let sentence = format!("released {home_address}");
        told(
            home_address,
            sentence,
            self.operator.release(home_address).await,
        )
    }

    pub(super) async fn revoke(&self, home_address: Ipv6Addr) -> Answer {
        let sentence = format!(
            "{home_address} is asked to leave: its binding ends when it has answered, or in 3 s"
        );
        told(
            home_address,
            sentence,
            self.operator.revoke(home_address).await,
        )
    }

    pub(super) async fn switch(
        &self,
        home_address: Ipv6Addr,
        home_agent: Option<Ipv6Addr>,
    ) -> Answer {
        let sentence = match home_agent {
            Some(home_agent) => format!("{home_address} is asked to go to {home_agent}"),
            None => format!("{home_address} is asked to find another home agent"),
        };
        let asked = self.operator.switch(home_address, home_agent).await;
        told(home_address, sentence, asked)
    }

    pub(super) async fn drain(&self, on: bool) -> Answer {
        let sentence = if on {
            "draining: new mobile nodes are refused, those that are bound stay; the routes of the DHoA pools are withdrawn"
        } else {
            "not draining: new mobile nodes are taken; the routes of all pools are announced"
        };
        match self.operator.drain(on).await {
            Ok(()) => Answer::Ok(Reply::Done(sentence.to_owned())),
            Err(sentence) => Answer::Error(sentence),
        }
    }
}

/// The answer to a command for one mobile node.
fn told(home_address: Ipv6Addr, sentence: String, was_bound: Result<bool, Stopped>) -> Answer {
    match was_bound {
        Ok(true) => Answer::Ok(Reply::Done(sentence)),
        Ok(false) => Answer::Error(format!("{home_address} is not bound")),
        Err(stopped) => Answer::Error(stopped.to_string()),
    }
}
