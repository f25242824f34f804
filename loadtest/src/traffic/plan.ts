/**
 * Decides which connection subscribes to which channels: a message goes to about 12 % of the connections,
 * 1,210 of 10,000.
 */

import { covers, GLOBAL, isPattern } from "@odin-ws/protocol";
import { Market } from "@odin-ws/publisher/market";

/**
 * `own`: this load test publishes. `market`: someone else does (the gateway's simulator, the publisher
 * service, a backend).
 */
export type FeedKind = "own" | "market";

export interface Plan {
  kind: FeedKind;
  connections: number;
  /**
   * Channels or patterns with subscribers. The load test's own publisher publishes to these channels in turn.
   */
  channels: readonly string[];
  /** Number of subscribers of each channel. */
  subscribers: number;
}

/** What was observed of a feed. */
export interface Traffic {
  /** Observed tokens, the busiest first; `global` counts as a token. */
  tokens: readonly string[];
  /** Messages a second. */
  rate: number;
}

const SHARE = 0.121;
const OWN_PER_CONNECTION = 4;
/**
 * Channel of large messages for slow clients. Without large messages, filling the buffers of one client would
 * take minutes.
 */
export const BULK_CHANNEL = "LOADBULK.update";
/** Channel of a connection that is to receive no message. */
const SILENT_CHANNEL = "LOADSPARE.trade";

const channelName = (index: number): string => `LOAD${String(index).padStart(2, "0")}.trade`;
const subscribersOf = (connections: number): number => Math.max(1, Math.round(connections * SHARE));

/** Returns the plan for the load test's own messages. */
export function ownPlan(connections: number): Plan {
  const subscribers = subscribersOf(connections);
  const count = Math.max(1, Math.floor((connections * OWN_PER_CONNECTION) / subscribers));
  const channels = Array.from({ length: count }, (_, index) => channelName(index));
  return { kind: "own", connections, subscribers, channels };
}

/**
 * Returns the plan for a feed that someone else publishes. If the feed has more than `rate` messages a
 * second, clients subscribe only to as many tokens as have that rate together, so that the load is the
 * requested one.
 */
export function marketPlan(connections: number, rate: number, traffic: Traffic): Plan {
  // The names of the simulated market do not depend on its seed. The tokens with the most messages come
  // first.
  const known = [...new Market().symbols, GLOBAL];
  const more = traffic.tokens.filter((token) => !known.includes(token));
  const simulated = more.length < traffic.tokens.length / 2 || traffic.tokens.length === 0;
  const tokens = simulated ? [...known, ...more] : traffic.tokens;
  const wanted = Math.min(1, rate / traffic.rate);
  // The chosen tokens are spread evenly over the ranks, so that busy and quiet ones are among them.
  const taken = (count: number) => Math.floor(count * wanted + 0.5);
  const chosen = tokens.filter((_, rank) => taken(rank + 1) > taken(rank));
  const channels = (chosen.length > 0 ? chosen : tokens.slice(0, 1)).map((token) => `${token}.*`);
  return { kind: "market", connections, channels, subscribers: subscribersOf(connections) };
}

/** Returns the channels of a connection. */
export function channelsOf(plan: Plan, connection: number, slow = false): string[] {
  const { channels, subscribers, connections, kind } = plan;
  if (slow && kind === "market") return ["*.*"];
  // There are `subscribers` places for each channel. The places are distributed evenly, so every channel has
  // its number of subscribers, and the numbers of channels of two connections differ by one at most.
  const places = channels.length * subscribers;
  const from = Math.floor((connection * places) / connections);
  const to = Math.floor(((connection + 1) * places) / connections);
  const names = Array.from({ length: to - from }, (_, n) => channels[(from + n) % channels.length] as string);
  if (slow) names.push(BULK_CHANNEL);
  return names.length > 0 ? [...new Set(names)] : [SILENT_CHANNEL];
}

/**
 * Returns a function that says whether a subscriber of these channels and patterns receives a message of a
 * channel.
 */
export function matcher(channels: readonly string[]): (channel: string) => boolean {
  const exact = new Set(channels);
  const patterns = channels.filter(isPattern);
  return (channel) => exact.has(channel) || patterns.some((pattern) => covers(pattern, channel));
}
