//! Lists in pages, by a cursor that is an item of the list: no page is counted from the start, so none gets slower.

use diesel::QueryResult;

use crate::protocol::time::Timestamp;

/// At most `limit` items after one and before another, oldest first. With only `before`, the last ones before it; else the first ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<Cursor> {
    pub limit: u32,
    pub after: Option<Cursor>,
    pub before: Option<Cursor>,
}

impl<Cursor> Page<Cursor> {
    /// Whether the page is filled from its end.
    pub fn is_backward(&self) -> bool {
        self.after.is_none() && self.before.is_some()
    }
}

/// The place of an item in its list: its time and, among those of one time, its id.
pub type Place = (Timestamp, String);

/// Finds the places of a page's cursors. `None` when one of them is not in the list.
pub(in crate::store) fn resolved(
    page: Page<String>,
    mut time_of: impl FnMut(&str) -> QueryResult<Option<Timestamp>>,
) -> QueryResult<Option<Page<Place>>> {
    let mut place = |id: Option<String>| -> QueryResult<Option<Option<Place>>> {
        match id {
            None => Ok(Some(None)),
            Some(id) => Ok(time_of(&id)?.map(|at| Some((at, id)))),
        }
    };
    let (after, before) = (place(page.after)?, place(page.before)?);
    Ok(after.zip(before).map(|(after, before)| Page { limit: page.limit, after, before }))
}

/// Loads a page of `$query`, a select without order, by its columns of time and of id; a backward page comes newest first.
macro_rules! page_of {
    ($db:expr, $query:expr, $at:expr, $id:expr, $page:expr) => {
        $crate::store::db::on!($db, c => {
            let mut query = $query.into_boxed();
            if let Some((at, id)) = $page.after.clone() {
                let at = $crate::store::types::At(at);
                query = query.filter($at.gt(at).or($at.eq(at).and($id.gt(id))));
            }
            if let Some((at, id)) = $page.before.clone() {
                let at = $crate::store::types::At(at);
                query = query.filter($at.lt(at).or($at.eq(at).and($id.lt(id))));
            }
            let query = query.limit($page.limit.into());
            match $page.is_backward() {
                true => query.order(($at.desc(), $id.desc())).load(c),
                false => query.order(($at.asc(), $id.asc())).load(c),
            }
        })
    };
}
pub(in crate::store) use page_of;

pub(in crate::store) fn in_order<T>(mut rows: Vec<T>, is_backward: bool) -> Vec<T> {
    if is_backward {
        rows.reverse();
    }
    rows
}
