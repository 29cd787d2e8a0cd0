//! Migrations are part of this crate: a new file among them is a reason to build again.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
