//! Query strings and path segments, checked at the edge.

use actix_web::HttpRequest;
use actix_web::web::Query;

use crate::http::refusal::Refusal;
use crate::protocol::error::ErrorCode;
use crate::protocol::ids::ID_BYTES_MAX;
use crate::store::campaigns::page::Page;

/// Items of one page at the most, and when the caller does not say.
pub const PAGE_ITEMS_MAX: u32 = 200;

/// The parameters of a request's query. Names that nobody asks for are ignored.
pub struct Params(Vec<(String, String)>);

impl Params {
    pub fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        let pairs =
            Query::<Vec<(String, String)>>::from_query(request.query_string()).map_err(|error| Refusal::bad_field("query", error))?;
        Ok(Self(pairs.into_inner()))
    }

    /// The value of a parameter that stands at most once.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Refusal::bad_field(name, "stands more than once")),
            (Some(value), None) if value.contains('\0') => Err(Refusal::bad_field(name, "holds U+0000")),
            (value, None) => Ok(value),
        }
    }

    /// One of the named values.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Refusal> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        let known = choices.iter().find(|(label, _)| *label == value);
        known.map(|&(_, choice)| Some(choice)).ok_or_else(|| {
            let labels: Vec<&str> = choices.iter().map(|(label, _)| *label).collect();
            Refusal::bad_field(name, format_args!("is none of {}", labels.join(", ")))
        })
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let value = self.one(name)?;
        value.map(|text| text.parse().map_err(|_| Refusal::bad_field(name, "is not a whole number"))).transpose()
    }

    /// A page between items that are named by their ids.
    pub fn page_by_id(&self) -> Result<Page<String>, Refusal> {
        let id = |name| self.one(name).map(|value| value.map(str::to_owned));
        Ok(Page { limit: self.limit()?, after: id("after")?, before: id("before")? })
    }

    /// A page between numbers of events.
    pub fn page_by_seq(&self) -> Result<Page<i64>, Refusal> {
        Ok(Page { limit: self.limit()?, after: self.number("after")?, before: self.number("before")? })
    }

    pub fn limit(&self) -> Result<u32, Refusal> {
        match self.number("limit")? {
            None => Ok(PAGE_ITEMS_MAX),
            Some(limit) if (1..=PAGE_ITEMS_MAX.into()).contains(&limit) => Ok(limit as u32),
            Some(_) => Err(Refusal::bad_field("limit", format_args!("is not a number from 1 to {PAGE_ITEMS_MAX}"))),
        }
    }
}

/// The answer to a cursor that names nothing of the list.
pub fn unknown_cursor() -> Refusal {
    Refusal::new(ErrorCode::BadMessage, "after, before: names nothing of this list")
}

/// An identifier of the path. One that no row can have names nothing.
pub fn path_id(request: &HttpRequest, name: &str, what: &str) -> Result<String, Refusal> {
    let text = request.match_info().query(name);
    let text = percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| Refusal::not_found(what))?;
    if text.is_empty() || text.len() > ID_BYTES_MAX || text.contains('\0') {
        return Err(Refusal::not_found(what));
    }
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn params(query: &str) -> Result<Params, Refusal> {
        Params::of(&TestRequest::with_uri(&format!("/?{query}")).to_http_request())
    }

    #[test]
    fn a_limit_is_a_number_from_1_to_200() {
        let page = |query| params(query).and_then(|params| params.page_by_seq());
        assert_eq!(page("").map(|page| page.limit), Ok(200));
        assert_eq!(page("limit=1&after=7"), Ok(Page { limit: 1, after: Some(7), before: None }));
        for query in ["limit=0", "limit=201", "limit=ten", "limit=1&limit=2", "after=x", "before="] {
            assert!(page(query).is_err(), "{query}");
        }
    }

    #[test]
    fn an_unknown_value_is_refused_and_an_unknown_name_ignored() {
        let choice = |query| params(query).and_then(|params| params.choice("format", &[("a", 1), ("b", 2)]));
        assert_eq!(choice("other=1"), Ok(None));
        assert_eq!(choice("format=b"), Ok(Some(2)));
        assert!(choice("format=c").is_err());
        assert!(choice("format=a%00").is_err());
    }
}
