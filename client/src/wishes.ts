/**
 * What listeners want beyond their channels: `maxRate` and `last`. All functions are called only behind
 * `SELECTIVE`, so that the build of the small module leaves them out; so the state is here, by registry.
 */

import { type Envelope, patternsOf, type Subscribe } from "@odin-ws/protocol";
import { guarded } from "./environment.ts";
import type { Listener, SubscribeOptions } from "./types.ts";

/** A listener, as the registry keeps it. */
export interface Entry {
  listener: Listener;
  /** The listener gets messages above this offset. Infinity: the listener has ended. */
  from: number;
  wish?: SubscribeOptions | undefined;
}
type Entries = ReadonlyMap<string, ReadonlySet<Entry>>;

interface State {
  entries: Entries;
  /** What the client has last asked for, by channel. */
  asked: Map<string, string>;
  /** The newest message of each channel, for listeners that begin with it. */
  newest: Map<string, Envelope>;
}

/** Channels whose newest message is remembered. */
const MAX_NEWEST = 50_000;
const states = new WeakMap<object, State>();

function stateOf(registry: object): State {
  let state = states.get(registry);
  if (!state) {
    state = { entries: new Map(), asked: new Map(), newest: new Map() };
    states.set(registry, state);
  }
  return state;
}

/**
 * What the listeners of a channel want: the highest of their rates, and last values if one of them wants
 * these. With a rate, the client also asks for last values: when a connection ends, the newest message of a
 * channel may still have waited for its turn.
 */
function wishOf({ entries }: State, channel: string): Pick<Subscribe, "last" | "max_rate"> {
  const wishes = [...(entries.get(channel) ?? [])].map(({ wish }) => wish);
  const max_rate = Math.max(...wishes.map((wish) => wish?.maxRate ?? Infinity));
  const limited = Number.isFinite(max_rate);
  return {
    ...((limited || wishes.some((wish) => wish?.last)) && { last: true as const }),
    ...(limited && { max_rate }),
  };
}

/** A listener begins. It gets the newest messages that others got; the gateway does not repeat them. */
export function begins(registry: object, entries: Entries, entry: Entry, channels: readonly string[]): void {
  const state = stateOf(registry);
  state.entries = entries;
  if (!entry.wish?.last) return;
  queueMicrotask(() => {
    for (const envelope of state.newest.values()) {
      const names = [envelope.channel, ...patternsOf(envelope.channel)];
      const known = names.some((name) => [...(entries.get(name) ?? [])].some((one) => one !== entry));
      if (!known || envelope.offset > entry.from || !names.some((name) => channels.includes(name))) continue;
      // A listener may end during this loop.
      if (entry.from < Infinity) guarded(() => entry.listener({ ...envelope, last: true }, { late: false }));
    }
  });
}

/** A message was delivered, and none that is newer on its channel. */
export function newest(registry: object, envelope: Envelope): void {
  const { newest } = stateOf(registry);
  if (newest.size > MAX_NEWEST) newest.clear();
  newest.set(envelope.channel, envelope);
}

/** Another stream begins. */
export function forget(registry: object): void {
  stateOf(registry).newest.clear();
}

/** Returns the fields of a `subscribe` for these channels, which have one wish, and remembers them. */
export function ask(registry: object, channels: readonly string[]): Pick<Subscribe, "last" | "max_rate"> {
  const state = stateOf(registry);
  const wish = wishOf(state, channels[0] as string);
  for (const channel of channels) state.asked.set(channel, JSON.stringify(wish));
  return wish;
}

/** Returns the channels in groups with the same wish. */
export function groups(registry: object, channels: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const channel of channels) {
    const wish = JSON.stringify(wishOf(stateOf(registry), channel));
    groups.set(wish, [...(groups.get(wish) ?? []), channel]);
  }
  return [...groups.values()];
}

/** Returns those of the subscribed channels whose listeners want something else than was asked for. */
export function outdated(registry: object, subscribed: readonly string[]): string[] {
  const state = stateOf(registry);
  return subscribed.filter((channel) => state.asked.get(channel) !== JSON.stringify(wishOf(state, channel)));
}
