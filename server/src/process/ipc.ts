/** Messages between the primary and its workers (node:cluster, structured clone). */

import { getHeapStatistics } from "node:v8";
import type { Revocation } from "@odin-ws/protocol/revocation";
import type { PackedMessage } from "../delivery/message.ts";
import type { Applicant, Closure, Refusal } from "../entrance/admission.ts";
import type { DrainPlan, GatewayStats } from "../gateway.ts";
import type { DictionaryBytes } from "../source/source.ts";
import type { MetricsSnapshot } from "./fleet.ts";
import type { Usage } from "./overload.ts";

/** One event of the stream. Events are sent in the stream's order. */
export type StreamEvent =
  | { type: "begin"; epoch: string; offset: number; sameUpTo: number }
  /** Older messages, which only fill the history of a new worker. */
  | { type: "history"; messages: PackedMessage[] }
  /** Newest messages of channels, which may have left the history. */
  | { type: "last"; messages: PackedMessage[] }
  | { type: "message"; message: PackedMessage; shed: boolean }
  | { type: "skip"; offset: number }
  | { type: "lose"; offset: number }
  | { type: "revoke"; revocations: readonly Revocation[] }
  | { type: "dictionary"; dictionary: DictionaryBytes };

export type ToWorker =
  | { type: "stream"; events: StreamEvent[] }
  | { type: "serve"; port: number }
  | { type: "closure"; closure: Closure | undefined }
  /** Answers `take` with the same seat. */
  | { type: "taken"; seat: number; refusal: Refusal | undefined }
  /** Numbers of seats, as `take` gave them. */
  | { type: "check"; id: number; seats: readonly number[] }
  | { type: "replace"; seat: number }
  /** Answers `end` with the same id: offset of the stream's last message. */
  | { type: "end"; id: number; end: number | undefined }
  | { type: "report"; id: number }
  | { type: "drain"; plan: DrainPlan }
  | { type: "stop" };

export type ToPrimary =
  | { type: "started" }
  | { type: "serving" }
  | { type: "failed"; message: string }
  /** `seat`: number of the seat in this worker, never used before. */
  | { type: "take"; seat: number; applicant: Applicant }
  | { type: "free"; seat: number }
  /** Answers `check` with the same id, after `free` for each client that has not answered. */
  | { type: "checked"; id: number }
  /** Asks for the offset of the stream's last message. */
  | { type: "end"; id: number }
  /** Sent every second. `events`: stream events that the worker has handled since its start. */
  | { type: "heartbeat"; usage: Usage; events: number }
  /** Answers `report` with the same id. */
  | { type: "report"; id: number; stats: GatewayStats; metrics: MetricsSnapshot }
  | { type: "drained" };

let lastRssBytes = 0;

export function usageOfProcess(): Usage {
  const { user, system } = process.cpuUsage();
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
  try {
    lastRssBytes = process.memoryUsage.rss();
  } catch {
    // Without a free descriptor, Node cannot read the file that has this number: the last number stays.
  }
  return { cpuMicros: user + system, rssBytes: lastRssBytes, heapShare: used / limit };
}
