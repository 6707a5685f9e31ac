// Comments with formatting (Atlassian Document Format), shown as elements of ours: nothing in them becomes markup,
// and of addresses only those that lead to the web become links.

import type { ComponentChildren } from "preact";

interface Node {
  type?: string;
  text?: string;
  content?: Node[];
  marks?: { type?: string; attrs?: { href?: string } }[];
  attrs?: { text?: string; shortName?: string; url?: string; timestamp?: string; level?: number };
}

/** Deepest nesting that is shown. */
const DEEPEST = 64;

export function Rich({ document }: { document: unknown }) {
  return <div class="rich">{children(document as Node, 0)}</div>;
}

function children(node: Node, depth: number): ComponentChildren {
  if (depth > DEEPEST || !Array.isArray(node.content)) return null;
  return node.content.map((child, at) => <Shown key={at} node={child} depth={depth + 1} />);
}

function Shown({ node, depth }: { node: Node; depth: number }) {
  const inside = children(node, depth);
  switch (node.type) {
    case "text":
      return <>{(node.marks ?? []).reduce<ComponentChildren>(marked, node.text ?? "")}</>;
    case "hardBreak":
      return <br />;
    case "paragraph":
      return <p>{inside}</p>;
    case "heading":
      return <p class="heading">{inside}</p>;
    case "bulletList":
    case "taskList":
    case "decisionList":
      return <ul>{inside}</ul>;
    case "orderedList":
      return <ol>{inside}</ol>;
    case "listItem":
    case "taskItem":
    case "decisionItem":
      return <li>{inside}</li>;
    case "blockquote":
      return <blockquote>{inside}</blockquote>;
    case "codeBlock":
      return (
        <pre>
          <code>{inside}</code>
        </pre>
      );
    case "rule":
      return <hr />;
    case "mention":
    case "status":
      return <span class="chip">{node.attrs?.text ?? ""}</span>;
    case "emoji":
      return <>{node.attrs?.text ?? node.attrs?.shortName ?? ""}</>;
    case "inlineCard":
    case "blockCard":
      return <Address url={node.attrs?.url}>{node.attrs?.url}</Address>;
    // Whatever is new shows at least what is in it.
    default:
      return <>{inside}</>;
  }
}

function marked(inside: ComponentChildren, mark: NonNullable<Node["marks"]>[number]): ComponentChildren {
  switch (mark.type) {
    case "strong":
      return <strong>{inside}</strong>;
    case "em":
      return <em>{inside}</em>;
    case "strike":
      return <s>{inside}</s>;
    case "underline":
      return <u>{inside}</u>;
    case "code":
      return <code>{inside}</code>;
    case "link":
      return <Address url={mark.attrs?.href}>{inside}</Address>;
    default:
      return inside;
  }
}

function Address({ url, children: inside }: { url: string | undefined; children: ComponentChildren }) {
  if (!url || !/^(https?|mailto):/i.test(url)) return <>{inside}</>;
  return (
    <a href={url} target="_blank" rel="noopener noreferrer nofollow">
      {inside}
    </a>
  );
}
