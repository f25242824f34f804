/** The load test's own publisher: an even rate into NATS, every message with number, moment and hash. */

import { subjectOf } from "@odin-ws/protocol";
import { connectPublisher, type Publisher } from "@odin-ws/publisher";
import { Market } from "@odin-ws/publisher/market";
import { wallMicros } from "./clock.ts";
import type { Feed, OnStored } from "./feed.ts";
import { sealed } from "./payload.ts";
import { BULK, type Plan } from "./plan.ts";

const TICK = 5; // ms
const BULK_BYTES = 65_536; // 64 KiB
/** Of all bulk messages to all slow clients together: enough to fill buffers, not the machine. */
const BULK_BYTES_PER_SECOND = 52_428_800; // 50 MiB
const MOST_BULK = 10; // messages a second
const CONNECT_TIMEOUT = 5_000; // 5 s
const CLOSE_TIMEOUT = 10_000; // 10 s

/** A schedule without drift. */
class Schedule {
  readonly #begin: number;
  readonly #rate: number;
  #next = 1;

  constructor(rate: number, begin: number) {
    this.#rate = rate;
    this.#begin = begin;
  }

  /** The moment of the next message that is due at `now`, µs. */
  due(now: number): number | undefined {
    const at = this.#begin + (this.#next * 1e6) / this.#rate;
    if (this.#rate === 0 || at > now) return undefined;
    this.#next++;
    return at;
  }
}

export class OwnFeed implements Feed {
  readonly kind = "own";
  readonly controlled = true;
  readonly description: string;
  readonly failures = { count: 0, first: "" };
  readonly #publisher: Publisher;
  readonly #plan: Plan;
  readonly #bulkRate: number;
  readonly #onStored: OnStored;
  readonly #market = new Market({ seed: Date.now() });
  readonly #run = Date.now().toString(36);
  #timer: NodeJS.Timeout | undefined;
  #messages = new Schedule(0, 0);
  #bulk = new Schedule(0, 0);
  #count = 0;
  #trouble = "";

  constructor(url: string, plan: Plan, slow: number, onStored: OnStored) {
    this.description = "Own publisher into NATS, with number, moment and hash in every message";
    this.#plan = plan;
    this.#onStored = onStored;
    this.#bulkRate = slow === 0 ? 0 : Math.min(MOST_BULK, BULK_BYTES_PER_SECOND / BULK_BYTES / slow);
    this.#publisher = connectPublisher({
      servers: url,
      name: "odin-loadtest",
      createStream: true,
      onStatus: ({ kind, message }) => {
        if (kind !== "connected") this.#trouble = message;
      },
    });
  }

  async ready(): Promise<void> {
    const deadline = performance.now() + CONNECT_TIMEOUT;
    while (!this.#publisher.stats().connected) {
      if (performance.now() > deadline)
        throw new Error(
          `NATS cannot be published to (--nats, LOADTEST_NATS_URL): ${this.#trouble || "no answer"}`,
        );
      await new Promise((resolve) => setTimeout(resolve, TICK));
    }
  }

  async setRate(perSecond: number): Promise<void> {
    this.#tick();
    const now = wallMicros();
    this.#messages = new Schedule(perSecond, now);
    this.#bulk = new Schedule(perSecond === 0 ? 0 : this.#bulkRate, now);
    this.#timer ??= setInterval(() => this.#tick(), TICK);
  }

  #tick(): void {
    const now = wallMicros();
    const { hot } = this.#plan;
    for (let due = this.#messages.due(now); due !== undefined; due = this.#messages.due(now)) {
      this.#publish(hot[this.#count % hot.length] as string, due, this.#trade());
    }
    for (let due = this.#bulk.due(now); due !== undefined; due = this.#bulk.due(now)) {
      this.#publish(BULK, due, { fill: "x".repeat(BULK_BYTES) });
    }
  }

  /** About 320 bytes of JSON, no two alike. */
  #trade(): object {
    for (;;) {
      const { event, data } = this.#market.next(Date.now());
      if (event === "trade") return data;
    }
  }

  #publish(channel: string, due: number, data: object): void {
    const n = ++this.#count;
    const body = sealed({ n, due: Math.round(due) }, data);
    this.#publisher.publish({ id: `${this.#run}-${n}`, subject: subjectOf(channel), data: body }).then(
      ({ offset }) => this.#onStored(offset, channel),
      (error: Error) => {
        this.failures.count++;
        this.failures.first ||= error.message;
      },
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    // What is due is published, however late this process comes to it.
    if (this.#timer !== undefined) this.#tick();
    this.#timer = undefined;
    // What is not stored then has been counted, with its reason, by publish().
    await this.#publisher.close({ timeoutMs: CLOSE_TIMEOUT }).catch(() => {});
  }
}
