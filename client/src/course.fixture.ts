/** For tests: a small model of a gateway behind a network that delays and cuts. */

import assert from "node:assert/strict";
import type { Envelope, Position, ServerMessage, ThrottleLevel } from "@odin-ws/protocol";
import { Course } from "./course.ts";

const RING = 3;
const CHANNELS = ["A.trade", "B.trade"];

export interface Item {
  offset: number;
  channel: string;
}
type Up =
  | { type: "subscribe"; since: Position | undefined; round: number }
  | { type: "replay"; from: number; to: number }
  | { type: "heartbeat"; round: number | undefined };

/** One client with its course, the network, and gateways that all have the same stream. */
export class World {
  epoch = 1;
  stream: Item[] = [];
  floor = 0;
  delivered: { item: Item; late: boolean; epoch: number }[] = [];
  /** Heads of the stream at the moments of `refetch`. */
  refetched: { epoch: number; head: number }[] = [];
  /** Heads of the stream at the moments when the gateway answered that messages are lost. */
  lost: { epoch: number; head: number }[] = [];
  /** Messages that were delivered although an earlier message was lost and not reported yet. */
  tooEarly: Item[] = [];
  /** Messages that were published while the client was live. */
  owed: { epoch: number; item: Item }[] = [];
  restarts = 0;

  course: Course;
  #seq = 0;
  #ring = new Map<number, Item>();
  #missed = new Set<number>();
  /** The gateway owes this connection everything after this offset; undefined before the first subscribe. */
  #from: number | undefined;
  #level: ThrottleLevel = 0;
  #left: number[] = [];
  #up: Up[] = [];
  #down: { message: ServerMessage; round?: number | undefined }[] = [];
  #live = false;
  /** Epoch of the stream that the course knows. */
  #begun = 0;

