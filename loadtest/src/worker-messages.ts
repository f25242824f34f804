/** Messages between the first process of a load test and its workers, which hold the connections. */

import type { Plan } from "./traffic/plan.ts";

/** A message of the stream, as clients received it. */
export interface StreamMessage {
  offset: number;
  channel: string;
  /**
   * Hash of the envelope without `seq`: the same for all subscribers. Empty while only the publisher knows
   * the message.
   */
  hash: string;
}

/** This variable is set in the environment of a worker process. */
export const WORKER_VARIABLE = "ODIN_LOADTEST_WORKER";

/** What the tokens of the clients are made from. */
export interface TokenSettings {
  secret: string;
  issuer: string | undefined;
  audience: string | undefined;
}

/** The settings of a worker, which do not change during a run. */
export interface Assignment {
  plan: Plan;
  urls: string[];
  /** This worker holds the connections with `index % workers === worker`. */
  worker: number;
  workers: number;
  sources: string[];
  compression: boolean;
  compact: boolean;
  /** Clients ask for last values. */
  last: boolean;
  /** Messages a second of each channel that clients ask for at most; undefined: no limit. */
  maxRate: number | undefined;
  /** The gateway's policy for slow clients is `conflate`. */
  conflate: boolean;
  /** Undefined: the clients have no tokens. */
  tokens: TokenSettings | undefined;
  /** Clients reconnect without the delay that the gateway asks for. */
  atOnce: boolean;
  /** Broken connections are part of the scenario and no fault. */
  breaksWanted: boolean;
  /** Number of connections, from index 0, that stop reading on command. */
  slow: number;
}

export type Command =
  | { kind: "assign"; assignment: Assignment }
  /** Opens all connections at this rate. */
  | { kind: "connect"; perSecond: number }
  /** Compares what each client received with these messages; all messages up to `cutoff` are known. */
  | { kind: "audit"; messages: StreamMessage[]; cutoff: number }
  /** Opens no more connections. Clients that were never connected stop trying. */
  | { kind: "stopConnecting" }
  /** Breaks all connections at once. */
  | { kind: "disconnect" }
  /**
   * Slow clients stop or resume reading. They change one after the other within `overMs`, because the load
   * test itself would become slow if all of them resumed at once.
   */
  | { kind: "setSlowReading"; reading: boolean; overMs: number }
  /** Waits until every connection has everything up to an offset, and no request is open. */
  | { kind: "finish"; upTo: number; timeoutMs: number }
  /** Sends a sample immediately; the sample arrives before the answer. */
  | { kind: "sample" }
  | { kind: "summarize" }
  /** Ends all subscriptions, so that the counts stop changing. */
  | { kind: "unsubscribe" }
  | { kind: "close"; timeoutMs: number };

/** How often each value occurred. Values are microseconds, rounded to three digits and by at most 1 ms. */
export type Times = Map<number, number>;

/** Deliveries of the messages that were due within one latency bucket. */
export interface LatencyBucket {
  deliveries: number;
  /**
   * Latency from publishing to reading by the uncorrected clocks, without requested messages and slow
   * clients.
   */
  latency: Times;
}
/** Width of one latency bucket, by due time. */
export const BUCKET_MICROS = 10_000; // 10 ms

/** Kinds of faults. Each kind is counted separately, and may have a check of its own. */
export const FAULTS = {
  content: "an envelope was malformed, altered, or differed between clients",
  duplicate: "a message arrived twice",
  reorder: "a message of a channel arrived after a later one",
  tooOften: "a channel came more often than the client asked for",
  error: "the gateway answered with an error",
  ended: "a connection ended unexpectedly",
  epoch: "the stream was replaced",
} as const;
export type FaultName = keyof typeof FAULTS;

/** What happened in a worker since its last sample. */
export interface Sample {
  /** Connections at this moment. */
  open: number;
  waiting: number;
  /** The counts below are since the last sample. */
  served: number;
  deliveries: number;
  /** Deliveries among them that the gateway sent again on request. */
  caughtUp: number;
  /** Deliveries among them that are last values. */
  lastValues: number;
  bytes: number;
  gaps: number;
  replays: number;
  resumed: number;
  notRecovered: number;
  throttled: number;
  refused: Record<string, number>;
  ended: Record<string, number>;
  faults: Partial<Record<FaultName, number>>;
  examples: string[];
  /** Buckets by due time. The key is the number of whole buckets since 1970. */
  latency: Map<number, LatencyBucket>;
  /** Times from when a connection was due to its subscription. */
  connect: Times;
  /** Times from a break to the subscription that resumed. */
  resume: Times;
  /** Times from a heartbeat to its answer. */
  roundTrip: Times;
  /** The fastest round trip, with the offset of the gateway's clock from this machine's clock, ms. */
  clock: { roundTripMs: number; offsetMs: number } | undefined;
  messages: StreamMessage[];
  epoch: string | undefined;
  /** How late the worker's own timer fired, ms: the delay of its event loop. */
  delayMs: number;
}

export interface Finished {
  /** Every settled connection has received everything up to this offset. */
  offset: number;
  /** Open connections that are not settled: a request is open, or something due did not arrive. */
  unsettled: number;
  open: number;
}

/** What the clients received, compared with what they should have received. */
export interface DeliverySummary {
  /** Deliveries that never arrived and that the gateway did not report as dropped. */
  lost: number;
  clientsWithLoss: number;
  /**
   * Deliveries that the gateway dropped and reported, to normal clients and to the slow ones of the scenario.
   */
  dropped: number;
  slowDropped: number;
  /**
   * Deliveries that newer messages of their channels have replaced, because the client asked for a rate or
   * the gateway conflates; to normal clients and to slow ones.
   */
  leftOut: number;
  slowLeftOut: number;
  /** Deliveries on channels that the client did not subscribe to. */
  unexpected: number;
  examples: string[];
  /** Slow clients that the gateway throttled, and that it disconnected. */
  slowThrottled: number;
  slowClosed: number;
}

export interface Answers {
  assign: null;
  connect: null;
  audit: null;
  stopConnecting: null;
  disconnect: null;
  setSlowReading: null;
  finish: Finished;
  sample: null;
  summarize: DeliverySummary;
  unsubscribe: null;
  close: null;
}

/** A message of a worker to the first process. */
export type WorkerMessage =
  | { kind: "sample"; sample: Sample }
  | { kind: "answer"; to: Command["kind"]; result: Answers[Command["kind"]] };
