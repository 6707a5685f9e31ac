// The rows of a table as a tree that can be folded. Rows come in preorder, parents before children.

import type { Dimension, Member, RowView } from "./state";

/** A row with its place. */
export interface Node {
  row: RowView;
  /** Position among all rows of the answer. */
  at: number;
  hasChildren: boolean;
  /** Names the row while the answer changes. */
  path: string;
}

/** Rows at most that are all shown unfolded at first. */
const UNFOLDED = 300;

/** All rows with their places. */
export function nodesOf(items: RowView[]): Node[] {
  const path: string[] = [];
  return items.map((row, at) => {
    path.length = row.depth - 1;
    const { value } = row;
    path.push(row.restOf ? "rest" : `${value?.id ?? ""}/${value?.state ?? ""}`);
    return { row, at, hasChildren: (items[at + 1]?.depth ?? 0) > row.depth, path: path.join("\n") };
  });
}

/** What is folded before anybody unfolds anything: the groups of large tables. */
export function foldedAtFirst(nodes: Node[]): Set<string> {
  if (nodes.length <= UNFOLDED) return new Set();
  return new Set(nodes.filter((node) => node.hasChildren).map((node) => node.path));
}

/** The rows that are to be seen. */
export function unfolded(nodes: Node[], folded: ReadonlySet<string>): Node[] {
  let hidden = Infinity;
  return nodes.filter(({ row, path }) => {
    if (row.depth > hidden) return false;
    hidden = folded.has(path) ? row.depth : Infinity;
    return true;
  });
}

/** The members that a row counts under, the outermost first. */
export function membersOf(
  items: RowView[],
  at: number,
  levels: Dimension[],
): { dimension: Dimension; member: Member }[] {
  const members: { dimension: Dimension; member: Member }[] = [];
  let depth = items[at]?.depth ?? 0;
  for (let row = at; row >= 0 && depth > 0; row -= 1) {
    const item = items[row];
    const dimension = levels[depth - 1];
    if (item?.depth !== depth) continue;
    if (item.value && dimension) members.unshift({ dimension, member: item.value });
    depth -= 1;
  }
  return members;
}
