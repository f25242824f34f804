/** Which connection subscribes to what, so that a message goes to about 12 % of the connections: 1,210 of 10,000. */

import { covers, isPattern } from "@odin-ws/protocol";
import { Market } from "@odin-ws/publisher/market";

/** Who publishes: this load test itself, or a simulated market (the gateway's own, or the publisher service). */
export type FeedKind = "own" | "market";

export interface Plan {
  kind: FeedKind;
  connections: number;
  /** Channels that the load test's own publisher uses in turn; empty for a market. */
  hot: readonly string[];
  /** Subscribers of each of them. */
  subscribers: number;
}

const SHARE = 0.121;
const OWN_PER_CONNECTION = 4;
/** Of the market's 200 tokens: 12 % of the connections have each. */
const TOKENS_PER_CONNECTION = 24;
const MARKET_GLOBAL = ["global.trending", "global.new_listing"];
/** Large messages that only slow clients ask for, or a single client's buffers would take minutes to fill. */
export const BULK = "LOADBULK.update";

const hotName = (index: number): string => `LOAD${String(index).padStart(2, "0")}.trade`;

export function planFor(kind: FeedKind, connections: number): Plan {
  const subscribers = Math.max(1, Math.round(connections * SHARE));
  if (kind === "market") return { kind, connections, hot: [], subscribers };
  const count = Math.max(1, Math.floor((connections * OWN_PER_CONNECTION) / subscribers));
  return { kind, connections, subscribers, hot: Array.from({ length: count }, (_, index) => hotName(index)) };
}

let symbols: readonly string[] | undefined;

/** The channels of a connection. */
export function channelsOf(plan: Plan, connection: number, slow = false): string[] {
  if (plan.kind === "market") {
    // Their names do not depend on the seed.
    symbols ??= new Market().symbols;
    const all = symbols;
    const first = connection * TOKENS_PER_CONNECTION;
    const own = Array.from({ length: TOKENS_PER_CONNECTION }, (_, n) => `${all[(first + n) % all.length]}.*`);
    return slow ? ["*.*"] : [...own, ...MARKET_GLOBAL];
  }
  const slots = Array.from({ length: OWN_PER_CONNECTION }, (_, n) => connection * OWN_PER_CONNECTION + n);
  // What does not divide evenly goes to channels that stay silent.
  const names = slots.map((slot) =>
    slot < plan.hot.length * plan.subscribers
      ? hotName(slot % plan.hot.length)
      : `LOADSPARE${slot % OWN_PER_CONNECTION}.trade`,
  );
  return slow ? [...new Set(names), BULK] : [...new Set(names)];
}

/** Whether a message of `channel` goes to who holds these channels and patterns. */
export function matcher(channels: readonly string[]): (channel: string) => boolean {
  const exact = new Set(channels);
  const patterns = channels.filter(isPattern);
  return (channel) => exact.has(channel) || patterns.some((pattern) => covers(pattern, channel));
}
