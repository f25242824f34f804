/** For tests: what a `Watcher` knows of its connection. */

export interface Subscribing {
  type: "subscribe";
  channels: readonly string[];
  since?: { epoch: string; offset: number };
  last?: true;
  max_rate?: number;
}
export type Request = { sentAt: number; epoch: string } & (
  | Subscribing
  | { type: "unsubscribe"; channels: readonly string[] }
  | { type: "replay"; from_seq: number; to_seq: number }
  | { type: "heartbeat" }
);

/** What a watcher knows of one connection. */
export class Course {
  /** Offset of each received sequence. */
  readonly seqs = new Map<number, number>();
  /** Offsets that came on this connection and that must not come again. */
  given = new Set<number>();
  highest = 0;
  /** Sequences that are missing, with the position at which each was noticed. */
  readonly gaps = new Map<number, number>();
  /** Missing sequences that the gateway no longer keeps. */
  readonly gone = new Set<number>();
  /** Requests without an answer, in order. */
  readonly asked: Request[] = [];
  /** The last answer: envelopes that still belong to it, last values among them, and its `since`. */
  answer = { left: 0, last: 0, since: Number.POSITIVE_INFINITY, offset: 0 };
  /** The stream was replaced while the last request waited: its last values may come or not. */
  mayHaveLast = false;
  /** Channels and patterns of the last acknowledgement. */
  subscribed: readonly string[] = [];
  /** Newest offset of each channel, without answers. */
  newest = new Map<string, number>();
  /** Live messages of each channel since the last change of the subscriptions, which was asked for then. */
  counts = new Map<string, number>();
  changedAt = Date.now();
  /** Messages above this offset may be missing; Infinity: none. */
  throttledSince = Number.POSITIVE_INFINITY;
  /** Dropped messages above this offset are to be requested; Infinity: none. */
  droppedSince = Number.POSITIVE_INFINITY;
  /** The client did not take everything at some time. */
  stalled = false;
}
