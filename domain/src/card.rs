//! Finds card numbers in free text, so that none is ever stored.

use std::ops::RangeInclusive;

/// First digits of a brand, from and to, with the lengths its numbers have.
struct Brand {
    from: u32,
    to: u32,
    lengths: &'static [usize],
}

const BRANDS: &[Brand] = &[
    Brand { from: 4, to: 4, lengths: &[13, 16, 19] },               // Visa
    Brand { from: 51, to: 55, lengths: &[16] },                     // Mastercard
    Brand { from: 2221, to: 2720, lengths: &[16] },                 // Mastercard
    Brand { from: 34, to: 34, lengths: &[15] },                     // American Express
    Brand { from: 37, to: 37, lengths: &[15] },                     // American Express
    Brand { from: 6011, to: 6011, lengths: &[16, 19] },             // Discover
    Brand { from: 644, to: 659, lengths: &[16, 19] },               // Discover
    Brand { from: 3528, to: 3589, lengths: &[16, 17, 18, 19] },     // JCB
    Brand { from: 300, to: 305, lengths: &[14, 16, 17, 18, 19] },   // Diners Club
    Brand { from: 36, to: 36, lengths: &[14, 15, 16, 17, 18, 19] }, // Diners Club
    Brand { from: 38, to: 39, lengths: &[14, 16, 17, 18, 19] },     // Diners Club
    Brand { from: 62, to: 62, lengths: &[16, 17, 18, 19] },         // UnionPay
    Brand { from: 5018, to: 5018, lengths: &[13, 14, 15, 16, 17, 18, 19] }, // Maestro
    Brand { from: 5020, to: 5020, lengths: &[13, 14, 15, 16, 17, 18, 19] }, // Maestro
    Brand { from: 5038, to: 5038, lengths: &[13, 14, 15, 16, 17, 18, 19] }, // Maestro
    Brand { from: 6304, to: 6304, lengths: &[13, 14, 15, 16, 17, 18, 19] }, // Maestro
    Brand { from: 6759, to: 6763, lengths: &[13, 14, 15, 16, 17, 18, 19] }, // Maestro
];

const DIGITS_MAX: usize = 19;

/// A card number stands in the text as a token of its own, whole or in groups parted by spaces, dashes or nothing seen.
#[must_use]
pub fn is_card_number_in(text: &str) -> bool {
    let mut groups: Vec<String> = Vec::new();
    for piece in text.split_inclusive(parts) {
        let token = piece.trim_end_matches(parts);
        match token.chars().map(digit).collect::<Option<String>>() {
            Some(digits) if !digits.is_empty() => groups.push(digits),
            Some(_) => {}
            None => groups.clear(),
        }
        if (0..groups.len()).any(|from| groups.get(from..).is_some_and(|run| is_card_number(&run.concat()))) {
            return true;
        }
        if groups.len() >= DIGITS_MAX {
            groups.remove(0);
        }
        if !piece.ends_with(joins) {
            groups.clear();
        }
    }
    false
}

/// Letters next to digits make a word of them, but only letters of scripts that put spaces between words.
fn parts(c: char) -> bool {
    !c.is_ascii_alphanumeric() && digit(c).is_none()
}

/// What people put between the groups of one number: any space but the end of a line, any dash, and what is not seen.
fn joins(c: char) -> bool {
    let space = c.is_whitespace() && !matches!(c, '\n' | '\r');
    space || UNSEEN.iter().chain(DASHES).any(|range| range.contains(&c))
}

/// Unicode's dash punctuation, with the signs that look like it.
const DASHES: &[RangeInclusive<char>] = &[
    '-'..='-',
    '\u{2d7}'..='\u{2d7}', // modifier letter minus
    '\u{58a}'..='\u{58a}',
    '\u{5be}'..='\u{5be}',
    '\u{1400}'..='\u{1400}',
    '\u{1806}'..='\u{1806}',
    '\u{2010}'..='\u{2015}',
    '\u{2043}'..='\u{2043}', // hyphen bullet
    '\u{207b}'..='\u{207b}', // superscript minus
    '\u{208b}'..='\u{208b}', // subscript minus
    '\u{2212}'..='\u{2212}', // minus
    '\u{23af}'..='\u{23af}', // horizontal line extension
    '\u{2500}'..='\u{2501}', // box drawings
    '\u{2796}'..='\u{2796}', // heavy minus
    '\u{2e17}'..='\u{2e17}',
    '\u{2e1a}'..='\u{2e1a}',
    '\u{2e3a}'..='\u{2e3b}',
    '\u{2e40}'..='\u{2e40}',
    '\u{2e5d}'..='\u{2e5d}',
    '\u{301c}'..='\u{301c}',
    '\u{3030}'..='\u{3030}',
    '\u{30a0}'..='\u{30a0}',
    '\u{30fc}'..='\u{30fc}', // prolonged sound mark
    '\u{fe31}'..='\u{fe32}',
    '\u{fe58}'..='\u{fe58}',
    '\u{fe63}'..='\u{fe63}',
    '\u{ff0d}'..='\u{ff0d}',
    '\u{ff70}'..='\u{ff70}', // halfwidth prolonged sound mark
    '\u{10d6e}'..='\u{10d6e}',
    '\u{10ead}'..='\u{10ead}',
];

/// What has no width: format characters, joiners, fillers, variation selectors, tags.
const UNSEEN: &[RangeInclusive<char>] = &[
    '\u{ad}'..='\u{ad}', // soft hyphen
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}', // blank braille
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// A decimal digit of any script people type numbers in, as ASCII.
fn digit(c: char) -> Option<char> {
    let zeros = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'];
    zeros.into_iter().find_map(|zero| {
        let value = u32::from(c).checked_sub(u32::from(zero))?;
        char::from_digit(value, 10)
    })
}

fn is_card_number(digits: &str) -> bool {
    is_of_a_brand(digits) && passes_luhn(digits)
}

fn is_of_a_brand(digits: &str) -> bool {
    BRANDS.iter().any(|brand| {
        let width = brand.from.to_string().len();
        let prefix = digits.get(..width).and_then(|prefix| prefix.parse::<u32>().ok());
        brand.lengths.contains(&digits.len()) && prefix.is_some_and(|prefix| (brand.from..=brand.to).contains(&prefix))
    })
}

/// ISO/IEC 7812: from the right, every second digit doubled and its digits summed, in all a multiple of ten.
fn passes_luhn(digits: &str) -> bool {
    let weighed = digits.bytes().rev().zip([false, true].into_iter().cycle()).map(|(byte, double)| {
        let value = u32::from(byte.saturating_sub(b'0'));
        let doubled = value.saturating_mul(2);
        if double { doubled.div_euclid(10).saturating_add(doubled.rem_euclid(10)) } else { value }
    });
    weighed.sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests;