  constructor(maxHeld?: number) {
    this.course = new Course(
      {
        deliver: ({ offset, channel }, late) => {
          const item = { offset, channel };
          this.delivered.push({ item, late, epoch: this.#begun });
          const reported = (head: number) =>
            this.refetched.some(
              (one) => one.epoch > this.#begun || (one.epoch === this.#begun && one.head >= head),
            );
          const unreported = this.lost.some(
            ({ epoch, head }) => epoch === this.#begun && head < offset && !reported(head),
          );
          if (unreported) this.tooEarly.push(item);
        },
        begin: () => {
          this.#begun = this.epoch;
        },
      },
      {
        replay: ({ from_seq: from, to_seq: to }) => this.#up.push({ type: "replay", from, to }),
        refill: (since, round) => this.#up.push({ type: "subscribe", since, round }),
      },
      {
        refetch: () => this.refetched.push({ epoch: this.epoch, head: this.head }),
        restart: () => this.restarts++,
      },
      maxHeld,
    );
    this.connect();
  }

  get head(): number {
    return this.stream.at(-1)?.offset ?? 0;
  }

  connect(): void {
    this.#seq = 0;
    this.#ring.clear();
    this.#missed.clear();
    this.#from = undefined;
    this.#level = 0;
    this.#left = [];
    this.#up = [];
    this.#down = [];
    const since = this.course.welcome({ epoch: `${this.epoch}`, offset: this.head }, this.#live);
    this.#up.push({ type: "subscribe", since, round: 0 });
  }

  publish(channel: number, fate: "sent" | "unsent" | "left"): void {
    const item = { offset: this.head + 1 + (channel % 2), channel: CHANNELS[channel] ?? "other.trade" };
    this.stream.push(item);
    if (!CHANNELS.includes(item.channel)) return;
    if (this.#live) this.owed.push({ epoch: this.epoch, item });
    if (this.#from === undefined) return;
    if (fate === "left" && this.#level > 0) {
      this.#left.push(item.offset);
      this.#missed.add(item.offset);
    } else {
      const seq = this.#number(item);
      if (fate === "unsent") this.#missed.add(item.offset);
      else this.#send(item, seq);
    }
  }

  level(level: ThrottleLevel): void {
    const since = { epoch: `${this.epoch}`, offset: (this.#left[0] ?? this.head + 1) - 1 };
    this.#level = level;
    const message = "";
    const dropped = this.#left.length;
    this.#down.push({
      message: { type: "throttle_update", level, rate_percent: 100, dropped, since, message },
    });
    if (level === 0) this.#left = [];
  }

  /** The history forgets everything. */
  forget(): void {
    this.floor = this.head;
    this.#missed.clear();
  }

  replace(): void {
    this.epoch++;
    this.stream = [];
    this.floor = 0;
    this.#ring.clear();
    this.#missed.clear();
    this.#left = [];
    this.#from = this.#from === undefined ? undefined : 0;
    this.level(this.#level);
    // The course compares epochs by name, the model by number: no message of the old stream may arrive later.
    this.flow(Number.POSITIVE_INFINITY);
  }

  /** The stream is replaced, and the client meets the new one at its next connection. */
  replaceAndConnect(): void {
    this.epoch++;
    this.stream = [];
    this.floor = 0;
    this.connect();
  }

  heartbeat(): void {
    this.#up.push({ type: "heartbeat", round: undefined });
  }

  /** The gateway reads and answers this many requests. */
  serve(count: number): void {
    for (let n = 0; n < count && this.#up.length > 0; n++) this.#answer(this.#up.shift() as Up);
  }

  /** This many messages of the gateway arrive. */
  flow(count: number): void {
    for (let n = 0; n < count; n++) {
      const next = this.#down.shift();
      if (next === undefined) break;
      const { message, round } = next;
      if ("channel" in message) this.course.envelope(message);
      else if (message.type === "replay_end") this.course.replayEnd(message);
      else if (message.type === "heartbeat_ack") this.course.heartbeat(message, round);
      else if (message.type === "throttle_update") this.course.throttled(message);
      else if (message.type === "subscription_ack") {
        this.#live = true;
        if (message.recovered === undefined) continue;
        this.course.answered(message.recovered);
        this.#up.push({ type: "heartbeat", round });
      }
    }
  }

  /** Everything that is on its way arrives. Heartbeats show the client which messages are missing. */
  settle(): void {
    for (let round = 0; round < 30; round++) {
      if (round % 5 === 0) this.heartbeat();
      this.serve(100);
      this.flow(1000);
    }
    this.course.replayAgain();
    assert.deepEqual(this.#up, [], "the course still waits for a replay");
  }

  #number(item: Item): number {
    this.#ring.set(++this.#seq, item);
    this.#ring.delete(this.#seq - RING);
    return this.#seq;
  }

  #send({ offset, channel }: Item, seq: number): void {
    const message: Envelope = { seq, offset, ts: 0, type: "t", priority: "high", channel, data: null };
    this.#down.push({ message });
  }

  #answer(up: Up): void {
    if (up.type === "replay") {
      const { from, to } = up;
      let sent = 0;
      for (let seq = from; seq <= to; seq++) {
        const item = this.#ring.get(seq);
        if (item === undefined) continue;
        this.#missed.delete(item.offset);
        this.#send(item, seq);
        sent++;
      }
      const missing = to - from + 1 - sent;
      this.#down.push({ message: { type: "replay_end", from_seq: from, to_seq: to, sent, missing } });
    } else if (up.type === "heartbeat") {
      const offset = this.#missed.size > 0 ? Math.min(...this.#missed) - 1 : this.head;
      const message = { type: "heartbeat_ack", ts: 0, seq: this.#seq, offset } as const;
      this.#down.push({ message, round: up.round });
    } else this.#subscribe(up.since, up.round);
  }

  #subscribe(since: Position | undefined, round: number): void {
    const answer = { type: "subscription_ack", subscribed: CHANNELS, count: 2 } as const;
    const earlier = this.#from;
    if (since === undefined) {
      this.#from = this.head;
      this.#down.push({ message: answer, round });
      return;
    }
    const recovered = since.epoch === `${this.epoch}` && since.offset >= this.floor;
    const lost = since.epoch === `${this.epoch}` && !recovered;
    if (lost) this.lost.push({ epoch: this.epoch, head: this.head });
    this.#from = Math.min(earlier ?? this.head, recovered ? since.offset : this.head);
    const found = this.stream.filter(
      ({ offset, channel }) =>
        recovered &&
        offset > since.offset &&
        CHANNELS.includes(channel) &&
        (offset <= (earlier ?? this.head) || this.#missed.has(offset)),
    );
    this.#down.push({ message: { ...answer, recovered, replayed: found.length }, round });
    for (const item of found) {
      const numbered = [...this.#ring].find(([, other]) => other === item);
      const own = this.#missed.delete(item.offset) ? numbered?.[0] : undefined;
      this.#send(item, own ?? this.#number(item));
    }
  }
}
