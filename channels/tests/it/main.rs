//! Every partner in the list, over real HTTP, against the same contract.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod line;
#[cfg(test)]
mod remittances;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod stand;
#[cfg(test)]
mod strange_answers;
#[cfg(test)]
mod tokens;
