//! The committed documents are what the code says.

#[cfg(test)]
mod openapi;
