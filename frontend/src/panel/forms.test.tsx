import { render, screen, waitFor } from "@testing-library/preact";
import userEvent from "@testing-library/user-event";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { NoAnswer, Problem } from "../api/client";
import { speak } from "../text";
import { reason } from "../ui/Failure";
import { type Tag, TagPicker } from "../ui/TagPicker";
import { blank, changedInput, entryOf, isReadable, newInput, readEntry, type Worklog } from "./entry";
import { outcomeIsUnknown } from "./NewWork";
import { PendingDeletes } from "./pendingDeletes";
import { Rich } from "./Rich";

const site = { workingHoursPerDay: 8, workingDaysPerWeek: 5, defaultUnit: "minute" };
const zone = "Europe/Berlin";
const worklog: Worklog = {
  id: "1",
  issueId: "2",
  accountId: "me",
  started: "2026-03-02T08:00:00Z",
  created: "2026-03-02T08:00:00Z",
  updated: "2026-03-02T08:30:00Z",
  timeSpentSeconds: 5400,
  comment: "as it was",
  tags: ["7"],
  restricted: false,
};

beforeAll(() => speak("en", zone));

describe("a form of work", () => {
  it("begins where the last work ended, if that was today", () => {
    vi.useFakeTimers({ now: Date.parse("2026-03-02T15:00:00Z") });
    expect(blank(zone, "2026-03-02T10:45:00Z")).toMatchObject({ day: "2026-03-02", time: "11:45" });
    expect(blank(zone, "2026-03-01T10:45:00Z")).toMatchObject({ day: "2026-03-02", time: "09:00" });
    expect(blank(zone, null).time).toBe("09:00");
    vi.useRealTimers();
  });

  it("sends what was typed, by the clocks of the person's zone", () => {
    const entry = { ...blank(zone, null), day: "2026-07-01", duration: "9-10:30", comment: " two \n" };
    const read = readEntry(entry, site);
    expect(isReadable(read) && newInput(entry, read, zone)).toEqual({
      started: "2026-07-01T09:00:00+02:00",
      timeSpentSeconds: 5400,
      comment: "two",
    });
  });

  it("sends of a change only what was changed, so that the rest stays as it is", () => {
    const change = (change: Partial<ReturnType<typeof entryOf>>) => {
      const entry = { ...entryOf(worklog, zone), ...change };
      const read = readEntry(entry, site);
      return isReadable(read) && changedInput(entry, read, worklog, zone);
    };
    const seen = { ifUpdated: worklog.updated };
    expect(change({})).toEqual(seen);
    expect(change({ duration: "2h" })).toEqual({ ...seen, timeSpentSeconds: 7200 });
    expect(change({ time: "10:00" })).toEqual({ ...seen, started: "2026-03-02T10:00:00+01:00" });
    expect(change({ comment: "" })).toEqual({ ...seen, comment: "" });
    expect(change({ tags: [] })).toEqual({ ...seen, tags: [] });
  });

  it("writes estimates as Jira reads them, and lets nothing remain", () => {
    const read = (estimateBy: string) =>
      readEntry({ ...entryOf(worklog, zone), estimate: "new", estimateBy }, site);
    const sent = (estimateBy: string) => {
      const entry = { ...entryOf(worklog, zone), estimate: "new" as const, estimateBy };
      const found = read(estimateBy);
      return isReadable(found) && newInput(entry, found, zone).newEstimate;
    };
    expect([sent("1:30"), sent("1d 4h"), sent("0")]).toEqual(["90m", "720m", "0m"]);
    expect(read("soon").wrong.estimateBy).toBeDefined();
  });
});

describe("a try whose end is not known", () => {
  it("is told from one that surely failed", () => {
    const unknown = [
      new NoAnswer("lost"),
      ...[408, 500, 502, 504].map((status) => new Problem(status, "x", "x")),
    ];
    expect(unknown.every(outcomeIsUnknown)).toBe(true);
    const known = [400, 403, 404, 409, 422, 429, 503].map((status) => new Problem(status, "x", "x"));
    expect(known.some(outcomeIsUnknown)).toBe(false);
  });
});

