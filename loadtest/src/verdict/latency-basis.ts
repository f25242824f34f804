/** Latency is the difference of two clocks' times: which, and what is done when they are not the same clock. */

import type { Sample } from "../control.ts";
import type { FeedKind } from "../traffic/plan.ts";

export interface Clocks {
  feed: FeedKind;
  /** Gateway and load test share a clock. */
  sameMachine: boolean;
}

/** What to add to a latency, µs: nothing while the clocks differ by less than is known of them. */
export function shiftMicros({ feed, sameMachine }: Clocks, clock: Sample["clock"]): number {
  // A moment that the load test has written itself is of its own clock; `ts` is of the gateways' side.
  if (sameMachine || feed === "own" || clock === undefined) return 0;
  const { offsetMs, roundTripMs } = clock;
  return Math.abs(offsetMs) > roundTripMs / 2 ? offsetMs * 1000 : 0;
}

/** For people. */
export function describeLatency(clocks: Clocks, clock: Sample["clock"]): string {
  if (clocks.feed === "own")
    return "From the moment at which the schedule wanted a message published (a publisher that was held up so makes it worse, not better) to its reading, on one clock.";
  const from = "From `ts`, when the message was stored in the stream, to its reading.";
  if (clocks.sameMachine)
    return `${from} Both on one machine's clock, \`ts\` to the millisecond. A source that is held up itself publishes late, which this cannot show; with --nats it does.`;
  if (clock === undefined) return `${from} On two clocks whose difference could not be estimated.`;
  const estimate = `${clock.offsetMs.toFixed(2)} ms ± ${(clock.roundTripMs / 2).toFixed(2)} ms, by the quickest heartbeat`;
  return shiftMicros(clocks, clock) === 0
    ? `${from} On two clocks: the gateway's is ahead by ${estimate}; that is too little to be certain of, so nothing was added.`
    : `${from} On two clocks: the gateway's is ahead by ${estimate}; that was added. The stream's clock is taken to be the gateway's.`;
}
