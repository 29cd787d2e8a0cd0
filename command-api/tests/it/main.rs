//! What is told of the writes is what the code says.

#[cfg(test)]
mod openapi;
