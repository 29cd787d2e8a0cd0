//! Builds again when a migration is added: they are compiled into the binary.

fn main() -> std::io::Result<()> {
    std::fs::create_dir_all("../migrations")?;
    println!("cargo:rerun-if-changed=../migrations");
    Ok(())
}
