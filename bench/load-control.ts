/** What the bench and its load process say to each other. */

import type { DialectName } from "./dialects.ts";
import type { Plan } from "./messages.ts";
import type { Latency } from "./stats.ts";

export interface Target {
  dialect: DialectName;
  port: number;
  /** Offer permessage-deflate, as browsers do. */
  deflate: boolean;
  plan: Plan;
  /** Connections that are being made at the same time. */
  inFlight: number;
}

/** Messages published, by channel. */
export type Published = Record<string, number>;

export type Command =
  | { kind: "connect"; target: Target }
  /** Counts from zero again. */
  | { kind: "begin" }
  /** Waits until all that was published since `begin` has arrived everywhere, then compares. */
  | { kind: "finish"; published: Published; timeoutMs: number }
  | { kind: "pings" };

export interface Connected {
  /** Connections that are subscribed. */
  served: number;
  /** Reasons why others are not, with how often. */
  refused: Record<string, number>;
  seconds: number;
}

export interface Arrived {
  deliveries: number;
  /** Frames of the deliveries, headers included. */
  bytes: number;
  /** Heartbeats that the server sent meanwhile. */
  pings: number;
  latency: Latency;
  /** `moment()` of the last delivery. */
  lastAt: number;
  /** Messages that were decompressed, or read as they were, and found right. */
  checked: number;
  /** What was lost, doubled, out of order or broken; empty when all is well. */
  errors: string[];
}

export interface Answers {
  connect: Connected;
  begin: null;
  finish: Arrived;
  pings: number;
}

/** An answer, or the message of the error that the command ended with. */
export type Answer = { result: Answers[keyof Answers] } | { error: string };
