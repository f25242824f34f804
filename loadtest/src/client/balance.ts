import type { Balance } from "../control.ts";
import type { Subscriber } from "./subscriber.ts";

const MAX_EXAMPLES_EACH = 5; // of a worker
const MAX_EXAMPLES = 10;

/** What the clients of a worker have found. */
export function balanceOf(
  subscribers: readonly Subscriber[],
  channelOf: (offset: number) => string | undefined,
): Balance {
  const balance: Balance = {
    ...{ lost: 0, losers: 0, announced: 0, slowAnnounced: 0, unexpected: 0 },
    ...{ examples: [], slowTold: 0, slowClosed: 0 },
  };
  for (const { account, state, options, told, closedAsSlow } of subscribers) {
    const { lost, announced, unexpected } = account.balance(state !== "ready");
    balance.lost += lost.length;
    balance.losers += lost.length > 0 ? 1 : 0;
    balance[options.slow ? "slowAnnounced" : "announced"] += announced;
    balance.unexpected += unexpected.length;
    balance.slowTold += options.slow && told ? 1 : 0;
    balance.slowClosed += closedAsSlow ? 1 : 0;
    if (balance.examples.length >= MAX_EXAMPLES_EACH) continue;
    const name = (offset: number | undefined) =>
      `offset ${offset}${offset === undefined ? "" : ` of ${channelOf(offset) ?? "a channel"}`}`;
    if (lost.length > 0) balance.examples.push(`a client never got ${name(lost[0])} (${lost.length} in all)`);
    if (unexpected.length > 0)
      balance.examples.push(`a client got ${name(unexpected[0])} without asking for it`);
  }
  return balance;
}

/** What all workers together have found. */
export function addBalances(parts: readonly Balance[]): Balance {
  const sum = (of: (part: Balance) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    lost: sum(({ lost }) => lost),
    losers: sum(({ losers }) => losers),
    announced: sum(({ announced }) => announced),
    slowAnnounced: sum(({ slowAnnounced }) => slowAnnounced),
    unexpected: sum(({ unexpected }) => unexpected),
    slowTold: sum(({ slowTold }) => slowTold),
    slowClosed: sum(({ slowClosed }) => slowClosed),
    examples: parts.flatMap(({ examples }) => examples).slice(0, MAX_EXAMPLES),
  };
}
