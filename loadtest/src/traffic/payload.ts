/**
 * Payloads of the load test's own publisher: JSON with a number, the due time, and a hash over everything
 * before the hash.
 */

import { createHash } from "node:crypto";

export interface Payload {
  /** Number of the message in its run, from 1. */
  n: number;
  /**
   * When the schedule wanted the message published, µs since 1970. So a late publisher makes latency worse,
   * not better.
   */
  due: number;
}

const HASH_LENGTH = 16;
const MEMBER = ',"hash":"';
/** `,"hash":"…"}` */
const SUFFIX_LENGTH = MEMBER.length + HASH_LENGTH + 2;

/** Returns the first 16 hex digits of SHA-256. */
export const digest = (bytes: string | Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex").slice(0, HASH_LENGTH);

/** Adds number, due time and hash to an object. `unseal` checks the JSON.stringify of the result. */
export function seal(payload: Payload, data: object): object {
  const body = { n: payload.n, due: payload.due, ...data };
  return { ...body, hash: digest(JSON.stringify(body)) };
}

/**
 * Checks the JSON text of a sealed object. Returns its number and due time, or a text that says what is
 * wrong.
 */
export function unseal(text: string): Payload | string {
  const at = text.length - SUFFIX_LENGTH;
  if (!text.startsWith(MEMBER, at)) return "the payload has no hash at its end";
  const hash = text.slice(at + MEMBER.length, -2);
  if (digest(`${text.slice(0, at)}}`) !== hash) return "its hash does not match its content";
  const { n, due } = JSON.parse(text) as Partial<Payload>;
  return typeof n === "number" && typeof due === "number"
    ? { n, due }
    : "the payload has no number or due time";
}
