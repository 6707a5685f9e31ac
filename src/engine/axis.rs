//! Axes: under which groups the members of a dictionary (accounts, slots, sets of tags, days) count.

use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// Levels of rows, and one of columns.
pub const LEVELS: usize = 5;

/// The value of each level; levels that do not matter are 0.
pub type Key = [u32; LEVELS];

/// A member that counts under nothing: out of a filter, or not to be seen. Larger than any group, and three of it are
/// still a number of 32 bits.
pub const SKIP: u32 = 1 << 30;

/// Set on what stands in [`Axis::of`] for members that count under several groups.
const MANY: u32 = 1 << 31;

/// Which levels an axis decides, and for each member its groups: values of these levels.
#[derive(Debug, Clone, Default)]
pub struct Axis {
    levels: Vec<usize>,
    of: Vec<u32>,
    groups: Vec<Key>,
    known: FxHashMap<Key, u32>,
    lists: Vec<Vec<u32>>,
    /// Of slots: what the viewer's own worklogs count under where nobody else's do.
    own: FxHashMap<u32, u32>,
}

impl Axis {
    /// An axis that decides these levels; none of its members counts yet.
    pub fn new(levels: &[usize], members: usize) -> Self {
        Self { levels: levels.to_vec(), of: vec![SKIP; members], ..Self::default() }
    }

    /// An axis that decides nothing, of members that all count.
    pub fn all(members: usize) -> Self {
        let mut axis = Self::new(&[], 0);
        let group = axis.group(Key::default());
        axis.of = vec![group; members];
        axis
    }

    fn group(&mut self, key: Key) -> u32 {
        let groups = &mut self.groups;
        *self.known.entry(key).or_insert_with(|| {
            groups.push(key);
            u32::try_from(groups.len() - 1).unwrap_or(SKIP)
        })
    }

    /// Lets a member count under every combination of values: `values` has a list for each level of the axis, in its
    /// order. With an empty list among them it counts under nothing.
    pub fn count(&mut self, member: u32, values: &[&[u32]]) {
        let mut keys = vec![Key::default()];
        for (level, values) in self.levels.iter().zip(values) {
            keys = keys
                .iter()
                .flat_map(|key| {
                    values.iter().map(|value| {
                        let mut key = *key;
                        key[*level] = *value;
                        key
                    })
                })
                .collect();
        }
        self.count_as(member, &keys);
    }

    /// Lets the viewer's own worklogs in a slot count under some values, and nobody else's.
    pub fn count_own(&mut self, slot: u32, values: &[u32]) {
        let mut key = Key::default();
        for (level, value) in self.levels.iter().zip(values) {
            key[*level] = *value;
        }
        let group = self.group(key);
        self.own.insert(slot, group);
    }

    /// The group of the viewer's own worklogs in a slot where nobody else's count.
    pub(crate) fn own(&self, slot: u32) -> Option<u32> {
        self.own.get(&slot).copied()
    }

    /// Whether the viewer has worklogs where nobody else's count.
    pub(crate) fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    fn count_as(&mut self, member: u32, keys: &[Key]) {
        let mut groups: Vec<u32> = keys.iter().map(|key| self.group(*key)).collect();
        groups.sort_unstable();
        groups.dedup();
        let entry = match groups.as_slice() {
            [] => SKIP,
            [one] => *one,
            _ => {
                self.lists.push(groups);
                MANY | u32::try_from(self.lists.len() - 1).unwrap_or(0)
            }
        };
        let at = member as usize;
        if self.of.len() <= at {
            self.of.resize(at + 1, SKIP);
        }
        self.of[at] = entry;
    }

    /// Whether a member counts at all.
    pub fn counts(&self, member: u32) -> bool {
        self.entry(member) != SKIP
    }

    /// Whether some member counts under several groups.
    pub(crate) fn has_many(&self) -> bool {
        !self.lists.is_empty()
    }

    fn entry(&self, member: u32) -> u32 {
        self.of.get(member as usize).copied().unwrap_or(SKIP)
    }

    /// The groups of a member.
    pub(crate) fn groups_of(&self, member: u32) -> impl Iterator<Item = u32> + '_ {
        let entry = self.entry(member);
        let (one, many) = if entry == SKIP {
            (None, None)
        } else if entry & MANY != 0 {
            (None, self.lists.get((entry ^ MANY) as usize))
        } else {
            (Some(entry), None)
        };
        one.into_iter().chain(many.into_iter().flatten().copied())
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The first level that it decides; behind all others if it decides none.
    pub(crate) fn first_level(&self) -> usize {
        self.levels.first().copied().unwrap_or(LEVELS)
    }

    /// The values of all groups.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.groups
    }

    /// The values of a group.
    pub(crate) fn key(&self, group: usize) -> Key {
        self.groups.get(group).copied().unwrap_or_default()
    }

    /// For each member `group × stride`, or [`SKIP`]. Only for an axis without members of several groups.
    pub(crate) fn table(&self, members: usize, stride: u32) -> Cow<'_, [u32]> {
        if self.of.len() >= members && (stride == 1 || self.groups.len() <= 1) {
            return Cow::Borrowed(&self.of);
        }
        let entry = |entry: &u32| if *entry == SKIP { SKIP } else { *entry * stride };
        let mut table: Vec<u32> = self.of.iter().map(entry).collect();
        table.resize(members.max(table.len()), SKIP);
        Cow::Owned(table)
    }

    /// Whether every member counts, under the one group that there is.
    pub(crate) fn is_trivial(&self, members: usize) -> bool {
        self.groups.len() == 1 && self.of.len() >= members && self.of.iter().all(|entry| *entry == 0)
    }

    /// The members that count.
    pub(crate) fn members(&self) -> impl Iterator<Item = u32> + '_ {
        (0_u32..).zip(&self.of).filter(|(_, entry)| **entry != SKIP).map(|(member, _)| member)
    }

    /// The same members with only some of the levels told apart.
    pub(crate) fn project(&self, wanted: &[bool; LEVELS]) -> Cow<'_, Self> {
        let levels: Vec<usize> = self.levels.iter().copied().filter(|level| wanted[*level]).collect();
        if levels == self.levels {
            return Cow::Borrowed(self);
        }
        let mut projected = Self::new(&levels, self.of.len());
        let reduce = |group: u32| {
            let mut key = self.key(group as usize);
            for (value, wanted) in key.iter_mut().zip(wanted) {
                *value = if *wanted { *value } else { 0 };
            }
            key
        };
        let renamed: Vec<u32> =
            (0_u32..).take(self.groups.len()).map(|group| projected.group(reduce(group))).collect();
        projected.own = self.own.iter().map(|(slot, group)| (*slot, renamed[*group as usize])).collect();
        for (member, entry) in (0_u32..).zip(&self.of) {
            if *entry == SKIP {
                continue;
            }
            if *entry & MANY == 0 {
                projected.of[member as usize] = renamed[*entry as usize];
                continue;
            }
            let keys: Vec<Key> = self.groups_of(member).map(reduce).collect();
            projected.count_as(member, &keys);
        }
        Cow::Owned(projected)
    }
}
