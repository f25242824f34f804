/**
 * The requests that the client sends to a gateway. They make the gateway's list of channels equal to the
 * channels that have listeners. Only one request is open at a time, so that each answer belongs to a known
 * request. All messages stay within the gateway's limits.
 */

import {
  type ClientMessage,
  type ErrorMessage,
  MAX_CHANNELS,
  type Position,
  type Replay,
  type Subscribe,
  type SubscriptionAck,
} from "@odin-ws/protocol";
import type { Emitter } from "./emitter.ts";
import { SELECTIVE } from "./extent.ts";
import type { Registry } from "./registry.ts";
import type { Timers } from "./timers.ts";
import { ask, groups, outdated } from "./wishes.ts";

/**
 * Bytes of the names in one message, or of a token: a message may have 4 KiB, and everything else takes less
 * than 200 bytes.
 */
const MAX_BYTES = 3_800;
/** Between two messages: the gateway reads 20 messages a second, and heartbeats are not spaced. */
const SPACING_MS = 60;

/** A running refill: a question for all messages of the live channels since a position. */
interface Refill {
  round: number;
  since: Position;
  /** Channels that were not requested yet; each part fits into one message. */
  parts: string[][];
}
type Request = Extract<ClientMessage, { type: "subscribe" | "unsubscribe" | "auth" }>;

/** What the requests ask of their owner. */
export interface RequestEffects {
  /** Sends a message to the gateway. */
  send(message: ClientMessage): void;
  /** The gateway has acknowledged a part of a refill. `recovered`: it had all messages of that part. */
  answered(recovered: boolean): void;
  /** The gateway has acknowledged all parts of this refill. */
  refilled(round: number): void;
}

export class Requests {
  readonly #registry: Registry;
  readonly #emitter: Emitter;
  readonly #timers: Timers;
  readonly #effects: RequestEffects;
  /**
   * Channels that a gateway has acknowledged. A new connection resumes them; other channels start without
   * `since`.
   */
  #live = new Set<string>();
  /** Channels that this gateway has refused. */
  readonly #refused = new Set<string>();
  /** The application knows that some channels are beyond the limit. */
  #excessReported = false;
  #open = false;
  /** Channels of this connection, as the gateway has acknowledged them. */
  #subscribed: ReadonlySet<string> = new Set();
  /** The request that has no answer yet. */
  #pending: Request | undefined;
  #refill: Refill | undefined;
  /** Halves of a `subscribe` that the gateway refused. */
  #parts: string[][] = [];
  /** A fresh token to send. */
  #token: string | undefined;
  /** A replay to request. */
  #replay: Replay | undefined;
  #sentAt = -Infinity;
  #maxChannels = 0;

  constructor(registry: Registry, emitter: Emitter, timers: Timers, effects: RequestEffects) {
    this.#registry = registry;
    this.#emitter = emitter;
    this.#timers = timers;
    this.#effects = effects;
  }

  /** Channels that were live and still have a listener. */
  get live(): string[] {
    return this.#wanted([...this.#live]);
  }

  /** A connection is open. `since`: the position from which the live channels resume. */
  open(since: Position | undefined, maxChannels: number = MAX_CHANNELS): void {
    this.close();
    this.#open = true;
    this.#maxChannels = maxChannels;
    // With a lower limit than before, the other channels wait, and start again like new ones.
    this.#live = new Set(this.live.slice(0, maxChannels));
    this.#refused.clear(); // This connection may have another token, which allows more.
    if (since) this.refill(since, 0);
    else this.#live.clear();
    this.pump();
  }

  close(): void {
    this.#open = false;
    this.#subscribed = new Set();
    this.#parts = [];
    this.#pending = this.#refill = this.#token = this.#replay = undefined;
  }

  /** Requests all messages of the live channels since a position. Replaces an earlier refill. */
  refill(since: Position, round: number): void {
    this.#refill = {
      round,
      since,
      parts: SELECTIVE
        ? groups(this.#registry, this.live).flatMap(splitIntoMessages)
        : splitIntoMessages(this.live),
    };
    this.pump();
  }

  /** Sends a fresh token. */
  renew(token: string): void {
    if (token.length > MAX_BYTES) return; // It is only sent in the address of the next connection.
    this.#token = token;
    this.pump();
  }

  /**
   * Requests envelopes again. Does not wait for other answers, and replaces a replay that was not sent yet.
   */
  replay(range: Replay): void {
    this.#replay = range;
    this.pump();
  }

  /** True when nothing was sent since this time, and no replay waits to be sent. */
  idle(since: number): boolean {
    return this.#sentAt < since && !this.#replay;
  }

  /**
   * True when an answer is due. The answer to `auth` does not count: a gateway may first have to fetch keys.
   */
  get waits(): boolean {
    return this.#pending !== undefined && this.#pending.type !== "auth";
  }

  /** Calls `pump` after this many milliseconds. */
  pumpAfter(ms: number): void {
    this.#timers.set("pump", ms, () => this.pump());
  }

