/**
 * What the client asks of a gateway: it brings the channels that the gateway has in line with those that have listeners, one request at a
 * time, so that each answer has its question, and within the gateway's limits.
 */

import type { ClientMessage, ErrorMessage, Position, SubscriptionAck } from "@odin-ws/protocol";
import type { Emitter } from "./emitter.ts";
import type { Registry } from "./registry.ts";
import type { Timers } from "./timers.ts";

/** Bytes of the names in one message: 4 KiB are allowed, the rest of it takes less than 200. */
const MAX_NAME_BYTES = 3_800;
const MAX_CHANNELS = 256;
/** The longest token that fits into one message; for a longer one the connection is made anew, where it goes into the address. */
const MAX_TOKEN = 4_000;
/** Between two messages: the gateway takes 20 a second, and heartbeats come on top. */
const SPACING = 60; // ms

interface CatchUp {
  round: number;
  since: Position;
  parts: string[][];
  whole: boolean;
}
type Request = Extract<ClientMessage, { type: "subscribe" | "unsubscribe" | "auth" }>;
type Replay = Extract<ClientMessage, { type: "replay" }>;

export class Requests {
  readonly #registry: Registry;
  readonly #emitter: Emitter;
  readonly #timers: Timers;
  readonly #toGateway: (message: ClientMessage) => void;
  readonly #refilled: (round: number, whole: boolean) => void;
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
  #replay: Replay | undefined;
  #sentAt = -Infinity;

  /** `refilled`: all that was asked for `since` something is acknowledged; `whole`: the gateway had all of it. */
  constructor(
    registry: Registry,
    emitter: Emitter,
    timers: Timers,
    send: (message: ClientMessage) => void,
    refilled: (round: number, whole: boolean) => void,
  ) {
    this.#registry = registry;
    this.#emitter = emitter;
    this.#timers = timers;
    this.#toGateway = send;
    this.#refilled = refilled;
  }

  /** Channels that were live and still have a listener. */
  get live(): string[] {
    return this.#wanted([...this.#live]);
  }

  /** A connection is open. `since`: where the live channels go on. */
  open(since: Position | undefined): void {
    this.close();
    this.#open = true;
    this.#refused.clear(); // The token may be another one.
    if (since) this.refill(since, 0);
    else this.#live.clear();
    this.pump();
  }

  close(): void {
    this.#open = false;
    this.#there = new Set();
    this.#parts = [];
    this.#flight = this.#catchUp = this.#token = this.#replay = undefined;
  }

  /** Asks for what the live channels carried after a position. Replaces an earlier such question. */
  refill(since: Position, round: number): void {
    this.#catchUp = { round, since, parts: parted(this.live), whole: true };
    this.pump();
  }

  renew(token: string): void {
    if (token.length > MAX_TOKEN) return;
    this.#token = token;
    this.pump();
  }

  /** Asks for envelopes again. Waits for no answer; replaces what has not been asked for yet. */
  replay(range: Replay): void {
    this.#replay = range;
    this.pump();
  }

  /** True when nothing was sent, or is to be sent, since this time. */
  idle(since: number): boolean {
    return this.#sentAt < since && !this.#replay;
  }

  /** True while an answer is awaited that cannot take long; for a token, a gateway may have to fetch keys. */
  get waits(): boolean {
    return this.#flight !== undefined && this.#flight.type !== "auth";
  }

  /** `pump` in so many milliseconds. */
  pumpAfter(ms: number): void {
    this.#timers.set("pump", ms, () => this.pump());
  }

