/** Publishes without pause while gateways and clients come and go. */

import { strict as assert } from "node:assert";
import { type Envelope, subjectOf } from "@odin-ws/protocol";
import type { Nats } from "./nats.ts";
import type { Owner } from "./owner.ts";

export interface Published {
  channel: string;
  offset: number;
}

const TICK_MS = 10; // ms

export class Feed {
  readonly #nats: Nats;
  readonly #channels: readonly string[];
  readonly #pending: Promise<Published>[] = [];
  readonly #timer: NodeJS.Timeout;
  #count = 0;

  constructor(nats: Nats, channels: readonly string[], perTick: number) {
    this.#nats = nats;
    this.#channels = channels;
    this.#timer = setInterval(() => {
      for (let n = 0; n < perTick; n++) this.#publish();
    }, TICK_MS);
  }

  get count(): number {
    return this.#count;
  }

  #publish(): void {
    const channel = this.#channels[this.#count % this.#channels.length];
    if (channel === undefined) return;
    const stored = this.#nats.publish(subjectOf(channel), { n: this.#count++ });
    const published = stored.then((offset) => ({ channel, offset }));
    // stop() reports a failure. Until then, an unhandled rejection must not end the test's process.
    published.catch(() => {});
    this.#pending.push(published);
  }

  /** Stops publishing and returns the stored messages in the order of the stream. */
  async stop(): Promise<Published[]> {
    clearInterval(this.#timer);
    const published = await Promise.all(this.#pending);
    return published.sort((a, b) => a.offset - b.offset);
  }
}

/** Publishes `perTick` messages every 10 ms, on these channels in turn, until the feed or its owner ends. */
export function startFeed(owner: Owner, nats: Nats, channels: readonly string[], perTick = 2): Feed {
  const feed = new Feed(nats, channels, perTick);
  owner.after(async () => {
    await feed.stop().catch(() => {});
  });
  return feed;
}

/**
 * Asserts that `got` is complete: from the first offset in `got` on, each message of the published channels
 * is there exactly once and in order.
 */
export function assertComplete(got: readonly Envelope[], published: readonly Published[]): void {
  const first = Math.min(...got.map(({ offset }) => offset));
  const channels = new Set(published.map(({ channel }) => channel));
  for (const channel of channels) {
    const wanted = published.filter((one) => one.channel === channel && one.offset >= first);
    const received = got.filter((one) => one.channel === channel);
    assert.deepEqual(
      received.map(({ offset }) => offset),
      wanted.map(({ offset }) => offset),
      `${channel}: the received offsets are not the published offsets`,
    );
  }
}
