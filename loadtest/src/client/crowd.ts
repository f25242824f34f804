import type { Lookup } from "./account.ts";
import type { Book } from "./book.ts";
import type { LinkOptions } from "./link.ts";
import type { Tally } from "./tally.ts";

/** What the clients of a worker share. */
export interface Crowd {
  readonly book: Book;
  readonly tally: Tally;
  readonly atOnce: boolean;
  /** Connections that break are what this run is about. */
  readonly breaksWanted: boolean;
  /** False for an epoch that is not the crowd's: the stream was replaced. */
  accepts(epoch: string): boolean;
}

export interface SubscriberOptions extends LinkOptions {
  channels: string[];
  lookup: Lookup;
  /** Stops reading on purpose. */
  slow: boolean;
}

/** Why `subscribe` was sent, for the answer. */
export interface Request {
  why: "first" | "resume" | "refill" | "makeGood";
  /** Offset that it asked for. */
  since: number;
}
