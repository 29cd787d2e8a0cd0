//! The integration tests of the whole system, as one binary.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod asyncapi;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod bus;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod followers;
#[cfg(test)]
mod http;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod map;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod performance;
#[cfg(test)]
mod projections;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod reactions;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod unknown_commit;
