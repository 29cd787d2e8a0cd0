//! English or Chinese, as the caller prefers.

use axum::http::{HeaderMap, header::ACCEPT_LANGUAGE};
use domain::refusal::Rule;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    Chinese,
}

impl Language {
    /// The first one of ours among those the caller can read; English for everybody else.
    pub fn of(headers: &HeaderMap) -> Self {
        let wished = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (0_u32, Self::English);
        for range in wished.split(',').take(16) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let language = match tag.trim().split('-').next().map(str::to_ascii_lowercase).as_deref() {
                Some("en") => Self::English,
                Some("zh") => Self::Chinese,
                _ => continue,
            };
            let weight = thousandths(weight.trim());
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The sentence of a rule.
    pub const fn sentence(self, rule: &Rule) -> &'static str {
        match self {
            Self::English => rule.english,
            Self::Chinese => rule.chinese,
        }
    }
}

/// `q=0.8` is 800; what cannot be read counts for nothing.
fn thousandths(weight: &str) -> u32 {
    let Some(value) = weight.strip_prefix("q=") else { return 0 };
    match value.split_once('.') {
        None => value.parse::<u32>().map_or(0, |whole| whole.min(1).saturating_mul(1_000)),
        Some((whole, part)) if part.len() <= 3 => {
            let part: u32 = format!("{part:0<3}").parse().unwrap_or(0);
            whole.parse::<u32>().map_or(0, |whole| whole.saturating_mul(1_000).saturating_add(part).min(1_000))
        }
        Some(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_preferred_most_is_spoken() {
        for (wish, language) in [
            ("", Language::English),
            ("zh", Language::Chinese),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en;q=0.9, zh;q=0.95", Language::Chinese),
            ("en, zh", Language::English),
            ("fr, zh;q=0.1", Language::Chinese),
            ("fr", Language::English),
            ("zh;q=0, en", Language::English),
            ("zh;q=x", Language::English),
            (";;;,,,", Language::English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, wish.parse().unwrap());
            assert_eq!(Language::of(&headers), language, "{wish}");
        }
        assert_eq!(Language::of(&HeaderMap::new()), Language::English);
    }
}
