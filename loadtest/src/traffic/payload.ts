/** What the load test's own publisher puts on the stream: a number, the moment it was due, and a hash over all of it. */

import { createHash } from "node:crypto";

export interface Payload {
  /** Counts the messages of a run, from 1. */
  n: number;
  /** When the message was due by the schedule, microseconds since 1970: a late publisher makes latency worse, not better. */
  due: number;
}

const HASH_LENGTH = 16;
const MEMBER = ',"hash":"';
/** `,"hash":"…"}` */
const SUFFIX_LENGTH = MEMBER.length + HASH_LENGTH + 2;

/** The first 16 hex digits of SHA-256. */
export const digest = (bytes: string | Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex").slice(0, HASH_LENGTH);

/** Adds number, moment and hash to an object of a market; JSON.stringify of the result is what is checked. */
export function sealed(payload: Payload, data: object): object {
  const body = { n: payload.n, due: payload.due, ...data };
  return { ...body, hash: digest(JSON.stringify(body)) };
}

/** Checks the JSON text of a sealed object. Returns what it carries, or what is wrong with it. */
export function unseal(text: string): Payload | string {
  const at = text.length - SUFFIX_LENGTH;
  if (!text.startsWith(MEMBER, at)) return "it has no hash at its end";
  const hash = text.slice(at + MEMBER.length, -2);
  if (digest(`${text.slice(0, at)}}`) !== hash) return "its hash does not fit";
  const { n, due } = JSON.parse(text) as Partial<Payload>;
  return typeof n === "number" && typeof due === "number" ? { n, due } : "it has no number";
}