  /** Sends the next message, if there is one and the limits allow it now. */
  pump(): void {
    if (!this.#open) return;
    const wait = this.#sentAt + SPACING_MS - this.#timers.now();
    if (wait > 0) return this.pumpAfter(wait);
    if (this.#replay) {
      this.#send(this.#replay);
      this.#replay = undefined;
      return this.pumpAfter(SPACING_MS);
    }
    if (this.#pending) return;
    for (const channel of this.#live) {
      if (!this.#subscribed.has(channel) && !this.#registry.has(channel)) this.#live.delete(channel);
    }
    this.#pending = this.#nextRequest();
    if (SELECTIVE && this.#pending?.type === "subscribe")
      Object.assign(this.#pending, ask(this.#registry, this.#pending.channels));
    if (this.#pending) this.#send(this.#pending);
  }

  #send(message: ClientMessage): void {
    this.#sentAt = this.#timers.now();
    this.#effects.send(message);
  }

  /** The gateway has acknowledged the pending request. */
  answered({ subscribed, recovered }: SubscriptionAck): void {
    const request = this.#pending;
    this.#pending = undefined;
    this.#subscribed = new Set(subscribed);
    const begun = this.#wanted(subscribed).filter((channel) => !this.#live.has(channel));
    for (const channel of begun) this.#live.add(channel);
    if (recovered !== undefined && this.#refill) this.#effects.answered(recovered);
    this.#finishRefill();
    if (request?.type === "auth") this.#refused.clear(); // The fresh token may allow more.
    if (begun.length > 0) this.#emitter.emit("subscribed", { channels: begun });
    this.pump();
  }

  /** The gateway has refused the pending request. */
  refused({ code, message }: ErrorMessage): void {
    const { channels = [], since } = (this.#pending ?? {}) as Partial<Subscribe>;
    this.#pending = undefined;
    const middle = channels.length >> 1;
    if (middle > 0) {
      // At least one of the channels is refused. Both halves are tried separately, until a single channel
      // remains.
      const parts = (since && this.#refill?.parts) ?? this.#parts;
      parts.unshift(channels.slice(0, middle), channels.slice(middle));
    } else {
      for (const channel of channels) {
        this.#refused.add(channel);
        this.#live.delete(channel);
      }
      this.#finishRefill();
      this.#emitter.emit("error", { code, message, channels });
    }
    this.pump();
  }

  /** Ends the refill if no part is left to request. */
  #finishRefill(): void {
    const refill = this.#refill;
    if (refill?.parts.length !== 0) return;
    this.#refill = undefined;
    this.#effects.refilled(refill.round);
  }

  /** Takes the most urgent request: refill, fresh token, unsubscribe, subscribe. */
  #nextRequest(): Request | undefined {
    const refill = this.#refill;
    if (refill) {
      const channels = this.#takePart(refill.parts);
      if (channels) return { type: "subscribe", channels, since: refill.since };
      this.#finishRefill();
    }
    const token = this.#token;
    if (token) {
      this.#token = undefined;
      return { type: "auth", token };
    }
    const subscribed = [...this.#subscribed];
    const [removed] = splitIntoMessages(subscribed.filter((channel) => !this.#registry.has(channel)));
    if (removed) {
      for (const channel of removed) this.#live.delete(channel);
      return { type: "unsubscribe", channels: removed };
    }
    const missing = [...this.#registry.channels].filter(
      (channel) => !this.#subscribed.has(channel) && !this.#refused.has(channel),
    );
    // Channels beyond the limit wait. They are reported once, until no channel is beyond the limit.
    const excess = missing.splice(this.#maxChannels - subscribed.length);
    const some = excess.length > 0;
    const message = `more than ${this.#maxChannels} channels: others wait`;
    if (some && !this.#excessReported)
      this.#emitter.emit("error", { code: "too_many_channels", message, channels: excess });
    this.#excessReported = some;
    if (SELECTIVE) missing.push(...outdated(this.#registry, this.#wanted(subscribed)));
    const [added] = SELECTIVE
      ? groups(this.#registry, missing).flatMap(splitIntoMessages)
      : splitIntoMessages(missing);
    const channels = this.#takePart(this.#parts) ?? added;
    return channels && { type: "subscribe", channels };
  }

  #wanted(channels: readonly string[]): string[] {
    return channels.filter((channel) => this.#registry.has(channel));
  }

  /**
   * Removes parts up to the first part with a channel that still has a listener, and returns its channels
   * that have one.
   */
  #takePart(parts: string[][]): string[] | undefined {
    while (parts.length > 0) {
      const channels = this.#wanted(parts.shift() as string[]);
      if (channels.length > 0) return channels;
    }
    return undefined;
  }
}

/** Splits a list of channels into lists that fit into one message each. */
function splitIntoMessages(channels: readonly string[]): string[][] {
  const parts: string[][] = [];
  let room = 0;
  for (const channel of channels) {
    // At least the name's bytes in UTF-8 (exactly these for ASCII), and 3 bytes for quotes and comma.
    const bytes = encodeURIComponent(channel).length + 3;
    room -= bytes;
    if (room < 0) {
      parts.push([]);
      room = MAX_BYTES - bytes;
    }
    parts.at(-1)?.push(channel);
  }
  return parts;
}
