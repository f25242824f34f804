/** Publishes numbered messages on all channels, and counts them. */

import type { NatsConnection } from "@nats-io/transport-node";
import { subjectOfChannel } from "./subject.ts";

const TICK_MS = 10;
/** A trade has about this many bytes. */
const BODY_BYTES = 320;

export class Feeder {
  /** Messages on each channel so far. */
  readonly published: number[];
  readonly #connection: NatsConnection;
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(connection: NatsConnection, channels: number) {
    this.#connection = connection;
    this.published = Array.from({ length: channels }, () => 0);
  }

  /** @param rate messages a second on each channel */
  start(rate: number): void {
    const start = performance.now();
    const perMs = (rate * this.published.length) / 1000;
    this.#timer = setInterval(() => {
      const due = Math.floor((performance.now() - start) * perMs);
      while (this.#count < due) this.#publish(this.#count++ % this.published.length);
    }, TICK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#connection.flush();
  }

  #publish(channel: number): void {
    const n = (this.published[channel] ?? 0) + 1;
    this.published[channel] = n;
    const body = JSON.stringify({ n, text: "x".repeat(BODY_BYTES) });
    this.#connection.publish(subjectOfChannel(channel), body);
  }
}
