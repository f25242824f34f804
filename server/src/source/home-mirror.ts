/**
 * A stream of the home region, mirrored in another region.
 *
 * A mirror has the messages of its origin under their sequences, and only continues from its last sequence.
 * NATS does not notice that the origin was created again or went back: the mirror would keep messages that
 * no longer exist, and wait until the origin has passed its last sequence. So the gateways of the region
 * create the mirror, note in its metadata for which origin it was made, and create it again when the home
 * region has another one.
 */

import type { JetStreamManager, StreamConfig, StreamInfo } from "@nats-io/jetstream";
import type { Log } from "../log.ts";
import type { HomeRegion } from "./home-region.ts";
import { epochMetadata, namedEpoch } from "./stream-epoch.ts";
import { isStreamNameInUse, isStreamNotFound } from "./stream-setup.ts";

export interface HomeMirrorOptions {
  /** Configuration of the mirror when it is created. */
  config: Partial<StreamConfig> & { name: string };
  home: HomeRegion;
  log: Pick<Log, "info">;
  /** Epoch of an origin. A mirror with another epoch is created again. */
  epochOf: (origin: StreamInfo) => string;
}

export interface FoundMirror {
  /** The mirror, with the creation time of its origin. */
  info: StreamInfo;
  /** The stream of the home region; undefined while home does not answer. */
  origin: StreamInfo | undefined;
}

/**
 * After a cut, NATS may wait for 2 min before it asks for the missing messages. A new mirror asks at once.
 */
const STUCK_MS = 20_000; // 20 s
/** Metadata that NATS itself adds to a stream. */
const OF_NATS = "_nats.";

export class HomeMirror {
  readonly #options: HomeMirrorOptions;
  /** Last sequence of the mirror when it had less than its origin, and since when this has not changed. */
  #behind: { seq: number; since: number } | undefined;

  constructor(options: HomeMirrorOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.config.name;
  }

  /**
   * Returns the mirror; undefined when it has just been created and must be looked for again.
   *
   * @param replace why the mirror must be created again, when the caller knows a reason
   */
  async find(manager: JetStreamManager, replace?: string): Promise<FoundMirror | undefined> {
    const { home, config } = this.#options;
    const mirror = await this.#look(manager);
    const origin = await home.stream(this.name);
    if (mirror === undefined) {
      if (origin === undefined) throw this.#without();
      await this.#create(manager, config, origin);
      return undefined;
    }
    const problem = replace ?? this.problem(mirror, origin);
    if (problem !== undefined && origin !== undefined) {
      await this.#replace(manager, mirror, origin, problem);
      return undefined;
    }
    const info = this.asOrigin(mirror);
    if (info === undefined) throw this.#without();
    return { info, origin };
  }

  /**
   * Returns why the mirror does not fit its origin; otherwise undefined. The origin must have been asked
   * after the mirror; undefined: it did not answer.
   *
   * @throws Error when the stream is not a mirror of this origin
   */
  problem(mirror: StreamInfo, origin: StreamInfo | undefined): string | undefined {
    const { home, epochOf, config } = this.#options;
    const { name, external } = mirror.config.mirror ?? {};
    if (name !== this.name || external?.api !== config.mirror?.external?.api) {
      throw new Error(
        `${this.name} exists in this region, and is not a mirror of the stream in JetStream domain ${home.domain}: ` +
          "delete it, and the gateway creates the mirror",
      );
    }
    if (origin === undefined) return undefined;
    const named = namedEpoch(mirror.config);
    if (named === undefined) return "the mirror does not name its origin";
    if (named.created !== origin.created) return "the home region has created the stream again";
    if (named.epoch !== epochOf(origin)) return "the stream of the home region went back";
    const { last_seq: has } = mirror.state;
    if (has > origin.state.last_seq) return "the home region has lost messages that the mirror has";
    return this.#isStuck(has, origin.state.last_seq) ? "no message reaches the mirror" : undefined;
  }

  /** Returns the mirror with the creation time of its origin; undefined when it names no origin. */
  asOrigin(mirror: StreamInfo): StreamInfo | undefined {
    const named = namedEpoch(mirror.config);
    return named === undefined ? undefined : { ...mirror, created: named.created };
  }

  #isStuck(has: number, wanted: number): boolean {
    const now = performance.now();
    if (has >= wanted) this.#behind = undefined;
    else if (this.#behind?.seq !== has) this.#behind = { seq: has, since: now };
    return this.#behind !== undefined && now - this.#behind.since > STUCK_MS;
  }

  async #look(manager: JetStreamManager): Promise<StreamInfo | undefined> {
    try {
      return await manager.streams.info(this.name);
    } catch (error) {
      if (isStreamNotFound(error)) return undefined;
      throw error;
    }
  }

  async #replace(
    manager: JetStreamManager,
    { created }: StreamInfo,
    origin: StreamInfo,
    reason: string,
  ): Promise<void> {
    const mirror = await this.#look(manager);
    this.#behind = undefined;
    if (mirror === undefined || mirror.created !== created) return; // another gateway was faster
    await manager.streams.delete(this.name);
    this.#options.log.info({ stream: this.name, reason }, "the mirror is created again");
    // Limits that an operator has set by hand stay.
    await this.#create(manager, mirror.config, origin);
  }

  async #create(
    manager: JetStreamManager,
    config: Partial<StreamConfig> & { name: string },
    origin: StreamInfo,
  ): Promise<void> {
    const { epochOf, log, home } = this.#options;
    const kept = Object.entries(config.metadata ?? {}).filter(([key]) => !key.startsWith(OF_NATS));
    const metadata = { ...Object.fromEntries(kept), ...epochMetadata(epochOf(origin), origin.created) };
    try {
      await manager.streams.add({ ...config, metadata });
      log.info({ stream: this.name, home: home.domain }, "created the mirror of the home region's stream");
    } catch (error) {
      if (!isStreamNameInUse(error)) throw error; // otherwise another gateway has created it meanwhile
    }
  }

  #without(): Error {
    const { home } = this.#options;
    return new Error(
      `this region has no mirror of ${this.name} yet, and JetStream domain ${home.domain} of the home region ` +
        `does not answer or has no such stream: ${home.lastError}`,
      { cause: home.lastError },
    );
  }
}
