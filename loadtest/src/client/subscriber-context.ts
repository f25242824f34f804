import type { OffsetLookup } from "./delivery-tracker.ts";
import type { MessageIndex } from "./message-index.ts";
import type { WorkerStats } from "./worker-stats.ts";
import type { ConnectionOptions } from "./ws-connection.ts";

/** What all clients of a worker share. */
export interface SubscriberContext {
  readonly messageIndex: MessageIndex;
  readonly stats: WorkerStats;
  /** Clients reconnect without the delay that the gateway asks for. */
  readonly atOnce: boolean;
  /** Broken connections are part of the scenario and no fault. */
  readonly breaksWanted: boolean;
  /** False when the worker's other clients have seen another epoch: the stream was replaced. */
  accepts(epoch: string): boolean;
}

export interface SubscriberOptions extends ConnectionOptions {
  channels: string[];
  lookup: OffsetLookup;
  /** The client stops reading on command. */
  slow: boolean;
  /** The client asks for the newest message of each channel when it subscribes. */
  last: boolean;
  /** Messages a second of each channel that the client asks for at most; undefined: no limit. */
  maxRate: number | undefined;
  /** The newest message of each channel counts: because of `maxRate` or the policy `conflate`. */
  newestWins: boolean;
}
