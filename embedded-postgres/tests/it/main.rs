//! The cluster from outside: kept, adopted, broken, killed; with real servers.

#[cfg(test)]
mod binaries;
#[cfg(test)]
mod home;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod refused;
