/** Where the messages of a run come from. */

import type { FeedKind } from "./plan.ts";

export interface Feed {
  kind: FeedKind;
  /** For the report. */
  description: string;
  /** Whether the rate is the load test's to choose. */
  controlled: boolean;
  /** @throws Error when nothing can be published */
  ready(): Promise<void>;
  /** From now on so many messages a second; `seconds` is how long they are wanted at most. */
  setRate(perSecond: number, seconds: number): Promise<void>;
  /** Ends the publishing; resolves when everything is stored. */
  stop(): Promise<void>;
  /** Messages that were published and not stored, and why. */
  readonly failures: { count: number; first: string };
}

/** Learns what has been stored. */
export type OnStored = (offset: number, channel: string) => void;
