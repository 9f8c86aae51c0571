//! Who belongs to a workspace, and who did: a number is never given twice.

use std::collections::{BTreeMap, HashMap};

use crate::protocol::chat::command::Role;
use crate::protocol::ids::UserId;
use crate::rooms::chat::rows::StoredMember;
use crate::rooms::kernel::{Member, MemberNo};
use crate::rooms::members::MemberSet;

/// Members by number and by user id; those who left are remembered for their number and as authors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    by_no: BTreeMap<MemberNo, StoredMember>,
    no_by_user: HashMap<UserId, MemberNo>,
    members: MemberSet,
    owners: MemberSet,
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
        self.members.remove(no);
        self.owners.remove(no);
        if stored.left_at.is_none() {
            self.members.insert(no);
            if stored.role == Role::Owner {
                self.owners.insert(no);
            }
        }
        self.no_by_user.insert(stored.user.clone(), no);
        self.by_no.insert(no, stored);
    }

    /// The members of today.
    pub fn members(&self) -> &MemberSet {
        &self.members
    }

    pub fn owners(&self) -> &MemberSet {
        &self.owners
    }

    /// The number of a member; `None` for strangers and those who left.
    pub fn member_no(&self, user: &UserId) -> Option<MemberNo> {
        self.no_by_user.get(user).copied().filter(|&no| self.members.contains(no))
    }

    /// The record of a person, also of one who left.
    pub fn record(&self, user: &UserId) -> Option<&StoredMember> {
        self.no_by_user.get(user).and_then(|no| self.by_no.get(no))
    }

    /// The record of a person, also of one who left.
    pub fn person(&self, no: MemberNo) -> Option<&StoredMember> {
        self.by_no.get(&no)
    }

    pub fn role(&self, no: MemberNo) -> Role {
        self.by_no.get(&no).map_or(Role::Member, |person| person.role)
    }

    pub fn member(&self, user: &UserId) -> Option<Member> {
        let StoredMember { no, user, name, role, .. } = self.member_no(user).and_then(|no| self.by_no.get(&no))?;
        Some(Member { no: *no, user: user.clone(), name: name.clone(), leads: *role != Role::Member })
    }

    pub fn joined_seq(&self, no: MemberNo) -> i64 {
        self.by_no.get(&no).map_or(i64::MAX, |person| person.joined_seq)
    }

    /// A number that nobody had.
    pub fn next_no(&self) -> MemberNo {
        self.by_no.last_key_value().map_or(MemberNo(0), |(no, _)| MemberNo(no.0 + 1))
    }
}
