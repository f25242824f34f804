/**
 * The source that reads the stream on NATS. In the gateway, only this file and stream-setup.ts use NATS.
 *
 * Every gateway has its own ordered consumer, which reads every message. The NATS client recovers from many
 * failures itself, but not from all of them and not fast. After a reconnect it may wait for up to 45 s. When
 * the stream was deleted and created again, the client gets no message until the new stream has grown past
 * the old sequence. So the reader compares the stream's state with what was read every second. When they do
 * not fit, the reader drops the consumer and starts another one behind the last message.
 */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamManager,
  type JsMsg,
  jetstreamManager,
  type StreamInfo,
} from "@nats-io/jetstream";
import {
  AuthorizationError,
  connect,
  credsAuthenticator,
  type NatsConnection,
} from "@nats-io/transport-node";
import { HEADER } from "@odin-ws/protocol";
import { connectionOptions, readNatsServers } from "@odin-ws/publisher/nats-servers";
import type { Config } from "../config.ts";
import { atMostEvery, type Log } from "../log.ts";
import type { Intake, Source } from "./source.ts";
import { isStreamNotFound, type StreamSettings, StreamSetup } from "./stream-setup.ts";

export type JetStreamSettings = StreamSettings &
  Pick<Config, "NATS_URL" | "NATS_CREDS_FILE" | "JS_CONSUMER_NAME">;

const CHECK_MS = 1000;
const RETRY_MS = 250;
const REQUEST_TIMEOUT_MS = 2000;
/** Messages that the NATS client may hold; all others wait in the stream. */
const MAX_PENDING = 1000;
const PULL_EXPIRES_MS = 2000;
/** NATS deletes a consumer that has not been read for this time. */
const INACTIVE_MS = 30_000;
/** When JetStream has failed for this time, the source counts as lost. */
const FAILING_MS = 3000;
const LOG_INTERVAL_MS = 10_000;

/** Returns a source that reads the stream of these settings. */
export function jetstreamSource(settings: JetStreamSettings, log: Log): Source {
  return (intake, signal) => new StreamReader(settings, log, intake, signal).run();
}

class StreamReader {
  readonly #settings: JetStreamSettings;
  readonly #log: Log;
  readonly #intake: Intake;
  readonly #signal: AbortSignal;
  readonly #setup: StreamSetup;
  readonly #logError: () => void;
  #lastError: unknown;
  /** Creation time of the stream that is being read. */
  #created = "";
  #epoch = "";
  /** Sequence of the last message that was read. */
  #cursor = 0;
  /** Cursor at the last check. */
  #checkedCursor = -1;
  /** Sequence of the stream's last message at the last check. */
  #checkedEnd = 0;
  /** Time since which JetStream has failed, milliseconds since 1970; 0 while JetStream answers. */
  #failingSince = 0;
  #checking = false;
  /** True while the intake does not accept the next message. */
  #paused = false;
  /** Ends the current consumer; the next one starts behind the cursor. */
  #restart: (reason: string) => void = () => {};

  constructor(settings: JetStreamSettings, log: Log, intake: Intake, signal: AbortSignal) {
    this.#settings = settings;
    this.#log = log;
    this.#intake = intake;
    this.#signal = signal;
    this.#setup = new StreamSetup(settings, log);
    this.#logError = atMostEvery(LOG_INTERVAL_MS, (count) =>
      log.warn(
        { err: this.#lastError, count, stream: settings.JS_STREAM_NAME },
        "cannot read the stream, retrying",
      ),
    );
    signal.addEventListener("abort", () => this.#restart("stopped"));
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      let connection: NatsConnection | undefined;
      try {
        connection = await this.#connect();
        this.#intake.status({ connected: true, refused: false });
        void this.#watchConnection(connection);
        await this.#readAll(connection);
      } catch (error) {
        this.#onError(error);
      } finally {
        this.#intake.status({ connected: false });
        await connection?.close().catch(() => {});
      }
      await this.#sleep(RETRY_MS);
    }
  }

