import type { DeliverySummary } from "../worker-messages.ts";
import type { Subscriber } from "./subscriber.ts";

const MAX_EXAMPLES_EACH = 5; // from each worker
const MAX_EXAMPLES = 10;

/** Sums up what the clients of a worker received, lost and did not expect. */
export function summarizeDeliveries(
  subscribers: readonly Subscriber[],
  channelOf: (offset: number) => string | undefined,
): DeliverySummary {
  const summary: DeliverySummary = {
    ...{ lost: 0, clientsWithLoss: 0, dropped: 0, slowDropped: 0, unexpected: 0 },
    ...{ leftOut: 0, slowLeftOut: 0 },
    ...{ examples: [], slowThrottled: 0, slowClosed: 0 },
  };
  for (const { tracker, state, options, throttled, closedAsSlow } of subscribers) {
    const { lost, dropped, leftOut, unexpected } = tracker.summary(state !== "ready");
    summary.lost += lost.length;
    summary.clientsWithLoss += lost.length > 0 ? 1 : 0;
    summary[options.slow ? "slowDropped" : "dropped"] += dropped;
    summary[options.slow ? "slowLeftOut" : "leftOut"] += leftOut;
    summary.unexpected += unexpected.length;
    summary.slowThrottled += options.slow && throttled ? 1 : 0;
    summary.slowClosed += closedAsSlow ? 1 : 0;
    if (summary.examples.length >= MAX_EXAMPLES_EACH) continue;
    const describe = (offset: number | undefined) =>
      `offset ${offset}${offset === undefined ? "" : ` of ${channelOf(offset) ?? "an unknown channel"}`}`;
    if (lost.length > 0)
      summary.examples.push(`a client never received ${describe(lost[0])} (${lost.length} lost in total)`);
    if (unexpected.length > 0)
      summary.examples.push(`a client received ${describe(unexpected[0])} without a subscription`);
  }
  return summary;
}

/** Adds up the summaries of all workers. */
export function addSummaries(parts: readonly DeliverySummary[]): DeliverySummary {
  const sum = (of: (part: DeliverySummary) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    lost: sum(({ lost }) => lost),
    clientsWithLoss: sum(({ clientsWithLoss }) => clientsWithLoss),
    dropped: sum(({ dropped }) => dropped),
    slowDropped: sum(({ slowDropped }) => slowDropped),
    leftOut: sum(({ leftOut }) => leftOut),
    slowLeftOut: sum(({ slowLeftOut }) => slowLeftOut),
    unexpected: sum(({ unexpected }) => unexpected),
    slowThrottled: sum(({ slowThrottled }) => slowThrottled),
    slowClosed: sum(({ slowClosed }) => slowClosed),
    examples: parts.flatMap(({ examples }) => examples).slice(0, MAX_EXAMPLES),
  };
}
