//! Where payments come from: proxies that are believed, and a table of countries.

use std::path::PathBuf;

use clap::Args;
use command_api::Countries;
use domain::network::Network;
use gate::Proxies;
use tokio::sync::watch;

use crate::failure::{Failure, Result};

#[derive(Args, Clone, Debug)]
pub(crate) struct Origins {
    /// Networks whose `X-Forwarded-For` is believed, as `10.0.0.0/8,192.0.2.7`: of a payment that names no `customer_ip`,
    /// the nearest address that is none of theirs is the customer's. Without it, no header is believed
    #[arg(long, env = "DAYBOOK_TRUSTED_PROXIES", value_name = "NETWORKS", value_delimiter = ',', value_parser = network)]
    trusted_proxies: Vec<Network>,

    /// A file that says in which country networks are, a `network,country` on each line; read again when it changes
    #[arg(long, env = "DAYBOOK_COUNTRIES_FILE", value_name = "FILE")]
    countries_file: Option<PathBuf>,
}

fn network(text: &str) -> std::result::Result<Network, String> {
    text.trim().parse().map_err(|refusal: domain::network::NetworkRefusal| refusal.to_string())
}

impl Origins {
    pub(crate) fn proxies(&self) -> Proxies {
        Proxies::new(self.trusted_proxies.clone())
    }

    /// The table, kept up to date until told to stop; an empty one where no file was named.
    pub(crate) fn countries(&self, stop: watch::Receiver<bool>) -> Result<Countries> {
        let Some(file) = &self.countries_file else { return Ok(Countries::default()) };
        let (countries, source) = Countries::open(file).map_err(|failure| Failure::NotThere(failure.to_string()))?;
        tokio::spawn(countries.clone().follow(source, stop));
        Ok(countries)
    }
}
