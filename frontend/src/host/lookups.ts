// What several pages look up in Jira, through the host: it never touches our server.

import type { Host } from "./host";

/** Accounts that Jira names in one call. */
const NAMED_AT_ONCE = 50;

/** Whether an account was closed by its owner: our server keeps its time under another id, which Jira does not know. */
export function isClosed(accountId: string | null | undefined): boolean {
  return accountId?.startsWith("closed:") ?? false;
}

/** Names of people by account id. Without Jira's answer there are none, and pages show what they have. */
export async function namesOf(host: Host, ids: string[]): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  const open = ids.filter((id) => !isClosed(id));
  for (let at = 0; at < open.length; at += NAMED_AT_ONCE) {
    const some = open.slice(at, at + NAMED_AT_ONCE);
    const query = some.map((id) => `accountId=${encodeURIComponent(id)}`).join("&");
    const found = await host
      .jira<{ values: { accountId: string; displayName: string }[] }>(
        `/rest/api/3/user/bulk?maxResults=${NAMED_AT_ONCE}&${query}`,
      )
      .catch(() => ({ values: [] }));
    for (const { accountId, displayName } of found.values) names.set(accountId, displayName);
  }
  return names;
}

/** A group of Jira's. */
export interface Group {
  groupId: string;
  name: string;
}

/** Groups whose names have a text in them. Rejects if Jira refuses. */
export async function searchGroups(host: Host, text: string, limit: number): Promise<Group[]> {
  const query = `maxResults=${limit}&query=${encodeURIComponent(text)}`;
  return (await host.jira<{ groups: Group[] }>(`/rest/api/3/groups/picker?${query}`)).groups;
}
