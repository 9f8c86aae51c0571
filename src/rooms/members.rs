//! Members of one room as small numbers, and sets of them as bits: the audiences, and who sees a hex.

use std::fmt;

use serde::Serialize;

/// A person's number within one room: small, given once, never given to anybody else. Audiences are sets of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MemberNo(pub u32);

/// A set of members. Two equal sets have equal bytes: there are no zero words at the end.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberSet {
    words: Vec<u64>,
}

impl MemberSet {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn one(member: MemberNo) -> Self {
        let mut set = Self::new();
        set.insert(member);
        set
    }

    pub fn contains(&self, member: MemberNo) -> bool {
        self.words.get(member.0 as usize / 64).is_some_and(|word| word >> (member.0 % 64) & 1 == 1)
    }

    /// False when the member was in the set already.
    pub fn insert(&mut self, member: MemberNo) -> bool {
        let at = member.0 as usize / 64;
        if self.words.len() <= at {
            self.words.resize(at + 1, 0);
        }
        let bit = 1 << (member.0 % 64);
        let new = self.words[at] & bit == 0;
        self.words[at] |= bit;
        new
    }

    /// False when the member was not in the set.
    pub fn remove(&mut self, member: MemberNo) -> bool {
        let had = self.contains(member);
        if had {
            self.words[member.0 as usize / 64] &= !(1 << (member.0 % 64));
            self.trim();
        }
        had
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The smallest member.
    pub fn first(&self) -> Option<MemberNo> {
        self.iter().next()
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = MemberNo> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    MemberNo(at as u32 * 64 + bit)
                })
            })
        })
    }

    pub fn union(&self, other: &Self) -> Self {
        let (long, short) = if self.words.len() >= other.words.len() { (self, other) } else { (other, self) };
        let mut words = long.words.clone();
        words.iter_mut().zip(&short.words).for_each(|(word, more)| *word |= more);
        Self { words }
    }

    pub fn intersection(&self, other: &Self) -> Self {
        Self::trimmed(self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect())
    }

    /// Those of `self` that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        let without = |(at, word): (usize, &u64)| word & !other.words.get(at).copied().unwrap_or(0);
        Self::trimmed(self.words.iter().enumerate().map(without).collect())
    }

    /// Little-endian bits without zero bytes at the end: the form of the tables.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let word = |chunk: &[u8]| {
            let mut full = [0; 8];
            full[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(full)
        };
        Self::trimmed(bytes.chunks(8).map(word).collect())
    }

    fn trimmed(words: Vec<u64>) -> Self {
        let mut set = Self { words };
        set.trim();
        set
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}

impl FromIterator<MemberNo> for MemberSet {
    fn from_iter<I: IntoIterator<Item = MemberNo>>(members: I) -> Self {
        let mut set = Self::new();
        members.into_iter().for_each(|member| {
            set.insert(member);
        });
        set
    }
}

impl fmt::Debug for MemberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|member| member.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(numbers: &BTreeSet<u32>) -> MemberSet {
        numbers.iter().copied().map(MemberNo).collect()
    }

    fn numbers(set: &MemberSet) -> BTreeSet<u32> {
        set.iter().map(|member| member.0).collect()
    }

    proptest! {
        #[test]
        fn a_member_set_is_a_set(a in prop::collection::btree_set(0u32..300, 0..40), b in prop::collection::btree_set(0u32..300, 0..40), n in 0u32..300) {
            let (x, y) = (set(&a), set(&b));
            prop_assert_eq!(numbers(&x), a.clone());
            prop_assert_eq!(x.len(), a.len());
            prop_assert_eq!(x.contains(MemberNo(n)), a.contains(&n));
            prop_assert_eq!(numbers(&x.union(&y)), &a | &b);
            prop_assert_eq!(x.intersection(&y), set(&(&a & &b)));
            prop_assert_eq!(x.difference(&y), set(&(&a - &b)));
            prop_assert_eq!(MemberSet::from_bytes(&x.to_bytes()), x.clone());
            let mut z = x.clone();
            prop_assert_eq!(z.remove(MemberNo(n)), a.contains(&n));
            let mut c = a.clone();
            c.remove(&n);
            prop_assert_eq!(z, set(&c));
        }
    }
}
