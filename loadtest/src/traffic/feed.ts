/** The source of the messages of a run. */

import type { FeedKind } from "./plan.ts";

export interface Feed {
  kind: FeedKind;
  /** Text for the report. */
  description: string;
  /** True when the load test sets the rate. */
  controlled: boolean;
  /** @throws Error when nothing can be published */
  ready(): Promise<void>;
  /**
   * Publishes one message on each channel of the plan, and waits until they are stored: with `--last`, each
   * client must get these messages. Missing where the load test does not publish.
   */
  prime?(): Promise<void>;
  /** Publishes this many messages a second from now on, for at most `seconds`. */
  setRate(perSecond: number, seconds: number): Promise<void>;
  /** Stops publishing; resolves when everything is stored. */
  stop(): Promise<void>;
  /** How many published messages were not stored, and the first reason. */
  readonly failures: { count: number; first: string };
}

/** Called for each message that the stream has stored. */
export type OnStored = (offset: number, channel: string) => void;
