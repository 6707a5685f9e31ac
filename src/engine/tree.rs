//! Sums as the rows of a table: parents before children, siblings in the order that was asked for.

use crate::aggregate::{Cell, Cells, Totals};
use crate::axis::{Key, LEVELS};
use std::cmp::Ordering;
use std::ops::Range;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// How many levels it has; 0 is the total.
    pub depth: usize,
    /// The values of its levels; the rest is 0.
    pub key: Key,
    /// Its sums.
    pub cell: Cell,
    /// Its sums by value of the column level, ascending; what has no worklogs is left out.
    pub columns: Vec<(u32, Cell)>,
    /// How many groups were put together, where it is the rest behind the first ones: people and days are unknown then.
    pub rest_of: Option<usize>,
}

/// How siblings are ordered: negative and positive as in [`Ordering`]. Gets the level that they differ in.
pub trait Order {
    /// Compares two siblings of a level (0 is the first).
    fn compare(&self, level: usize, one: (u32, &Cell), other: (u32, &Cell)) -> Ordering;
}

/// The rows below the total, in order. `top` keeps that many groups of the first level; the others become one row.
pub fn rows(totals: &Totals, order: &impl Order, top: Option<usize>) -> Vec<Node> {
    let tree = Tree { totals, order, column: totals.rows.len().saturating_sub(1) };
    let mut nodes = Vec::with_capacity(totals.rows.iter().skip(1).map(Vec::len).sum());
    let Some(first) = totals.rows.get(1) else { return nodes };
    let kept = top.unwrap_or(usize::MAX).min(first.len());
    let groups = tree.sorted(0, &(0..first.len()), kept);
    for at in &groups[..kept] {
        tree.descend(1, *at, &mut nodes);
    }
    let rest = &groups[kept..];
    if !rest.is_empty() {
        nodes.push(tree.rest(first, rest));
    }
    nodes
}

/// The total, with its columns.
pub fn total(totals: &Totals) -> Node {
    let column = totals.rows.len().saturating_sub(1);
    let cell = totals.rows.first().and_then(|cells| cells.first()).map(|(_, cell)| *cell);
    let columns = totals.columns.first().map(|cells| by_column(cells, column)).unwrap_or_default();
    Node { depth: 0, key: Key::default(), cell: cell.unwrap_or_default(), columns, rest_of: None }
}

fn by_column(cells: &[(Key, Cell)], column: usize) -> Vec<(u32, Cell)> {
    cells.iter().map(|(key, cell)| (key[column], *cell)).collect()
}

/// The groups whose first levels are those of `key`: they lie side by side.
fn with_prefix(cells: &Cells, key: &Key, depth: usize) -> Range<usize> {
    let prefix = |cell: &(Key, Cell)| -> Ordering { cell.0[..depth].cmp(&key[..depth]) };
    let from = cells.partition_point(|cell| prefix(cell) == Ordering::Less);
    from..from + cells[from..].partition_point(|cell| prefix(cell) == Ordering::Equal)
}

struct Tree<'a, O> {
    totals: &'a Totals,
    order: &'a O,
    /// The level of columns.
    column: usize,
}

impl<O: Order> Tree<'_, O> {
    /// Positions of siblings, the first `kept` of them in their order.
    fn sorted(&self, level: usize, siblings: &Range<usize>, kept: usize) -> Vec<usize> {
        let cells = &self.totals.rows[level + 1];
        let mut groups: Vec<usize> = siblings.clone().collect();
        let compare = |one: &usize, other: &usize| {
            let ((one_key, one_cell), (other_key, other_cell)) = (&cells[*one], &cells[*other]);
            let order = self.order.compare(level, (one_key[level], one_cell), (other_key[level], other_cell));
            order.then(one.cmp(other))
        };
        if kept > 0 && kept < groups.len() {
            groups.select_nth_unstable_by(kept - 1, compare);
        }
        let kept = kept.min(groups.len());
        groups[..kept].sort_unstable_by(compare);
        groups
    }

    fn descend(&self, depth: usize, at: usize, nodes: &mut Vec<Node>) {
        let (key, cell) = self.totals.rows[depth][at];
        let columns = self
            .totals
            .columns
            .get(depth)
            .map(|cells| by_column(&cells[with_prefix(cells, &key, depth)], self.column));
        nodes.push(Node { depth, key, cell, columns: columns.unwrap_or_default(), rest_of: None });
        if let Some(children) = self.totals.rows.get(depth + 1) {
            for child in self.sorted(depth, &with_prefix(children, &key, depth), usize::MAX) {
                self.descend(depth + 1, child, nodes);
            }
        }
    }

    /// The groups behind the first ones, as one.
    fn rest(&self, first: &Cells, groups: &[usize]) -> Node {
        let mut cell = Cell::default();
        let mut by_value = std::collections::BTreeMap::<u32, Cell>::new();
        for at in groups {
            let (key, sums) = &first[*at];
            cell.add(sums);
            let columns = self.totals.columns.get(1);
            for (value, sums) in columns
                .map(|cells| by_column(&cells[with_prefix(cells, key, 1)], self.column))
                .unwrap_or_default()
            {
                by_value.entry(value).or_default().add(&sums);
            }
        }
        let columns = by_value.into_iter().collect();
        Node { depth: 1, key: [u32::MAX; LEVELS], cell, columns, rest_of: Some(groups.len()) }
    }
}
