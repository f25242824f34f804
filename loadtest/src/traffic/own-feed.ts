/**
 * The load test's own publisher: publishes to NATS at an even rate; every message carries a number, its due
 * time and a hash.
 */

import { subjectOf } from "@odin-ws/protocol";
import { connectPublisher, type Publisher } from "@odin-ws/publisher";
import { Market } from "@odin-ws/publisher/market";
import { wallMicros } from "./clock.ts";
import type { Feed, OnStored } from "./feed.ts";
import { seal } from "./payload.ts";
import { BULK_CHANNEL, type Plan } from "./plan.ts";

const TICK_MS = 5;
const BULK_BYTES = 65_536; // 64 KiB
/**
 * Limit for the bulk messages to all slow clients together: enough to fill their buffers without overloading
 * the machine.
 */
const BULK_BYTES_PER_SECOND = 52_428_800; // 50 MiB
const MAX_BULK_RATE = 10; // messages a second
const CONNECT_TIMEOUT_MS = 5_000; // 5 s
const CLOSE_TIMEOUT_MS = 10_000; // 10 s

/** Due times at an even rate, without drift. */
class Schedule {
  readonly #begin: number;
  readonly #rate: number;
  #index = 1;

  constructor(rate: number, begin: number) {
    this.#rate = rate;
    this.#begin = begin;
  }

  /** Returns the due time of the next message, µs, and advances; undefined when none is due by `now`. */
  next(now: number): number | undefined {
    const at = this.#begin + (this.#index * 1e6) / this.#rate;
    if (this.#rate === 0 || at > now) return undefined;
    this.#index++;
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
  #lastError = "";

  constructor(url: string, plan: Plan, slow: number, onStored: OnStored) {
    this.description =
      "The load test's own publisher, into NATS. Every message carries a number, its due time and a hash";
    this.#plan = plan;
    this.#onStored = onStored;
    this.#bulkRate = slow === 0 ? 0 : Math.min(MAX_BULK_RATE, BULK_BYTES_PER_SECOND / BULK_BYTES / slow);
    this.#publisher = connectPublisher({
      servers: url,
      name: "odin-loadtest",
      createStream: true,
      onStatus: ({ kind, message }) => {
        if (kind !== "connected") this.#lastError = message;
      },
    });
  }

  async ready(): Promise<void> {
    const deadline = performance.now() + CONNECT_TIMEOUT_MS;
    while (!this.#publisher.stats().connected) {
      if (performance.now() > deadline)
        throw new Error(
          `cannot publish to NATS (--nats, LOADTEST_NATS_URL): ${this.#lastError || "no answer"}`,
        );
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
  }

  async prime(): Promise<void> {
    const now = wallMicros();
    await Promise.all(this.#plan.channels.map((channel) => this.#publish(channel, now, this.#trade())));
  }

  async setRate(perSecond: number): Promise<void> {
    this.#tick();
    const now = wallMicros();
    this.#messages = new Schedule(perSecond, now);
    this.#bulk = new Schedule(perSecond === 0 ? 0 : this.#bulkRate, now);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    const now = wallMicros();
    const { channels } = this.#plan;
    for (let due = this.#messages.next(now); due !== undefined; due = this.#messages.next(now)) {
      void this.#publish(channels[this.#count % channels.length] as string, due, this.#trade());
    }
    for (let due = this.#bulk.next(now); due !== undefined; due = this.#bulk.next(now)) {
      void this.#publish(BULK_CHANNEL, due, { fill: "x".repeat(BULK_BYTES) });
    }
  }

  /** Returns a trade of the simulated market: about 320 bytes of JSON, each one different. */
  #trade(): object {
    for (;;) {
      const { event, data } = this.#market.next(Date.now());
      if (event === "trade") return data;
    }
  }

  /** Resolves when the message is stored or has failed. */
  #publish(channel: string, due: number, data: object): Promise<void> {
    const n = ++this.#count;
    const body = seal({ n, due: Math.round(due) }, data);
    return this.#publisher.publish({ id: `${this.#run}-${n}`, subject: subjectOf(channel), data: body }).then(
      ({ offset }) => this.#onStored(offset, channel),
      (error: Error) => {
        this.failures.count++;
        this.failures.first ||= error.message;
      },
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    // Publishes everything that is due by now, even if this process is late.
    if (this.#timer !== undefined) this.#tick();
    this.#timer = undefined;
    // #publish() has counted the messages that are not stored by then, with the first reason.
    await this.#publisher.close({ timeoutMs: CLOSE_TIMEOUT_MS }).catch(() => {});
  }
}
