/** Whether a stream of server-sent events brings messages in time, or is held back by a proxy. */

import type { ServerEvent } from "./server-events.ts";

export interface Stream {
  end: AbortController;
  openedAt: number;
  /** When the welcome came; undefined: not yet. */
  welcomedAt?: number;
  heardAt: number;
  /** The stream has brought something sooner than the polls, so the client does not poll. */
  live: boolean;
}

/** A proxy holds a stream back if it has brought nothing after this time. */
export const FIRST_EVENT_MS = 5000; // 5 s
/** Events that come sooner after the welcome may be older than the stream. */
const TOGETHER_MS = 500;
/** The gateway sends its position every 10 s. A stream that is silent for longer than this is held back. */
const SILENT_MS = 13_000; // 13 s

export function newStream(): Stream {
  const now = performance.now();
  return { end: new AbortController(), openedAt: now, heardAt: now, live: false };
}

/** The offset in the id `EPOCH:OFFSET`; 0 for an event without an id. */
export const offsetOf = ({ id }: ServerEvent): number => Number(id.slice(id.lastIndexOf(":") + 1));

/**
 * Events have arrived together. The stream is live when it brings something that the polls have not brought
 * yet. The first one of several events counts: when a proxy holds events back and passes them on together,
 * the first one is old.
 *
 * @param reached the client has everything up to this offset
 */
export function judge(stream: Stream, [first]: readonly ServerEvent[], reached: number): void {
  const now = performance.now();
  stream.heardAt = now;
  if (!first || stream.welcomedAt === undefined || now - stream.welcomedAt < TOGETHER_MS) return;
  const news = offsetOf(first) - reached;
  // A position without a message says that there was no message.
  if (news > 0 || (news === 0 && !first.data)) stream.live = true;
}

/** Returns whether the stream has been silent for longer than a gateway ever is: a proxy may hold it back. */
export function isSilent({ live, heardAt, openedAt }: Stream): boolean {
  return performance.now() - (live ? heardAt : openedAt) >= SILENT_MS;
}
