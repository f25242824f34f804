/** For tests: a stream, the gateway's world of `World`, and clients that watch the stream side by side. */

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { ManualTurns, ManualWrites } from "./manual-time.fixture.ts";
import type { ThrottleSettings } from "./throttle.ts";
import { type Encoding, type Published, type Watched, Watcher } from "./watcher.fixture.ts";
import { World } from "./world.fixture.ts";

export interface StageOptions {
  turns: ManualTurns;
  /** Undefined: each frame is a write of its own. */
  writes: ManualWrites | undefined;
  replayBuffer: number;
  sendBufferBytes: number;
  encodings: readonly Encoding[];
  throttle: Partial<ThrottleSettings>;
}

/** Seconds in which every client comes back to level 0, and every channel with a rate delivers. */
const CALM_SECONDS = 130;
/** Requests until a client has what is missing. */
const MAX_ROUNDS = 300;

export class Stage implements Watched {
  readonly world: World;
  readonly watchers: readonly Watcher[];
  /** The gateway has shed load. */
  sheds = false;
  readonly #options: StageOptions;
  #epochs = 0;
  /** By epoch. */
  readonly #records = new Map<string, Published[]>();

  constructor(t: TestContext, options: StageOptions) {
    const { turns, writes, replayBuffer, sendBufferBytes } = options;
    this.#options = options;
    this.world = new World(t, {
      limits: { replayBuffer, sendBufferBytes },
      turns: turns.turns,
      compact: ["trade", "metadata"],
      ...(writes !== undefined && { writes }),
    });
    this.#records.set(this.epoch, []);
    this.watchers = options.encodings.map((encoding) => new Watcher(this, encoding, options.throttle));
  }

  get epoch(): string {
    return `e${"+".repeat(this.#epochs)}`;
  }

  /** Messages of this epoch. */
  get messages(): Published[] {
    return this.#records.get(this.epoch) as Published[];
  }

  message(epoch: string, offset: number): Published {
    return this.#records.get(epoch)?.[offset - 1] ?? assert.fail(`${offset} of ${epoch} was not published`);
  }

  publish(channel: string, options: { size: number; priority: string | undefined; shed: boolean }): void {
    const { world } = this;
    const message = world.make(channel, { ...options, mark: `${this.epoch}${world.offset} ` });
    const { data, ts, priority } = JSON.parse(`{${message.shared}`);
    this.messages.push({ offset: message.offset, channel, data, ts, priority });
    for (const watcher of this.watchers) watcher.published(message.offset, channel);
    if (options.shed) this.sheds = true;
    if (options.shed) world.drop(message);
    else world.deliver(message);
  }

  replaceStream(): void {
    this.#epochs++;
    this.#records.set(this.epoch, []);
    this.world.replaceStream(
      this.epoch,
      this.watchers.map(({ client }) => client.connection),
    );
    for (const watcher of this.watchers) watcher.replaced();
  }

  /** Lets milliseconds pass, with the gateway's work in each second. */
  pass(ms: number): void {
    this.#options.writes?.pass(ms);
    for (let left = ms; left > 0; left -= 1000) {
      for (const { client } of this.watchers) client.connection.markAlive();
      if (left >= 1000) this.world.pass(1);
      else this.world.passMs(left);
    }
  }

  /** The clients take note of what the gateway has done. A client whose connection was closed comes back. */
  look(): void {
    for (const watcher of this.watchers) {
      watcher.noticeSubscriptions();
      watcher.receive();
      if (watcher.closed) watcher.reconnect(false);
    }
  }

  takeTurn(): void {
    this.#options.turns.take();
  }

  settle(): void {
    do this.#options.turns.settle();
    while (this.#options.writes?.settle());
    this.look();
  }

  /** Lets the clients read everything and request what is missing; then nothing may be missing. */
  finish(): void {
    this.#calm();
    for (let second = 0; second < CALM_SECONDS; second += 10) {
      this.pass(10_000);
      this.#calm();
    }
    for (const watcher of this.watchers) watcher.heartbeat();
    this.#calm();
    for (const watcher of this.watchers) {
      assert.equal(watcher.client.connection.level, 0);
      watcher.checkNewest();
      watcher.requestLeftOut();
    }
    this.#calm();
    for (const watcher of this.watchers) watcher.checkAll();
  }

  #calm(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      for (const { client } of this.watchers) client.socket.read();
      this.settle();
      const requests = this.watchers.map((watcher) => watcher.request());
      if (!requests.includes(true)) return;
    }
    assert.fail("a client requests the same again and again");
  }
}
