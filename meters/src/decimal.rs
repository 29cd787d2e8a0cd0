//! A whole number of a smallest unit, as a decimal number of the unit that is shown.

/// `decimals` digits are after the point; zeros at the end are left out.
pub fn decimal(value: u64, decimals: u8) -> String {
    let digits = usize::from(decimals);
    let padded = format!("{value:0width$}", width = digits.saturating_add(1));
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(digits));
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}
