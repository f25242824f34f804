/** What the load test's first process and its workers say to each other. */

import type { Plan } from "./traffic/plan.ts";

/** A message of the stream. */
export interface Entry {
  offset: number;
  channel: string;
  /** Of everything behind `seq`: the same for all subscribers. */
  hash: string;
}

/** Set in the environment of a worker. */
export const WORKER_VARIABLE = "ODIN_LOADTEST_WORKER";

/** What a worker is to do, fixed at its start. */
export interface Assignment {
  plan: Plan;
  urls: string[];
  /** Connections of this worker: `index % workers === worker`. */
  worker: number;
  workers: number;
  sources: string[];
  compression: boolean;
  jwtSecret: string | undefined;
  atOnce: boolean;
  breaksWanted: boolean;
  /** The first so many connections stop reading when they are told to. */
  slow: number;
}

export type Command =
  | { kind: "assign"; assignment: Assignment }
  /** Opens all connections, so many a second. */
  | { kind: "connect"; perSecond: number }
  /** New entries of the ledger; everything up to `cutoff` is known. */
  | { kind: "audit"; entries: Entry[]; cutoff: number }
  /** Opens no more; who waits for a place gives up. */
  | { kind: "halt" }
  /** Breaks all connections at once. */
  | { kind: "cut" }
  /** Slow clients stop or go on; these one after the other within `overMs`, else the load test would be what is slow. */
  | { kind: "read"; slowClientsRead: boolean; overMs: number }
  /** Waits until every connection has everything up to an offset, and nothing is under way any more. */
  | { kind: "finish"; upTo: number; timeoutMs: number }
  /** Sends a sample at once; it comes before the answer. */
  | { kind: "sample" }
  | { kind: "balance" }
  /** Ends all subscriptions, so that counts come to rest. */
  | { kind: "unsubscribe" }
  | { kind: "close"; timeoutMs: number };

/** How often each value came. Values are microseconds, to three digits and at most a millisecond off. */
export type Times = Map<number, number>;

/** Deliveries of messages that were due within 10 ms. */
export interface Due {
  deliveries: number;
  /** From publishing to reading, as the clocks have it: live messages of clients that are not slow on purpose. */
  latency: Times;
}
/** Length of what is told apart by when it was due. */
export const SLOT = 10_000; // µs

/** Names that count what is wrong; each may be checked on its own. */
export const FAULTS = {
  content: "an envelope was broken, altered, or differed between clients",
  duplicate: "a message came twice",
  reorder: "a message of a channel came after a later one",
  error: "the gateway answered with an error",
  ended: "a connection ended that nobody wanted to end",
  epoch: "the stream was replaced",
} as const;
export type FaultName = keyof typeof FAULTS;

/** What happened in a worker since its last sample. */
export interface Sample {
  /** Now. */
  open: number;
  waiting: number;
  /** Since the last sample. */
  served: number;
  deliveries: number;
  /** Of them: sent again on request. */
  caughtUp: number;
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
  /** By the moment at which a message was due, in whole SLOTs since 1970. */
  due: Map<number, Due>;
  /** From when a connection was due to its subscription. */
  connect: Times;
  /** From the break to the subscription that resumed. */
  resume: Times;
  /** From a heartbeat to its answer. */
  roundTrip: Times;
  /** The quickest of them, with what to add to the own clock to get the gateway's, ms. */
  clock: { roundTripMs: number; offsetMs: number } | undefined;
  entries: Entry[];
  epoch: string | undefined;
  /** How long the worker itself was held up, ms. */
  heldUpMs: number;
}

export interface Finished {
  /** Everything up to here has come to every connection that came to rest. */
  position: number;
  /** Open connections that did not come to rest, or not with everything that they should have. */
  unsettled: number;
  open: number;
}

export interface Balance {
  /** Deliveries that never came, and by how many clients they are missed. */
  lost: number;
  losers: number;
  /** Left out with notice: to clients that read as they should, and to those that did not on purpose. */
  announced: number;
  slowAnnounced: number;
  unexpected: number;
  examples: string[];
  /** Clients whose level was raised, and whose connection the gateway ended. */
  slowTold: number;
  slowClosed: number;
}

export interface Answers {
  assign: null;
  connect: null;
  audit: null;
  halt: null;
  cut: null;
  read: null;
  finish: Finished;
  sample: null;
  balance: Balance;
  unsubscribe: null;
  close: null;
}

export type Report =
  | { kind: "sample"; sample: Sample }
  | { kind: "answer"; to: Command["kind"]; result: Answers[Command["kind"]] };
