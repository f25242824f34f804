/** The home region, as gateways of other regions reach it over their own NATS server. */

import { type JetStreamManager, jetstreamManager, type StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { RegionStatus } from "./source.ts";
import { isStreamNotFound } from "./stream-setup.ts";

const REQUEST_TIMEOUT_MS = 2000;
/** Without an answer for this time, the region counts as cut off from home. */
const CUT_OFF_MS = 5000;

export class HomeRegion {
  /** JetStream domain of the home region. */
  readonly domain: string;
  #manager: JetStreamManager | undefined;
  /** Times on the clock of performance.now(). */
  #answeredAt = performance.now();
  #inStepAt = performance.now();
  #lagMessages = 0;
  /** What the home region had at `at`, and this region did not have yet. */
  #mark: { at: number; seq: number } | undefined;
  /** Why the last request failed. */
  lastError: unknown;
  /** False while the last request has failed. */
  answers = true;

  constructor(domain: string) {
    this.domain = domain;
  }

  /** Uses this connection from now on. */
  async connect(connection: NatsConnection): Promise<void> {
    this.#manager = await jetstreamManager(connection, {
      domain: this.domain,
      timeout: REQUEST_TIMEOUT_MS,
      checkAPI: false,
    });
  }

  /** JetStream of the home region. */
  get manager(): JetStreamManager {
    if (this.#manager === undefined) throw new Error("not connected to NATS yet");
    return this.#manager;
  }

  /** Resolves with a stream of the home region; undefined when home does not answer or has no such stream. */
  async stream(name: string): Promise<StreamInfo | undefined> {
    try {
      const info = await this.manager.streams.info(name);
      this.#answered();
      return info;
    } catch (error) {
      this.lastError = error;
      if (isStreamNotFound(error)) this.#answered();
      else this.answers = false;
      return undefined;
    }
  }

  #answered(): void {
    this.answers = true;
    this.#answeredAt = performance.now();
  }

  /**
   * Compares the mirror of the stream with its origin.
   *
   * @param has last sequence of the mirror
   * @param wanted last sequence of the origin, asked after the mirror; undefined when it is not known
   */
  compare(has: number, wanted: number | undefined): void {
    if (this.#mark !== undefined && has >= this.#mark.seq) {
      this.#inStepAt = this.#mark.at;
      this.#mark = undefined;
    }
    if (wanted === undefined) return;
    this.#lagMessages = Math.max(0, wanted - has);
    this.#mark ??= { at: performance.now(), seq: wanted };
  }

  get status(): RegionStatus {
    return {
      home: this.domain,
      connected: performance.now() - this.#answeredAt < CUT_OFF_MS,
      lagMessages: this.#lagMessages,
      inStepAt: this.#inStepAt,
    };
  }
}
