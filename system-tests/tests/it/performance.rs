//! The page of figures is what the kept figures make.

use system_tests::performance::page::{drawing, page};
use system_tests::performance::{KEPT, PAGE, PLOT, Performance};
use system_tests::tree::{Tree, root};

#[test]
fn the_page_of_figures_and_its_plot_are_made_of_what_is_kept() {
    let tree = Tree::read(&root()).unwrap();
    let kept: Performance = serde_json::from_str(tree.text(KEPT).unwrap_or_else(|| panic!("{KEPT} is gone"))).unwrap();
    assert!(tree.text(PAGE) == Some(&*page(&kept)), "{PAGE} is not what {KEPT} makes: run make performance");
    assert!(tree.text(PLOT) == drawing(&kept).as_deref(), "{PLOT} is not what {KEPT} makes: run make performance");
}
