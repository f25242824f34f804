import { useCallback, useMemo } from "react";
import type { Envelope, SubscribeOptions } from "../types.ts";
import type { FeedDefinition, Received } from "./feed.ts";
import { useHub } from "./provider.ts";
import { useSelection } from "./use-feed.ts";

/** The latest message of each channel, by its name (`BTC.trade`). */
export type Latest<Data = unknown> = ReadonlyMap<string, Envelope<Data>>;
/** Messages, the newest first. */
export type Recent<Data = unknown> = readonly Envelope<Data>[];

export interface Selecting<Value, Selection> {
  /**
   * Selects what the component needs; the component renders only when the selection changes. May be another
   * function at each rendering.
   */
  select: (value: Value) => Selection;
  /** Decides whether two selections are the same. Default `Object.is`. */
  isEqual?: (a: Selection, b: Selection) => boolean;
}
export interface Listing {
  /** How many messages to keep. */
  list: number;
}

type Value = Envelope | Latest | Recent | undefined;
type Options = Partial<Selecting<never, unknown> & Listing> & SubscribeOptions;

/**
 * A pattern may match any number of channels. Beyond this number the channel that was silent longest is
 * forgotten.
 */
const MAX_CHANNELS = 4_096;

/**
 * Messages of channels.
 *
 * - `useChannel("BTC.trade")`: the latest message, undefined before the first one. For a pattern: the latest
 *   message of all channels that match.
 * - `useChannel(["BTC.trade", "*.liquidity"])`: a map with the latest message of each channel.
 * - `{ list: 50 }`: the last 50 messages, the newest first.
 * - `{ last: true }`: begins with the newest message that the gateway knows.
 * - `{ maxRate: 4 }`: at most 4 messages a second of each channel, unless another component wants more.
 * - `{ select }`: only the selection that this function returns.
 *
 * Components that name the same channels share one subscription. It ends with the last of these components.
 */
export function useChannel<Data, Selection>(
  channels: string | readonly string[],
  options: Listing & Selecting<Recent<Data>, Selection> & SubscribeOptions,
): Selection;
export function useChannel<Data = unknown>(
  channels: string | readonly string[],
  options: Listing & SubscribeOptions,
): Recent<Data>;
export function useChannel<Data, Selection>(
  channel: string,
  options: Selecting<Envelope<Data> | undefined, Selection> & SubscribeOptions,
): Selection;
export function useChannel<Data = unknown>(
  channel: string,
  options?: SubscribeOptions,
): Envelope<Data> | undefined;
export function useChannel<Data, Selection>(
  channels: readonly string[],
  options: Selecting<Latest<Data>, Selection> & SubscribeOptions,
): Selection;
export function useChannel<Data = unknown>(
  channels: readonly string[],
  options?: SubscribeOptions,
): Latest<Data>;
export function useChannel(channels: string | readonly string[], options: Options = {}): unknown {
  const hub = useHub();
  const { isEqual } = options;
  const name = nameOf(channels, options);
  const feed = useMemo(() => hub.named<Value, unknown>(name, () => definitionOf(name)), [hub, name]);
  const { select } = options as Partial<Selecting<Value, unknown>>;
  const all = useCallback((value: Value): unknown => value, []);
  return useSelection(feed, select ?? all, isEqual as ((a: unknown, b: unknown) => boolean) | undefined);
}

// Equal requests get equal names, so that components share a feed even if they list their channels in another
// order.
function nameOf(channels: string | readonly string[], { list, maxRate, last }: Options): string {
  const names = typeof channels === "string" ? channels : [...new Set(channels)].sort();
  return JSON.stringify({ names, list, maxRate, last });
}

function definitionOf(name: string): FeedDefinition<Value> {
  const { names, list, ...wish } = JSON.parse(name) as Options & { names: string | string[] };
  const channels = typeof names === "string" ? [names] : names;
  const base = { channels, ...wish };
  if (list !== undefined) return { ...base, initial: [], fold: recent(list) } as FeedDefinition<Value>;
  if (typeof names !== "string")
    return { ...base, initial: new Map(), fold: byChannel } as FeedDefinition<Value>;
  return { ...base, initial: undefined, fold: latest } as FeedDefinition<Value>;
}

function latest(state: Envelope | undefined, batch: readonly Received[]): Envelope | undefined {
  return batch.findLast(({ late }) => !late)?.message ?? state;
}

function byChannel(state: Latest, batch: readonly Received[]): Latest {
  const next = new Map(state);
  for (const { message, late } of batch) {
    if (late) continue;
    // Deleted first, so that the channel moves to the end of the map. The first channel is the one that was
    // silent longest.
    next.delete(message.channel);
    next.set(message.channel, message);
  }
  for (const channel of next.keys()) {
    if (next.size <= MAX_CHANNELS) break;
    next.delete(channel);
  }
  return next;
}

function recent(count: number): (state: Recent, batch: readonly Received[]) => Recent {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(
      `list must be the number of messages to keep, a whole number of at least 1, not ${count}`,
    );
  }
  return (state, batch) => {
    const next = [...state];
    for (const { message, late } of batch) {
      // A late message goes to its place by offset.
      const place = late ? next.findIndex(({ offset }) => offset < message.offset) : 0;
      next.splice(place === -1 ? next.length : place, 0, message);
    }
    return next.slice(0, count);
  };
}
