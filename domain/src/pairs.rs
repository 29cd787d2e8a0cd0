//! Maps whose keys are no text, kept in a snapshot as lists of pairs.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<K, V, S>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
where
    K: Serialize,
    V: Serialize,
    S: Serializer,
{
    serializer.collect_seq(map)
}

pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Kept {
        #[serde(with = "super")]
        pairs: BTreeMap<(u8, u8), u8>,
    }

    #[test]
    fn what_was_kept_comes_back() {
        let kept = Kept { pairs: BTreeMap::from([((1, 2), 3), ((1, 3), 4)]) };
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(text, r#"{"pairs":[[[1,2],3],[[1,3],4]]}"#);
        assert_eq!(serde_json::from_str::<Kept>(&text).unwrap(), kept);
    }
}
