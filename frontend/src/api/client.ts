// Calls of our own server, typed by its OpenAPI document.

import createClient, { type Client } from "openapi-fetch";
import type { Host } from "../host/host";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Api = Client<paths>;

/** What went wrong, as the server tells it. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly field?: string,
    readonly current?: unknown,
    /** Seconds after which another try is worth it. */
    readonly after?: number,
  ) {
    super(detail);
  }
}

/** No answer came: nobody knows what became of the request. */
export class NoAnswer extends Error {}

/** A client that speaks through the host, in the person's language. */
export function createApi(host: Host): Api {
  return createClient<paths>({
    baseUrl: location.origin,
    headers: { "Accept-Language": host.context.locale },
    fetch: (request) => host.backend(request),
  });
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a success; throws [`Problem`] or [`NoAnswer`] otherwise. */
export async function body<T>(call: Promise<Answer<T>>): Promise<T> {
  return (await answered(call)).data as T;
}

/** A success with its status. */
export async function answered<T>(call: Promise<Answer<T>>): Promise<Answer<T>> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (cause) {
    throw new NoAnswer(cause instanceof Error ? cause.message : String(cause));
  }
  if (answer.response.ok) return answer;
  throw problem(answer.response, answer.error);
}

/** The problem that an answer tells. */
export function problem(response: Response, told: unknown): Problem {
  const known = (typeof told === "object" ? told : null) as Partial<Schemas["Problem"]> | null;
  const after = Number(response.headers.get("Retry-After"));
  return new Problem(
    response.status,
    known?.code ?? "unknown",
    known?.detail ?? `${response.status} ${response.statusText}`,
    known?.field ?? undefined,
    known?.current,
    after > 0 ? after : undefined,
  );
}
