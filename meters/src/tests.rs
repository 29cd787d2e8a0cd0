//! Meters: nothing is lost between threads, and what is shown is what was counted.

use std::time::Duration;

use super::{Counter, Histogram, Kind, Page, SECONDS, decimal};

#[test]
fn a_smallest_unit_is_shown_as_a_decimal_number() {
    for (value, decimals, shown) in [
        (0, 0, "0"),
        (0, 9, "0"),
        (1, 9, "0.000000001"),
        (100_000_000, 9, "0.1"),
        (1_500_000_000, 9, "1.5"),
        (12_345, 2, "123.45"),
        (12_300, 2, "123"),
        (7, 0, "7"),
        (u64::MAX, 0, "18446744073709551615"),
    ] {
        assert_eq!(decimal(value, decimals), shown);
    }
}

#[test]
fn threads_that_count_at_once_lose_nothing() {
    let (counter, histogram) = (Counter::default(), Histogram::new(&[10, 20], 0));
    std::thread::scope(|scope| {
        for _thread in 0..9 {
            scope.spawn(|| {
                for value in 0..30 {
                    counter.add(2);
                    histogram.observe(value);
                }
            });
        }
    });
    assert_eq!(counter.value(), 9 * 30 * 2);
    assert_eq!(histogram.count(), 9 * 30);
    let observed = histogram.observed();
    assert_eq!(observed.upto, [(10, 9 * 11), (20, 9 * 21)]);
    assert_eq!(observed.sum, 9 * (0..30).sum::<u64>());
}

#[test]
fn a_page_has_each_family_with_help_and_type_and_its_series() {
    let mut page = Page::default();
    let counter = Counter::default();
    counter.add(3);
    page.family("things_total", Kind::Counter, "Things").series(&[], counter.value());
    let name = "odd \"name\"\\\n";
    page.family("depth", Kind::Gauge, "How deep").series(&[("of", name), ("in", "x")], 1.5);
    let waits = Histogram::new(&[1_000_000, 100_000_000], SECONDS);
    waits.took(Duration::from_millis(1));
    waits.took(Duration::from_millis(2));
    waits.took(Duration::from_secs(3));
    page.family("waits_seconds", Kind::Histogram, "Waits").histogram(&[("at", "door")], &waits);
    page.family("none", Kind::Gauge, "None");
    let expected = "# HELP things_total Things\n# TYPE things_total counter\nthings_total 3\n\
        # HELP depth How deep\n# TYPE depth gauge\ndepth{of=\"odd \\\"name\\\"\\\\\\n\",in=\"x\"} 1.5\n\
        # HELP waits_seconds Waits\n# TYPE waits_seconds histogram\n\
        waits_seconds_bucket{at=\"door\",le=\"0.001\"} 1\nwaits_seconds_bucket{at=\"door\",le=\"0.1\"} 2\n\
        waits_seconds_bucket{at=\"door\",le=\"+Inf\"} 3\nwaits_seconds_sum{at=\"door\"} 3.003\n\
        waits_seconds_count{at=\"door\"} 3\n# HELP none None\n# TYPE none gauge\n";
    assert_eq!(page.into_text(), expected);
}
