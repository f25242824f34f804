/**
 * What the client asks of a gateway: it brings the channels that the gateway has in line with those that have listeners, one request at a
 * time, so that each answer has its question, and within the gateway's limits. Knows no socket and no clock.
 */

import type { ClientMessage, ErrorMessage, Position, SubscriptionAck } from "@odin-ws/protocol";
import type { Emitter } from "./emitter.ts";
import type { Registry } from "./registry.ts";

/** Bytes of the names in one message: 4 KiB are allowed, the rest of it takes less than 200. */
const MAX_NAME_BYTES = 3_800;
const MAX_CHANNELS = 256;
/** Between two requests: the gateway takes 20 a second, and heartbeats and replays come on top. */
const SPACING = 80; // ms

export interface Wire {
  send(message: ClientMessage): void;
  /** Calls `pump` again after so many milliseconds. */
  later(ms: number): void;
  now(): number;
  /** All that was asked for `since` something is acknowledged; `whole`: the gateway had all of it. */
  caughtUp(round: number, whole: boolean): void;
}

interface CatchUp {
  round: number;
  since: Position;
  parts: string[][];
  whole: boolean;
}
type Request = Extract<ClientMessage, { type: "subscribe" | "unsubscribe" | "auth" }>;

export class Requests {
  readonly #registry: Registry;
  readonly #emitter: Emitter;
  readonly #wire: Wire;
  /** Channels that were acknowledged once: they are resumed, the others begin. */
  #live = new Set<string>();
  readonly #refused = new Set<string>();
  /** The application was told that there are channels beyond the limit. */
  #toldExcess = false;
  #open = false;
  /** What the gateway has. */
  #there: ReadonlySet<string> = new Set();
  #flight: Request | undefined;
  #catchUp: CatchUp | undefined;
  /** Parts of a request that failed as a whole. */
  #parts: string[][] = [];
  #token: string | undefined;
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(registry: Registry, emitter: Emitter, wire: Wire) {
    this.#registry = registry;
    this.#emitter = emitter;
    this.#wire = wire;
  }

  /** Channels that were live and still have a listener. */
  get live(): string[] {
    return this.#wanted([...this.#live]);
  }

  /** A connection is open. `since`: where the live channels go on. */
  opened(since: Position | undefined): void {
    this.closed();
    this.#open = true;
    this.#refused.clear(); // The token may be another one.
    if (since === undefined) this.#live.clear();
    else this.catchUp(since, 0);
    this.pump();
  }

  closed(): void {
    this.#open = false;
    this.#there = new Set();
    this.#flight = undefined;
    this.#catchUp = undefined;
    this.#parts = [];
    this.#token = undefined;
  }

  /** Asks for what the live channels carried after a position. Replaces an earlier such question. */
  catchUp(since: Position, round: number): void {
    this.#catchUp = { round, since, parts: parted(this.live), whole: true };
    this.pump();
  }

  authenticate(token: string): void {
    this.#token = token;
    this.pump();
  }

  /** Sends the next request, if there is one and it may be sent. */
  pump(): void {
    if (!this.#open || this.#flight) return;
    this.#live = new Set(this.live);
    const request = this.#next();
    if (!request) return;
    const now = this.#wire.now();
    const wait = this.#sentAt + SPACING - now;
    if (wait > 0) return this.#wire.later(wait);
    this.#sentAt = now;
    this.#took(request);
    this.#flight = request;
    this.#wire.send(request);
  }

  acknowledged({ subscribed, recovered }: SubscriptionAck): void {
    const request = this.#flight;
    this.#flight = undefined;
    this.#there = new Set(subscribed);
    if (recovered === false && this.#catchUp) this.#catchUp.whole = false;
    const begun = this.#wanted(subscribed).filter((channel) => !this.#live.has(channel));
    for (const channel of begun) this.#live.add(channel);
    if (request?.type === "subscribe") this.#afterPart();
    if (begun.length > 0) this.#emitter.emit("subscribed", { channels: begun });
    this.pump();
  }

  refused({ code, message }: ErrorMessage): void {
    const request = this.#flight;
    this.#flight = undefined;
    if (request?.type !== "subscribe") {
      this.#emitter.emit("error", { code, message, channels: [] });
    } else if (request.channels.length > 1) {
      // One of them is to blame: halves find it.
      const middle = request.channels.length >> 1;
      const parts = (request.since && this.#catchUp?.parts) ?? this.#parts;
      parts.unshift(request.channels.slice(0, middle), request.channels.slice(middle));
    } else {
      for (const channel of request.channels) {
        this.#refused.add(channel);
        this.#live.delete(channel);
      }
      this.#afterPart();
      this.#emitter.emit("error", { code, message, channels: request.channels });
    }
    this.pump();
  }

  #afterPart(): void {
    const done = this.#catchUp;
    if (!done || done.parts.length > 0) return;
    this.#catchUp = undefined;
    this.#wire.caughtUp(done.round, done.whole);
  }

  /** The most urgent request; it stays the most urgent one until `#took`. */
  #next(): Request | undefined {
    const catchUp = this.#catchUp;
    if (catchUp) {
      const channels = this.#first(catchUp.parts);
      if (channels) return { type: "subscribe", channels, since: catchUp.since };
      this.#afterPart();
    }
    if (this.#token !== undefined) return { type: "auth", token: this.#token };
    const there = [...this.#there];
    const [removed] = parted(there.filter((channel) => !this.#registry.has(channel)));
    if (removed) return { type: "unsubscribe", channels: removed };
    const part = this.#first(this.#parts);
    if (part) return { type: "subscribe", channels: part };
    const missing = [...this.#registry.channels].filter(
      (channel) => !this.#there.has(channel) && !this.#refused.has(channel),
    );
    const room = Math.max(0, MAX_CHANNELS - there.length);
    this.#tell(missing.slice(room));
    const [added] = parted(missing.slice(0, room));
    return added && { type: "subscribe", channels: added };
  }

  #wanted(channels: readonly string[]): string[] {
    return channels.filter((channel) => this.#registry.has(channel));
  }

  /** The first part of which something is still wanted; those before it are let go. */
  #first(parts: string[][]): string[] | undefined {
    for (; parts.length > 0; parts.shift()) {
      const channels = this.#wanted(parts[0] ?? []);
      if (channels.length > 0) return channels;
    }
    return undefined;
  }

  #took(request: Request): void {
    if (request.type === "auth") this.#token = undefined;
    if (request.type !== "subscribe") return;
    if (request.since) this.#catchUp?.parts.shift();
    else this.#parts.shift();
  }

  #tell(excess: readonly string[]): void {
    const told = this.#toldExcess;
    this.#toldExcess = excess.length > 0;
    const message = `more than ${MAX_CHANNELS} channels: these wait`;
    if (this.#toldExcess && !told)
      this.#emitter.emit("error", { code: "too_many_channels", message, channels: excess });
  }
}

/** Cuts a list of channels into lists that fit into one message each. */
function parted(channels: readonly string[]): string[][] {
  const parts: string[][] = [];
  const encoder = new TextEncoder();
  let room = 0;
  for (const channel of channels) {
    const bytes = encoder.encode(channel).length + 3; // quotes and comma
    const last = parts.at(-1);
    if (last === undefined || bytes > room) {
      parts.push([channel]);
      room = MAX_NAME_BYTES - bytes;
    } else {
      last.push(channel);
      room -= bytes;
    }
  }
  return parts;
}
