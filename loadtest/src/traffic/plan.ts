/** Which connection subscribes to what, so that a message goes to about 12 % of the connections: 1,210 of 10,000. */

import { covers, GLOBAL, isPattern } from "@odin-ws/protocol";
import { Market } from "@odin-ws/publisher/market";

/** Who publishes: this load test itself, or somebody else (the gateway's simulator, the publisher service, a backend). */
export type FeedKind = "own" | "market";

export interface Plan {
  kind: FeedKind;
  connections: number;
  /** Channels or patterns that are subscribed to; the load test's own publisher uses them in turn. */
  hot: readonly string[];
  /** Subscribers of each of them. */
  subscribers: number;
}

/** What a feed carries. */
export interface Traffic {
  /** Tokens that were seen, the busiest first; `global` is one of them. */
  tokens: readonly string[];
  /** Messages a second. */
  rate: number;
}

const SHARE = 0.121;
const OWN_PER_CONNECTION = 4;
/** Large messages that only slow clients ask for, or a single client's buffers would take minutes to fill. */
export const BULK = "LOADBULK.update";
/** Of a connection that no message is for. */
const SILENT = "LOADSPARE.trade";

const hotName = (index: number): string => `LOAD${String(index).padStart(2, "0")}.trade`;
const subscribersOf = (connections: number): number => Math.max(1, Math.round(connections * SHARE));

/** For the load test's own messages. */
export function ownPlan(connections: number): Plan {
  const subscribers = subscribersOf(connections);
  const count = Math.max(1, Math.floor((connections * OWN_PER_CONNECTION) / subscribers));
  const hot = Array.from({ length: count }, (_, index) => hotName(index));
  return { kind: "own", connections, subscribers, hot };
}

/**
 * For a feed of others. Of one that has more than `rate` messages a second only as many tokens are subscribed to as have that rate
 * together, so that the load is the one that was asked for.
 */
export function marketPlan(connections: number, rate: number, traffic: Traffic): Plan {
  // Names of the simulated market do not depend on its seed; the ones with the most messages come first.
  const known = [...new Market().symbols, GLOBAL];
  const more = traffic.tokens.filter((token) => !known.includes(token));
  const simulated = more.length < traffic.tokens.length / 2 || traffic.tokens.length === 0;
  const tokens = simulated ? [...known, ...more] : traffic.tokens;
  const wanted = Math.min(1, rate / traffic.rate);
  // Evenly over the ranks: busy tokens and quiet ones.
  const taken = (count: number) => Math.floor(count * wanted + 0.5);
  const chosen = tokens.filter((_, rank) => taken(rank + 1) > taken(rank));
  const hot = (chosen.length > 0 ? chosen : tokens.slice(0, 1)).map((token) => `${token}.*`);
  return { kind: "market", connections, hot, subscribers: subscribersOf(connections) };
}

/** The channels of a connection. */
export function channelsOf(plan: Plan, connection: number, slow = false): string[] {
  const { hot, subscribers, connections, kind } = plan;
  if (slow && kind === "market") return ["*.*"];
  // All places in a row, dealt evenly: every channel gets its number of subscribers, every connection as many channels as the others.
  const places = hot.length * subscribers;
  const from = Math.floor((connection * places) / connections);
  const to = Math.floor(((connection + 1) * places) / connections);
  const names = Array.from({ length: to - from }, (_, n) => hot[(from + n) % hot.length] as string);
  if (slow) names.push(BULK);
  return names.length > 0 ? [...new Set(names)] : [SILENT];
}

/** Whether a message of `channel` goes to who holds these channels and patterns. */
export function matcher(channels: readonly string[]): (channel: string) => boolean {
  const exact = new Set(channels);
  const patterns = channels.filter(isPattern);
  return (channel) => exact.has(channel) || patterns.some((pattern) => covers(pattern, channel));
}