describe("the picker of tags", () => {
  const tags: Tag[] = [
    { id: "1", name: "billable", archived: false },
    { id: "2", name: "Old", archived: true },
  ];
  const show = (create?: (name: string) => Promise<Tag>) => {
    const onChange = vi.fn();
    render(<TagPicker tags={tags} chosen={[]} onChange={onChange} create={create} describe={reason} />);
    return onChange;
  };

  it("takes a tag by its name, however it is written", async () => {
    const onChange = show();
    await userEvent.type(screen.getByLabelText("Tags"), "BILLABLE{Enter}");
    expect(onChange).toHaveBeenCalledWith(["1"]);
  });

  it("makes one on the way, and keeps the name if that fails", async () => {
    const create = vi.fn(() => Promise.reject(new Problem(409, "name_taken", "There is such a tag.")));
    const onChange = show(create);
    await userEvent.type(screen.getByLabelText("Tags"), "new one{Enter}");
    await waitFor(() => expect(screen.getByRole("alert").textContent).toBe("There is such a tag."));
    expect(screen.getByLabelText<HTMLInputElement>("Tags").value).toBe("new one");
    expect(onChange).not.toHaveBeenCalled();
  });

  it("says why it does not make one", async () => {
    show();
    await userEvent.type(screen.getByLabelText("Tags"), "new one{Enter}");
    expect(screen.getByRole("alert").textContent).toContain("only Jira admins add tags");
    await userEvent.clear(screen.getByLabelText("Tags"));
    await userEvent.type(screen.getByLabelText("Tags"), "old{Enter}");
    expect(screen.getByRole("alert").textContent).toContain("archived");
  });
});

describe("a comment with formatting", () => {
  const doc = (...content: unknown[]) => ({ type: "doc", version: 1, content });
  const text = (text: string, ...marks: unknown[]) => ({ type: "text", text, marks });

  it("shows what is in it, also of kinds that are not known", () => {
    const { container } = render(
      <Rich
        document={doc({
          type: "somethingNew",
          content: [{ type: "paragraph", content: [text("kept", { type: "strong" })] }],
        })}
      />,
    );
    expect(container.querySelector("strong")?.textContent).toBe("kept");
  });

  it("makes links of addresses of the web only, and markup of nothing", () => {
    const hrefs = [
      "https://a.example/",
      "javascript:alert(1)",
      "data:text/html,x",
      " javascript:alert(1)",
      "mailto:a@b.example",
    ];
    const links = hrefs.map((href) => text(href, { type: "link", attrs: { href } }));
    const { container } = render(
      <Rich document={doc({ type: "paragraph", content: [...links, text("<b>x</b>")] })} />,
    );
    const found = [...container.querySelectorAll("a")].map((link) => link.getAttribute("href"));
    expect(found).toEqual(["https://a.example/", "mailto:a@b.example"]);
    expect(container.querySelector("b")).toBeNull();
    expect(container.textContent).toContain("<b>x</b>");
  });

  it("does not follow endless nesting", () => {
    let node: unknown = text("deep");
    for (let depth = 0; depth < 5000; depth += 1) node = { type: "blockquote", content: [node] };
    render(<Rich document={doc(node)} />);
    expect(screen.queryByText("deep")).toBeNull();
  });
});

describe("deletions that can be undone", () => {
  it("leave after six seconds, at once when the page goes, and not at all when they are undone", () => {
    vi.useFakeTimers();
    const sent: [string, boolean][] = [];
    const pending = new PendingDeletes<string>();
    const stop = pending.sendWith((what, isLast) => sent.push([what, isLast]));
    for (const id of ["a", "b", "c"]) pending.add(id, id);
    expect(pending.cancel("b")).toBe(true);
    vi.advanceTimersByTime(5900);
    expect(sent).toEqual([]);
    pending.add("d", "d");
    vi.advanceTimersByTime(200);
    expect(sent).toEqual([
      ["a", false],
      ["c", false],
    ]);
    expect(pending.cancel("a")).toBe(false);
    window.dispatchEvent(new Event("pagehide"));
    expect(sent.at(-1)).toEqual(["d", true]);
    vi.advanceTimersByTime(60_000);
    expect(sent).toHaveLength(3);
    stop();
    vi.useRealTimers();
  });
});
