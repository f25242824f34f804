/** Reads what a client's request says about the client. */

import type { IncomingMessage } from "node:http";

/** Dictionaries that a client may name; a gateway has fewer. */
const MAX_DICTIONARIES = 64;

/** Never throws: an invalid URL becomes a path that nothing serves. */
export function urlOf(request: IncomingMessage): URL {
  return URL.parse(request.url ?? "", "http://gateway") ?? new URL("http://gateway/%00");
}

/** Returns the token of the address (`?auth=TOKEN`) or of the header `Authorization: Bearer TOKEN`. */
export function tokenOf({ headers }: IncomingMessage, { searchParams }: URL): string | undefined {
  return searchParams.get("auth") ?? /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
}

/**
 * Returns the ids of the dictionaries that the client has kept; undefined when the client did not ask for the
 * compact encoding.
 */
export function dictionariesOf({ searchParams }: URL): ReadonlySet<string> | undefined {
  if (searchParams.get("encoding") !== "compact") return undefined;
  return new Set(searchParams.get("dictionaries")?.split(",", MAX_DICTIONARIES));
}
