//! Query parameters: each known by name and given at most once, or the question is refused.

use serde_json::Value;

use crate::{door::Call, problem::Problem, rules};

/// What a route takes in its query. A name that ends with `[*]` stands for any word between the brackets, one that
/// ends with `[]` may be given more than once.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub words: &'static str,
    pub schema: fn() -> Value,
}

/// The query of one request, of which every name is known.
#[derive(Clone, Debug)]
pub struct Parameters<'c> {
    given: Vec<(&'c str, &'c str)>,
}

impl Parameter {
    fn is(&self, name: &str) -> bool {
        match self.name.strip_suffix("*]") {
            Some(open) => name.strip_prefix(open).and_then(|rest| rest.strip_suffix(']')).is_some_and(is_word),
            None => self.name == name,
        }
    }

    /// As the OpenAPI document has it.
    pub fn told(&self) -> Value {
        let mut told = serde_json::json!({
            "name": self.name, "in": "query", "required": false, "schema": (self.schema)(), "description": self.words,
        });
        if let (Some(object), Some(plain)) = (told.as_object_mut(), self.name.strip_suffix("[*]")) {
            object.insert("name".to_owned(), plain.into());
            object.insert("style".to_owned(), "deepObject".into());
            object.insert("explode".to_owned(), true.into());
        }
        told
    }
}

/// What may stand between brackets.
fn is_word(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.contains(['[', ']'])
}

impl<'c> Parameters<'c> {
    /// # Errors
    /// A name that the route does not know, or one given twice.
    pub fn of(call: &'c Call, known: &[Parameter]) -> Result<Self, Problem> {
        Self::among(call.query(), known)
    }

    fn among(query: impl Iterator<Item = (&'c str, &'c str)>, known: &[Parameter]) -> Result<Self, Problem> {
        let mut given: Vec<(&str, &str)> = Vec::new();
        for (name, value) in query {
            let Some(parameter) = known.iter().find(|parameter| parameter.is(name)) else {
                return Err(Problem::parameter(name, rules::PARAMETER_UNKNOWN));
            };
            if !parameter.name.ends_with("[]") && given.iter().any(|(known, _value)| *known == name) {
                return Err(Problem::parameter(name, rules::PARAMETER_REPEATED));
            }
            given.push((name, value));
        }
        Ok(Self { given })
    }

    pub fn get(&self, name: &str) -> Option<&'c str> {
        self.given.iter().find(|(known, _value)| *known == name).map(|(_name, value)| *value)
    }

    /// Every value of a name that may be given more than once.
    pub fn every(&self, name: &str) -> impl Iterator<Item = &'c str> {
        self.given.iter().filter(move |(known, _value)| *known == name).map(|(_name, value)| *value)
    }

    /// The words between the brackets of `name[…]`, with their values.
    pub fn within(&self, name: &str) -> impl Iterator<Item = (&'c str, &'c str)> {
        self.given.iter().filter_map(move |(known, value)| {
            Some((known.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?, *value))
        })
    }

    /// The value as `parse` reads it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read<T>(&self, name: &str, parse: impl FnOnce(&'c str) -> Option<T>) -> Result<Option<T>, Problem> {
        let malformed = || Problem::parameter(name, rules::PARAMETER_MALFORMED);
        self.get(name).map(|text| parse(text).ok_or_else(malformed)).transpose()
    }

    /// All of them, in order of name: what makes two questions the same.
    pub fn sorted(&self) -> Vec<(&'c str, &'c str)> {
        let mut sorted = self.given.clone();
        sorted.sort_unstable();
        sorted
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text() -> Value {
        json!({ "type": "string" })
    }

    const KNOWN: &[Parameter] = &[
        Parameter { name: "limit", words: "", schema: text },
        Parameter { name: "expand[]", words: "", schema: text },
        Parameter { name: "metadata[*]", words: "", schema: text },
    ];

    fn read<'q>(query: &[(&'q str, &'q str)]) -> Result<Parameters<'q>, Problem> {
        Parameters::among(query.iter().copied(), KNOWN)
    }

    #[test]
    fn an_unknown_name_is_refused_and_named() {
        for name in
            ["Limit", "limit ", "limit[]", "metadata", "metadata[]", "metadata[a][b]", "metadata[a", "expand", ""]
        {
            let refused = read(&[(name, "1")]).unwrap_err();
            assert_eq!(refused, Problem::parameter(name, rules::PARAMETER_UNKNOWN), "{name}");
        }
    }

    #[test]
    fn a_name_is_given_once_unless_it_is_a_list() {
        let refused = read(&[("limit", "1"), ("limit", "1")]).unwrap_err();
        assert_eq!(refused, Problem::parameter("limit", rules::PARAMETER_REPEATED));
        let twice = read(&[("metadata[a]", "1"), ("metadata[a]", "2")]).unwrap_err();
        assert_eq!(twice, Problem::parameter("metadata[a]", rules::PARAMETER_REPEATED));
        let listed =
            read(&[("expand[]", "a"), ("expand[]", "b"), ("metadata[x]", "1"), ("metadata[y z]", "2")]).unwrap();
        assert_eq!(listed.every("expand[]").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(listed.within("metadata").collect::<Vec<_>>(), [("x", "1"), ("y z", "2")]);
    }

    #[test]
    fn a_value_that_cannot_be_read_is_named() {
        let given = read(&[("limit", "many")]).unwrap();
        let refused = given.read("limit", |text| text.parse::<u32>().ok()).unwrap_err();
        assert_eq!(refused, Problem::parameter("limit", rules::PARAMETER_MALFORMED));
        assert_eq!(given.read("cursor", |text| text.parse::<u32>().ok()).unwrap(), None);
    }
}
