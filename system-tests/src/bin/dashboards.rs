//! Draws the dashboards into deploy/grafana: `make dashboards`.

use system_tests::dashboards::ALL;
use system_tests::tree::root;

fn main() -> std::io::Result<()> {
    for dashboard in ALL {
        std::fs::write(root().join(dashboard.path()), dashboard.drawn())?;
    }
    Ok(())
}
