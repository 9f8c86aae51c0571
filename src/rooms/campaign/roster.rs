//! Who belongs to a campaign, and who did: a number is never given twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::protocol::ids::UserId;
use crate::rooms::campaign::rows::{Role, StoredMember};
use crate::rooms::kernel::{Member, MemberNo};
use crate::rooms::members::MemberSet;

/// Members by number and by user id; those who left are remembered for their number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    by_no: BTreeMap<MemberNo, Person>,
    no_by_user: HashMap<UserId, MemberNo>,
    players: MemberSet,
    dms: MemberSet,
}

#[derive(Clone, Debug, PartialEq)]
struct Person {
    name: Arc<str>,
    stored: StoredMember,
}

impl Roster {
    pub fn from_stored(members: Vec<StoredMember>) -> Self {
        let mut roster = Self::default();
        members.into_iter().for_each(|member| roster.put(member));
        roster
    }

    /// Adds or replaces a person; one with `left_at` is no member.
    pub fn put(&mut self, stored: StoredMember) {
        let no = stored.no;
        self.players.remove(no);
        self.dms.remove(no);
        if stored.left_at.is_none() {
            match stored.role {
                Role::Dm => self.dms.insert(no),
                Role::Player => self.players.insert(no),
            };
        }
        self.no_by_user.insert(stored.user.clone(), no);
        self.by_no.insert(no, Person { name: stored.name.as_str().into(), stored });
    }

    /// The players of today.
    pub fn players(&self) -> &MemberSet {
        &self.players
    }

    pub fn dms(&self) -> &MemberSet {
        &self.dms
    }

    pub fn len(&self) -> usize {
        self.players.len() + self.dms.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_member(&self, no: MemberNo) -> bool {
        self.players.contains(no) || self.dms.contains(no)
    }

    /// The number of a member; `None` for strangers and those who left.
    pub fn member_no(&self, user: &UserId) -> Option<MemberNo> {
        self.no_by_user.get(user).copied().filter(|&no| self.is_member(no))
    }

    pub fn player_no(&self, user: &UserId) -> Option<MemberNo> {
        self.no_by_user.get(user).copied().filter(|&no| self.players.contains(no))
    }

    /// The record of a person, also of one who left.
    pub fn record(&self, user: &UserId) -> Option<&StoredMember> {
        self.no_by_user.get(user).and_then(|no| self.by_no.get(no)).map(|person| &person.stored)
    }

    /// The user id of a person, also of one who left.
    pub fn user(&self, no: MemberNo) -> Option<&UserId> {
        self.by_no.get(&no).map(|person| &person.stored.user)
    }

    pub fn users(&self, set: &MemberSet) -> Vec<UserId> {
        set.iter().filter_map(|no| self.user(no).cloned()).collect()
    }

    pub fn member(&self, user: &UserId) -> Option<Member> {
        self.member_no(user).and_then(|no| self.by_no.get(&no)).map(|person| self.as_member(person))
    }

    fn as_member(&self, person: &Person) -> Member {
        let StoredMember { no, user, role, .. } = &person.stored;
        Member { no: *no, user: user.clone(), name: person.name.clone(), leads: *role == Role::Dm }
    }

    /// All members, in order of joining.
    pub fn members(&self) -> Vec<Member> {
        let mut members: Vec<&Person> = self.by_no.values().filter(|person| person.stored.left_at.is_none()).collect();
        members.sort_by_key(|person| (person.stored.joined_seq, person.stored.no));
        members.into_iter().map(|person| self.as_member(person)).collect()
    }

    pub fn joined_seq(&self, no: MemberNo) -> i64 {
        self.by_no.get(&no).map_or(i64::MAX, |person| person.stored.joined_seq)
    }

    /// A number that nobody had.
    pub fn next_no(&self) -> MemberNo {
        self.by_no.last_key_value().map_or(MemberNo(0), |(no, _)| MemberNo(no.0 + 1))
    }
}
