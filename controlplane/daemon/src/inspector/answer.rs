//! Questions and commands of `dhpctl`, and who answers them

use dhpctl::{Answer, LARGEST_PAGE, Reply, Request};

use super::Inspector;
use super::counted::{counters, pools, ports};
use crate::directory_page;

impl Inspector {
    /// The answer to a question of `dhpctl`.
    pub async fn answer(&self, request: Request) -> Answer {
        let reply = match request {
            Request::Status => self.status().await.map(Reply::Status),
            Request::Bindings {
                after,
                after_correspondent,
                limit,
            } => self
                .bindings(after, after_correspondent, limit)
                .await
                .map(Reply::Bindings),
            Request::MobileNodes { node, from, limit } => self
                .mobile_nodes(node, from, limit)
                .await
                .map(Reply::MobileNodes),
            Request::Flows {
                node,
                home_address,
                after,
                limit,
            } => self
                .flows(node, home_address, after, limit)
                .await
                .map(Reply::Flows),
            Request::Ports => Ok(Reply::Ports(ports(&self.ports.look().await))),
            Request::Pools => self
                .snapshot()
                .await
                .map(|snapshot| Reply::Pools(pools(&snapshot))),
            Request::Counters => self
                .snapshot()
                .await
                .map(|snapshot| Reply::Counters(counters(&snapshot))),
            Request::Routes { after, limit } => self.routes(after, limit).await.map(Reply::Routes),
            Request::Directory {
                after,
                after_dhp,
                limit,
            } => {
                let after = after.zip(after_dhp);
                let limit = limit.clamp(1, LARGEST_PAGE);
                let control = self.operator.control();
                let page =
                    control.ask(move |signalling| directory_page::take(signalling, after, limit));
                page.await.map(Reply::Directory)
            }
            Request::Neighbours => self.neighbours().await.map(Reply::Neighbours),
            Request::Trace {
                address,
                drops_only,
            } => self.trace(address, drops_only).await.map(Reply::Trace),
            Request::Config => Ok(Reply::Config(self.operator.config().summary())),
            Request::Release { home_address } => return self.release(home_address).await,
            Request::Revoke { home_address } => return self.revoke(home_address).await,
            Request::Switch {
                home_address,
                home_agent,
            } => return self.switch(home_address, home_agent).await,
            Request::Drain { on } => return self.drain(on).await,
            Request::Reload => {
                return match self.reload().await {
                    Ok(reloaded) => Answer::Ok(Reply::Reloaded(reloaded)),
                    Err(error) => Answer::Error(error.to_string()),
                };
            }
        };
        match reply {
            Ok(reply) => Answer::Ok(reply),
            Err(stopped) => Answer::Error(stopped.to_string()),
        }
    }
}
