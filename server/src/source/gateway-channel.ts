/**
 * Short messages between the gateways of a stream, over core NATS and the connection of the source. Messages
 * may be lost, and are not stored.
 */

import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { atMostEvery, type Log } from "../log.ts";

/** First part of the subjects. Publishers may publish below `odin.`, so it is another one. */
export const GATEWAY_SUBJECTS = "odin-gateways";

export interface GatewayChannelOptions {
  /** Name of the stream: gateways of different streams do not hear each other. */
  stream: string;
  /** Id of this gateway, without dots and spaces. */
  id: string;
  log: Pick<Log, "warn">;
  onMessage: (text: string) => void;
  /** Called when the connection is there or is back, and when it is lost. */
  onConnected: (connected: boolean) => void;
}

const RETRY_MS = 5000;
const WARN_INTERVAL_MS = 60_000;

export class GatewayChannel {
  readonly #options: GatewayChannelOptions;
  readonly #all: string;
  readonly #prefix: string;
  readonly #warn: () => void;
  #lastError: unknown;
  #connection: NatsConnection | undefined;
  #up = false;

  constructor(options: GatewayChannelOptions) {
    this.#options = options;
    const seats = `${GATEWAY_SUBJECTS}.${options.stream}.seats`;
    this.#all = `${seats}.all`;
    this.#prefix = `${seats}.to.`;
    this.#warn = atMostEvery(WARN_INTERVAL_MS, (count) =>
      options.log.warn(
        { err: this.#lastError, count, subjects: `${GATEWAY_SUBJECTS}.>` },
        "cannot exchange messages with other gateways: the login at NATS needs to publish and subscribe there",
      ),
    );
  }

  /** Uses this connection until it is closed. */
  follow(connection: NatsConnection): void {
    this.#connection = connection;
    void this.#listen(connection, this.#all);
    void this.#listen(connection, this.#prefix + this.#options.id);
    void this.#watch(connection);
    this.#setUp(true);
  }

  /** Sends to a gateway, or to all when `to` is undefined. Without a connection the message is lost. */
  send(to: string | undefined, text: string): void {
    if (!this.#up) return;
    try {
      this.#connection?.publish(to === undefined ? this.#all : this.#prefix + to, text);
    } catch (error) {
      this.#onError(error);
    }
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === "disconnect") this.#setUp(false);
      else if (type === "reconnect") this.#setUp(true);
    }
    if (this.#connection === connection) this.#setUp(false);
  }

  #setUp(up: boolean): void {
    this.#up = up;
    this.#options.onConnected(up);
  }

  /** Subscribes. NATS ends a subscription that the login does not allow: later the login may allow it. */
  async #listen(connection: NatsConnection, subject: string): Promise<void> {
    while (!connection.isClosed()) {
      try {
        await this.#receive(connection.subscribe(subject));
      } catch (error) {
        this.#onError(error);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
    }
  }

  async #receive(messages: Subscription | AsyncIterable<Msg>): Promise<void> {
    for await (const message of messages) this.#options.onMessage(message.string());
  }

  #onError(error: unknown): void {
    this.#lastError = error;
    this.#warn();
  }
}
