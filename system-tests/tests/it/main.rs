//! The integration tests of the whole system, as one binary.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod followers;
#[cfg(test)]
mod http;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod map;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod proof;
mod proxy;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod unknown_commit;
