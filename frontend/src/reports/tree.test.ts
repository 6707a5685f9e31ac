import { describe, expect, it } from "vitest";
import type { RowView } from "./state";
import { foldedAtFirst, membersOf, nodesOf, unfolded } from "./tree";

const row = (depth: number, id: string): RowView => ({ depth, value: { id }, values: [1], cells: [] });
const items = [row(1, "a"), row(2, "x"), row(3, "1"), row(2, "y"), row(1, "b"), row(2, "x")];

describe("the tree of a table", () => {
  const nodes = nodesOf(items);
  const shown = (folded: string[]) =>
    unfolded(nodes, new Set(folded)).map(({ row }) => `${row.depth}${row.value?.id ?? ""}`);

  it("folds what is below a row, however deep, and nothing else", () => {
    const a = nodes[0]?.path ?? "";
    const ax = nodes[1]?.path ?? "";
    expect(shown([])).toEqual(["1a", "2x", "31", "2y", "1b", "2x"]);
    expect(shown([ax])).toEqual(["1a", "2x", "2y", "1b", "2x"]);
    expect(shown([a])).toEqual(["1a", "1b", "2x"]);
    // Folded inside of what is folded.
    expect(shown([a, ax])).toEqual(["1a", "1b", "2x"]);
  });

  it("knows who has children, and tells equal members apart by their parents", () => {
    expect(nodes.map((node) => node.hasChildren)).toEqual([true, true, false, false, true, false]);
    expect(new Set(nodes.map((node) => node.path)).size).toBe(nodes.length);
  });

  it("says under what a row counts", () => {
    const ids = (at: number) =>
      membersOf(items, at, ["user", "project", "issue"]).map(({ dimension, member }) => [
        dimension,
        member.id,
      ]);
    expect(ids(2)).toEqual([
      ["user", "a"],
      ["project", "x"],
      ["issue", "1"],
    ]);
    expect(ids(3)).toEqual([
      ["user", "a"],
      ["project", "y"],
    ]);
    expect(ids(5)).toEqual([
      ["user", "b"],
      ["project", "x"],
    ]);
  });

  it("folds large tables at first", () => {
    expect(foldedAtFirst(nodes).size).toBe(0);
    const many = nodesOf(Array.from({ length: 400 }, (_, at) => row(at % 2 ? 2 : 1, String(at))));
    expect(unfolded(many, foldedAtFirst(many))).toHaveLength(200);
  });
});
