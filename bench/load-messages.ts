/** Messages between the bench and its load process. */

import type { DialectName } from "./dialects.ts";
import type { Plan } from "./messages.ts";
import type { Latency } from "./stats.ts";

export interface Target {
  dialect: DialectName;
  /** IPv4 address of the server. */
  host: string;
  port: number;
  /** Offer permessage-deflate, like browsers. */
  deflate: boolean;
  plan: Plan;
  /** How many connections may be opening at the same time. */
  inFlight: number;
}

/** Number of published messages, by channel. */
export type Published = Record<string, number>;

export type Command =
  | { kind: "connect"; target: Target }
  /** Resets all counts. */
  | { kind: "begin" }
  /** Waits until everything that was published since `begin` has arrived, then compares. */
  | { kind: "finish"; published: Published; timeoutMs: number }
  | { kind: "pings" };

export interface Connected {
  /** Number of subscribed connections. */
  served: number;
  /** How many of the others failed, by reason. */
  refused: Record<string, number>;
  seconds: number;
}

export interface Arrived {
  deliveries: number;
  /** Bytes of the deliveries' frames, with headers. */
  bytes: number;
  /** Heartbeats that the server sent since `begin`. */
  pings: number;
  latency: Latency;
  /** `moment()` of the last delivery's arrival. */
  lastAt: number;
  /** Deliveries whose content was read and is right. */
  checked: number;
  /** Losses, duplicates, wrong order and broken messages; empty when there are no errors. */
  errors: string[];
}

export interface Answers {
  connect: Connected;
  begin: null;
  finish: Arrived;
  pings: number;
}

/** The result of a command, or the message of its error. */
export type Answer = { result: Answers[keyof Answers] } | { error: string };
