/** The messages that are published, and the subscriptions of each connection. */

import { Market } from "@odin-ws/publisher/market";
import { moment } from "./clock.ts";

/** The channel that everyone subscribes to. */
export const EVERYONE = "global.trending";
const TOKENS_PER_CONNECTION = 4;
/** 1,210 of 10,000 connections receive each message. */
const SUBSCRIBED_SHARE = 0.121;

export interface Plan {
  connections: number;
  /** Number of subscribers of each hot channel. */
  subscribers: number;
  /** Channels with messages, which are published to in turn. */
  hot: readonly string[];
}

const channelName = (index: number): string => `TKN${String(index).padStart(2, "0")}.trade`;

/**
 * Every connection subscribes to four token channels and the global channel. Each hot channel has
 * `subscribers` subscribers.
 */
export function planFor(connections: number): Plan {
  const subscribers = Math.max(1, Math.round(connections * SUBSCRIBED_SHARE));
  const count = Math.floor((connections * TOKENS_PER_CONNECTION) / subscribers);
  return { connections, subscribers, hot: Array.from({ length: count }, (_, index) => channelName(index)) };
}

/** Every connection subscribes to the same four token channels and the global channel. */
export function planForAll(connections: number): Plan {
  const hot = Array.from({ length: TOKENS_PER_CONNECTION }, (_, index) => channelName(index));
  return { connections, subscribers: connections, hot };
}

/** Returns the five channels of a connection. */
export function channelsOf(connection: number, { hot, subscribers }: Plan): string[] {
  const slots = Array.from(
    { length: TOKENS_PER_CONNECTION },
    (_, i) => connection * TOKENS_PER_CONNECTION + i,
  );
  // The slots beyond the last full round go to channels without messages.
  const name = (slot: number) =>
    slot < hot.length * subscribers
      ? channelName(slot % hot.length)
      : `SPARE${slot % TOKENS_PER_CONNECTION}.trade`;
  return [...slots.map(name), EVERYONE];
}

const market = new Market();
function pass(events: number): void {
  for (let n = 0; n < events; n++) market.next(Date.now());
}
pass(5000);
/** Events between two lists: 5 s at 12 events a second. */
const EVENTS_BETWEEN_LISTS = 60;

/** Appends the moment of publishing as the last member of a JSON object, where the load process reads it. */
export const stamped = (object: string): string => `${object.slice(0, -1)},"t":${moment()}}`;

/** Returns the next trade of the simulated market: about 320 bytes of JSON, each one different. */
export function tradeBody(): string {
  for (;;) {
    const { event, data } = market.next(Date.now());
    if (event === "trade") return JSON.stringify(data);
  }
}

/** Returns the trending list: 100 tokens, about 17 KB. Some entries have changed since the last list. */
export function trendingBody(): string {
  pass(EVENTS_BETWEEN_LISTS);
  return JSON.stringify({ tokens: market.trending(Date.now()).data });
}
