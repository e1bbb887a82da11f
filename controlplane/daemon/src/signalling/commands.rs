//! What an operator asks of the control plane

use std::net::Ipv6Addr;

use dhp_proto::anchor::{AnchorCommand, AnchorConfig, Limits, ReconfigureError};
use dhp_wire::codepoints::revocation_trigger;

use super::Signalling;

impl Signalling {
    /// Refuse new mobile nodes, or take them again.
    pub fn set_draining(&mut self, draining: bool) {
        let now = self.now();
        self.anchor
            .handle_command(now, AnchorCommand::SetDraining(draining));
        self.collect(0, None);
    }

    /// Go on with another configuration. Gives the home addresses whose bindings have ended by it.
    ///
    /// # Errors
    /// [`ReconfigureError`]; nothing has changed then.
    pub fn reconfigure(
        &mut self,
        mut config: AnchorConfig,
    ) -> Result<Vec<Ipv6Addr>, ReconfigureError> {
        // What fits the segment was decided when it was made.
        config.limits = Limits {
            errors_per_second: config.limits.errors_per_second,
            ..self.anchor.config().limits
        };
        let now = self.now();
        let ended = self.anchor.reconfigure(now, config)?;
        self.collect(0, None);
        self.carry_out(now.mono_ns);
        Ok(ended)
    }

    /// End a binding; `false` if there is none.
    pub fn release(&mut self, home_address: Ipv6Addr) -> bool {
        self.command(home_address, AnchorCommand::Release { home_address })
    }

    /// End a binding by Binding Revocation, so that its mobile node learns of it; `false` if there is none.
    pub fn revoke(&mut self, home_address: Ipv6Addr) -> bool {
        let trigger = revocation_trigger::ADMINISTRATIVE;
        let command = AnchorCommand::Revoke {
            home_address,
            trigger,
        };
        self.command(home_address, command)
    }

    /// Have a mobile node find another home agent; `false` if it is not bound.
    pub fn switch_home_agent(
        &mut self,
        home_address: Ipv6Addr,
        home_agent: Option<Ipv6Addr>,
    ) -> bool {
        let command = AnchorCommand::SwitchHomeAgent {
            home_address,
            home_agents: home_agent.into_iter().collect(),
            remaining: None,
        };
        self.command(home_address, command)
    }

    /// Whether the home address was bound.
    fn command(&mut self, home_address: Ipv6Addr, command: AnchorCommand) -> bool {
        let bound = self.forwarding.bound(home_address).is_some();
        let now = self.now();
        self.anchor.handle_command(now, command);
        self.collect(0, None);
        self.carry_out(now.mono_ns);
        bound
    }
}
