//! Who belongs to a circle, and who did: a number is never given twice.

use std::collections::{BTreeMap, HashMap};

use crate::protocol::circle::command::Role;
use crate::protocol::ids::UserId;
use crate::rooms::circle::rows::StoredMember;
use crate::rooms::kernel::{Member, MemberNo};
use crate::rooms::members::MemberSet;

/// Members by number and by user id; those who left are remembered for their number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    by_no: BTreeMap<MemberNo, StoredMember>,
    no_by_user: HashMap<UserId, MemberNo>,
    members: MemberSet,
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
        match stored.left_at {
            None => self.members.insert(no),
            Some(_) => self.members.remove(no),
        };
        self.no_by_user.insert(stored.user.clone(), no);
        self.by_no.insert(no, stored);
    }

    /// The members of today.
    pub fn members(&self) -> &MemberSet {
        &self.members
    }

    pub fn others(&self, no: MemberNo) -> MemberSet {
        let mut others = self.members.clone();
        others.remove(no);
        others
    }

    /// The records of the members of today.
    pub fn each(&self) -> impl Iterator<Item = &StoredMember> {
        self.by_no.values().filter(|person| person.left_at.is_none())
    }

    pub fn owners(&self) -> usize {
        self.each().filter(|person| person.role == Role::Owner).count()
    }

    /// The record of a member; `None` for strangers and those who left.
    pub fn record(&self, user: &UserId) -> Option<&StoredMember> {
        self.person(user).filter(|person| person.left_at.is_none())
    }

    /// The record of a person, also of one who left.
    pub fn person(&self, user: &UserId) -> Option<&StoredMember> {
        self.no_by_user.get(user).and_then(|no| self.by_no.get(no))
    }

    /// The record of a person, also of one who left.
    pub fn numbered(&self, no: MemberNo) -> Option<&StoredMember> {
        self.by_no.get(&no)
    }

    pub fn member(&self, user: &UserId) -> Option<Member> {
        let StoredMember { no, user, name, role, .. } = self.record(user)?;
        Some(Member { no: *no, user: user.clone(), name: name.clone(), leads: *role == Role::Owner })
    }

    /// A number that nobody had.
    pub fn next_no(&self) -> MemberNo {
        self.by_no.last_key_value().map_or(MemberNo(0), |(no, _)| MemberNo(no.0 + 1))
    }
}