  #connect(): Promise<NatsConnection> {
    const { NATS_URL = "", NATS_CREDS_FILE } = this.#settings;
    return connect({
      ...connectionOptions(readNatsServers(NATS_URL)),
      ...(NATS_CREDS_FILE === undefined
        ? {}
        : { authenticator: credsAuthenticator(readFileSync(NATS_CREDS_FILE)) }),
      name: "odin-ws gateway",
      maxReconnectAttempts: -1,
      reconnectTimeWait: 500,
      reconnectJitter: 250,
      reconnectJitterTLS: 250,
      // With these two, a connection that has gone silent is noticed within 10 s.
      pingInterval: 5000,
      maxPingOut: 1,
    });
  }

  /** Reports each loss and return of the connection until it is closed. */
  async #watchConnection(connection: NatsConnection): Promise<void> {
    for await (const event of connection.status()) {
      if (event.type === "disconnect") {
        this.#log.warn({ server: event.server }, "NATS connection lost");
        this.#intake.status({ connected: false });
        this.#restart("disconnected");
      } else if (event.type === "reconnect") {
        this.#log.info({ server: event.server }, "NATS connection is back");
        this.#intake.status({ connected: true, refused: false });
        this.#restart("reconnected");
      } else if (event.type === "error") {
        this.#onError(event.error);
      }
    }
  }

  /**
   * Reads until the connection is closed for good. After an error, reading continues behind the last message.
   */
  async #readAll(connection: NatsConnection): Promise<void> {
    while (!this.#signal.aborted && !connection.isClosed()) {
      try {
        await this.#read(
          await jetstreamManager(connection, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false }),
        );
      } catch (error) {
        this.#onError(error);
        await this.#sleep(RETRY_MS);
      }
    }
  }

  /** Reads with one consumer until it ends. */
  async #read(manager: JetStreamManager): Promise<void> {
    const name = this.#settings.JS_STREAM_NAME;
    const info = await this.#setup.find(manager, this.#created);
    if (info === undefined) return this.#sleep(RETRY_MS);
    this.#onAnswer();
    this.#chooseStart(info);
    const target = info.state.last_seq;
    this.#intake.status({ warm: this.#cursor >= target, lag: Math.max(0, target - this.#cursor) });
    const consumer = await manager.jetstream().consumers.get(name, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#cursor + 1,
      // The NATS client only adds a counter to the prefix: without a random part, two gateways would share a
      // consumer.
      name_prefix: `${this.#settings.JS_CONSUMER_NAME}-${randomBytes(6).toString("hex")}`,
      inactive_threshold: INACTIVE_MS,
    });
    const messages = await consumer.consume({ max_messages: MAX_PENDING, expires: PULL_EXPIRES_MS });
    this.#restart = (reason) => {
      this.#log.debug({ reason }, "restarting the consumer");
      messages.stop();
    };
    const checks = setInterval(() => void this.#check(manager), CHECK_MS);
    try {
      if (!this.#signal.aborted) await this.#deliver(messages, target);
    } finally {
      clearInterval(checks);
      this.#restart = () => {};
      messages.stop();
      void consumer.delete().catch(() => {});
    }
  }

  /**
   * Delivers messages to the intake until the consumer ends. The history is warm at the sequence `target`.
   */
  async #deliver(messages: ConsumerMessages, target: number): Promise<void> {
    const intake = this.#intake;
    for await (const message of messages) {
      if (this.#signal.aborted) return;
      const { seq } = message;
      if (seq <= this.#cursor) continue;
      if (seq > this.#cursor + 1) intake.lose(seq - 1);
      this.#cursor = seq;
      intake.message(rawOf(message));
      if (seq >= target) intake.status({ warm: true });
      const ready = intake.ready();
      if (ready === undefined) continue;
      this.#paused = true;
      await ready;
      this.#paused = false;
    }
  }

  /** Compares the stream's state with what was read, and restarts the consumer when they do not fit. */
  async #check(manager: JetStreamManager): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    try {
      const before = this.#cursor;
      const { created, state } = await manager.streams.info(this.#settings.JS_STREAM_NAME);
      this.#onAnswer();
      this.#intake.status({ lag: Math.max(0, state.last_seq - this.#cursor) });
      if (created !== this.#created) this.#restart("the stream was replaced by another one");
      else if (state.last_seq < before) this.#restart("the sequences of the stream went back");
      else if (!this.#paused && this.#cursor === this.#checkedCursor && this.#cursor < this.#checkedEnd) {
        this.#restart("the consumer delivers nothing");
      }
      this.#checkedCursor = this.#cursor;
      this.#checkedEnd = state.last_seq;
    } catch (error) {
      if (isStreamNotFound(error)) this.#restart("the stream was deleted");
      else this.#onError(error);
    } finally {
      this.#checking = false;
    }
  }

  /**
   * Sets the cursor for the next consumer: unchanged, or at the beginning of a stream that was not read
   * before.
   */
  #chooseStart({ created, state }: StreamInfo): void {
    const start = state.first_seq === 0 ? 0 : state.first_seq - 1;
    const wentBack = state.last_seq < this.#cursor;
    if (created !== this.#created || wentBack) {
      // All gateways derive the same epoch from the creation time. When the sequences went back (after a
      // restored disk), gateways may disagree about the old ones, so each gateway takes a random epoch.
      const salt = created === this.#created ? randomBytes(6).toString("hex") : "";
      this.#epoch = createHash("sha256")
        .update(`${this.#settings.JS_STREAM_NAME} ${created} ${salt}`)
        .digest("base64url")
        .slice(0, 12);
      this.#created = created;
      this.#cursor = start;
      this.#intake.begin(this.#epoch, start);
      this.#log.info(
        { epoch: this.#epoch, offset: start, last: state.last_seq },
        "reading the stream from its beginning",
      );
    } else if (start > this.#cursor) {
      this.#intake.lose(start);
      this.#cursor = start;
    }
  }

  #onAnswer(): void {
    if (this.#failingSince === 0) return;
    this.#failingSince = 0;
    this.#intake.status({ connected: true });
  }

  #onError(error: unknown): void {
    if (this.#signal.aborted) return;
    // A server that accepts the connection but does not answer (no leader, no permission) is treated as
    // unreachable.
    if (this.#failingSince === 0) this.#failingSince = Date.now();
    else if (Date.now() - this.#failingSince > FAILING_MS) this.#intake.status({ connected: false });
    this.#intake.status({ refused: error instanceof AuthorizationError });
    this.#lastError = error;
    this.#logError();
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#signal }).catch(() => {});
  }
}

function rawOf(message: JsMsg) {
  return {
    subject: message.subject,
    offset: message.seq,
    ts: Math.floor(message.info.timestampNanos / 1e6),
    body: message.data,
    type: message.headers?.get(HEADER.type),
    priority: message.headers?.get(HEADER.priority),
  };
}