  /** Sends what is to be sent next, if there is something and it may be sent. */
  pump(): void {
    if (!this.#open) return;
    const wait = this.#sentAt + SPACING - this.#timers.now();
    if (wait > 0) return this.pumpAfter(wait);
    if (this.#replay) {
      this.#send(this.#replay);
      this.#replay = undefined;
      return this.pumpAfter(SPACING);
    }
    if (this.#flight) return;
    for (const channel of this.#live) {
      if (!this.#there.has(channel) && !this.#registry.has(channel)) this.#live.delete(channel);
    }
    this.#flight = this.#next();
    if (this.#flight) this.#send(this.#flight);
  }

  #send(message: ClientMessage): void {
    this.#sentAt = this.#timers.now();
    this.#toGateway(message);
  }

  answered({ subscribed, recovered }: SubscriptionAck): void {
    const request = this.#flight;
    this.#flight = undefined;
    this.#there = new Set(subscribed);
    if (recovered === false && this.#catchUp) this.#catchUp.whole = false;
    const begun = this.#wanted(subscribed).filter((channel) => !this.#live.has(channel));
    for (const channel of begun) this.#live.add(channel);
    this.#afterPart();
    if (request?.type === "auth") this.#refused.clear(); // The fresh one may allow more.
    if (begun.length > 0) this.#emitter.emit("subscribed", { channels: begun });
    this.pump();
  }

  refused({ code, message }: ErrorMessage): void {
    const request = this.#flight;
    this.#flight = undefined;
    const subscribe = request?.type === "subscribe";
    const channels = subscribe ? request.channels : [];
    const middle = channels.length >> 1;
    if (middle > 0) {
      // One of them is to blame: halves find it.
      const parts = (subscribe && request.since && this.#catchUp?.parts) || this.#parts;
      parts.unshift(channels.slice(0, middle), channels.slice(middle));
    } else {
      for (const channel of channels) {
        this.#refused.add(channel);
        this.#live.delete(channel);
      }
      this.#afterPart();
      this.#emitter.emit("error", { code, message, channels });
    }
    this.pump();
  }

  #afterPart(): void {
    const done = this.#catchUp;
    if (done?.parts.length !== 0) return;
    this.#catchUp = undefined;
    this.#refilled(done.round, done.whole);
  }

  /** Takes the most urgent request. */
  #next(): Request | undefined {
    const catchUp = this.#catchUp;
    if (catchUp) {
      const channels = this.#first(catchUp.parts);
      if (channels) return { type: "subscribe", channels, since: catchUp.since };
      this.#afterPart();
    }
    const token = this.#token;
    if (token) {
      this.#token = undefined;
      return { type: "auth", token };
    }
    const there = [...this.#there];
    const [removed] = parted(there.filter((channel) => !this.#registry.has(channel)));
    if (removed) {
      for (const channel of removed) this.#live.delete(channel);
      return { type: "unsubscribe", channels: removed };
    }
    const missing = [...this.#registry.channels].filter(
      (channel) => !this.#there.has(channel) && !this.#refused.has(channel),
    );
    const room = MAX_CHANNELS - there.length;
    this.#tell(missing.slice(room));
    const [added] = parted(missing.slice(0, room));
    const channels = this.#first(this.#parts) ?? added;
    return channels && { type: "subscribe", channels };
  }

  #wanted(channels: readonly string[]): string[] {
    return channels.filter((channel) => this.#registry.has(channel));
  }

  /** Takes the first part of which something is still wanted; those before it are let go. */
  #first(parts: string[][]): string[] | undefined {
    for (let part = parts.shift(); part; part = parts.shift()) {
      const channels = this.#wanted(part);
      if (channels.length > 0) return channels;
    }
    return undefined;
  }

  #tell(excess: readonly string[]): void {
    const some = excess.length > 0;
    const message = `more than ${MAX_CHANNELS} channels: these wait`;
    if (some && !this.#toldExcess)
      this.#emitter.emit("error", { code: "too_many_channels", message, channels: excess });
    this.#toldExcess = some;
  }
}

/** Cuts a list of channels into lists that fit into one message each. */
function parted(channels: readonly string[]): string[][] {
  const parts: string[][] = [];
  let room = 0;
  for (const channel of channels) {
    // No less than its bytes in UTF-8, and as many for ASCII; quotes and comma come on top.
    const bytes = encodeURIComponent(channel).length + 3;
    room -= bytes;
    if (room < 0) {
      parts.push([]);
      room = MAX_NAME_BYTES - bytes;
    }
    parts.at(-1)?.push(channel);
  }
  return parts;
}
