/**
 * Latency is a difference of two times. Describes their clocks, and corrects the latency when the clocks
 * differ.
 */

import type { FeedKind } from "../traffic/plan.ts";
import type { Sample } from "../worker-messages.ts";

export interface Clocks {
  feed: FeedKind;
  /** The gateway and the load test share a clock. */
  sameMachine: boolean;
}

/** Returns what to add to a latency, µs. Returns 0 when the clocks differ by less than the uncertainty. */
export function shiftMicros({ feed, sameMachine }: Clocks, clock: Sample["clock"]): number {
  // The load test's publisher writes due times of this machine's clock; `ts` is of the gateways' clock.
  if (sameMachine || feed === "own" || clock === undefined) return 0;
  const { offsetMs, roundTripMs } = clock;
  return Math.abs(offsetMs) > roundTripMs / 2 ? offsetMs * 1000 : 0;
}

/** Describes in the report how latency was measured. */
export function describeLatency(clocks: Clocks, clock: Sample["clock"]): string {
  if (clocks.feed === "own")
    return "From the time at which the schedule wanted a message published, to its reading, on one clock. So a late publisher makes latency worse, not better.";
  const from = "From `ts`, when the stream stored the message, to its reading.";
  if (clocks.sameMachine)
    return `${from} Both times are of one machine's clock; \`ts\` is rounded to the millisecond. The delay of a source that publishes late is not included; use --nats to include the delay.`;
  if (clock === undefined)
    return `${from} The times are of two clocks whose difference could not be estimated.`;
  const estimate = `${clock.offsetMs.toFixed(2)} ms ± ${(clock.roundTripMs / 2).toFixed(2)} ms, by the fastest heartbeat`;
  return shiftMicros(clocks, clock) === 0
    ? `${from} The times are of two clocks: the gateway's is ahead by ${estimate}. The difference is within the uncertainty, so nothing was added.`
    : `${from} The times are of two clocks: the gateway's is ahead by ${estimate}. The difference was added; the stream's clock is assumed to be the gateway's.`;
}
