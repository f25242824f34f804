/**
 * The stream on NATS. The only file of the gateway that talks to it.
 *
 * An ordered consumer of the gateway's own reads every message. The client recovers from much by itself, but not from all of it and not
 * fast (after a reconnect it may wait for up to 45 s, and of a stream that was deleted and made again it hears nothing until that one has
 * grown past the old sequence). So a watch asks every second how the stream stands, and whenever that does not fit what was read, the consumer is
 * thrown away and another one starts behind the last message.
 */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ConsumerMessages,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  type JsMsg,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from "@nats-io/jetstream";
import {
  AuthorizationError,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nanos,
} from "@nats-io/transport-node";
import { HEADER, SUBJECTS } from "@odin-ws/protocol";
import { connectionOptions, readNatsServers } from "@odin-ws/publisher/nats-servers";
import type { Config } from "../config.ts";
import { atMostEvery, type Log } from "../log.ts";
import type { Intake, Source } from "./source.ts";

export type JetStreamSettings = Pick<
  Config,
  | "NATS_URL"
  | "NATS_CREDS_FILE"
  | "JS_STREAM_NAME"
  | "JS_STORAGE"
  | "JS_REPLICAS"
  | "JS_STREAM_MAX_AGE"
  | "JS_STREAM_MAX_MSGS"
  | "JS_STREAM_MAX_BYTES"
  | "JS_CONSUMER_NAME"
>;

const WATCH_MS = 1000;
const RETRY_MS = 250;
const REQUEST_TIMEOUT_MS = 2000;
/** Messages that the client may hold; what is not read waits in the stream. */
const MAX_PENDING = 1000;
const PULL_EXPIRES_MS = 2000;
/** A consumer that nobody reads any more goes away after this. */
const INACTIVE_MS = 30_000;
/** A stream that vanished is made again only now: whoever deleted it may be about to make it himself, differently. */
const RECREATE_AFTER_MS = 2000;
/** JetStream does not answer for so long: the source counts as lost. */
const FAILING_MS = 3000;
const MAX_DUPLICATE_WINDOW_MS = 120_000;
const STREAM_NOT_FOUND = 10059;

/** Reads the stream of these settings. */
export function jetstreamSource(settings: JetStreamSettings, log: Log): Source {
  return (intake, signal) => new StreamReader(settings, log, intake, signal).run();
}

class StreamReader {
  readonly #settings: JetStreamSettings;
  readonly #log: Log;
  readonly #intake: Intake;
  readonly #signal: AbortSignal;
  readonly #complain: () => void;
  #problem: unknown;
  /** Creation time of the stream that is being read. */
  #created = "";
  #epoch = "";
  /** Sequence of the last message that was read. */
  #cursor = 0;
  #missingSince = 0;
  /** The cursor, and the end of the stream, when the watch last looked. */
  #lastSeen = -1;
  #lastThere = 0;
  /** Since when JetStream has not answered as it should, ms; 0: it does. */
  #failingSince = 0;
  #watching = false;
  /** The next message is not wanted yet. */
  #waiting = false;
  /** Ends the present reading; the next one starts behind the cursor. */
  #restart: (reason: string) => void = () => {};

  constructor(settings: JetStreamSettings, log: Log, intake: Intake, signal: AbortSignal) {
    this.#settings = settings;
    this.#log = log;
    this.#intake = intake;
    this.#signal = signal;
    this.#complain = atMostEvery(10_000, (count) =>
      log.warn(
        { err: this.#problem, count, stream: settings.JS_STREAM_NAME },
        "cannot read the stream, trying on",
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
        void this.#follow(connection);
        await this.#readAll(connection);
      } catch (error) {
        this.#report(error);
      } finally {
        this.#intake.status({ connected: false });
        await connection?.close().catch(() => {});
      }
      await this.#pause(RETRY_MS);
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
      // A connection that went silent is noticed within 10 s.
      pingInterval: 5000,
      maxPingOut: 1,
    });
  }

  /** Follows what happens to the connection. */
  async #follow(connection: NatsConnection): Promise<void> {
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
        this.#report(event.error);
      }
    }
  }

  /** Reads until the connection is closed for good, again and again from where the last reading ended. */
  async #readAll(connection: NatsConnection): Promise<void> {
    while (!this.#signal.aborted && !connection.isClosed()) {
      try {
        await this.#read(
          await jetstreamManager(connection, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false }),
        );
      } catch (error) {
        this.#report(error);
        await this.#pause(RETRY_MS);
      }
    }
  }

  async #read(manager: JetStreamManager): Promise<void> {
    const name = this.#settings.JS_STREAM_NAME;
    const info = await this.#stream(manager);
    if (info === undefined) return this.#pause(RETRY_MS);
    this.#answered();
    this.#place(info);
    const target = info.state.last_seq;
    this.#intake.status({ warm: this.#cursor >= target, lag: Math.max(0, target - this.#cursor) });
    const consumer = await manager.jetstream().consumers.get(name, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#cursor + 1,
      // The client only counts up behind the prefix: without a part of its own, two gateways would share one consumer.
      name_prefix: `${this.#settings.JS_CONSUMER_NAME}-${randomBytes(6).toString("hex")}`,
      inactive_threshold: INACTIVE_MS,
    });
    const messages = await consumer.consume({ max_messages: MAX_PENDING, expires: PULL_EXPIRES_MS });
    this.#restart = (reason) => {
      this.#log.debug({ reason }, "reading the stream anew");
      messages.stop();
    };
    const watch = setInterval(() => void this.#watch(manager), WATCH_MS);
    try {
      if (!this.#signal.aborted) await this.#take(messages, target);
    } finally {
      clearInterval(watch);
      this.#restart = () => {};
      messages.stop();
      void consumer.delete().catch(() => {});
    }
  }

  async #take(messages: ConsumerMessages, target: number): Promise<void> {
    const intake = this.#intake;
    for await (const message of messages) {
      if (this.#signal.aborted) return;
      const { seq } = message;
      if (seq <= this.#cursor) continue;
      if (seq > this.#cursor + 1) intake.lose(seq - 1);
      this.#cursor = seq;
      intake.message(rawOf(message));
      if (seq >= target) intake.status({ warm: true });
      const wanted = intake.ready();
      if (wanted === undefined) continue;
      this.#waiting = true;
      await wanted;
      this.#waiting = false;
    }
  }

  /** Compares what was read with how the stream stands. */
  async #watch(manager: JetStreamManager): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    try {
      const before = this.#cursor;
      const { created, state } = await manager.streams.info(this.#settings.JS_STREAM_NAME);
      this.#answered();
      this.#intake.status({ lag: Math.max(0, state.last_seq - this.#cursor) });
      if (created !== this.#created) this.#restart("another stream has taken the place");
      else if (state.last_seq < before) this.#restart("the stream went back");
      else if (!this.#waiting && this.#cursor === this.#lastSeen && this.#cursor < this.#lastThere) {
        this.#restart("nothing comes");
      }
      this.#lastSeen = this.#cursor;
      this.#lastThere = state.last_seq;
    } catch (error) {
      if (isStreamNotFound(error)) this.#restart("the stream is gone");
      else this.#report(error);
    } finally {
      this.#watching = false;
    }
  }

  /** The stream as it is, made when it is missing; undefined while it is too early for that. */
  async #stream(manager: JetStreamManager): Promise<StreamInfo | undefined> {
    const settings = this.#settings;
    try {
      const info = await manager.streams.info(settings.JS_STREAM_NAME);
      this.#missingSince = 0;
      if (info.created !== this.#created) this.#compare(info);
      return info;
    } catch (error) {
      if (!isStreamNotFound(error)) throw error;
    }
    if (this.#missingSince === 0) this.#missingSince = Date.now();
    if (this.#created !== "" && Date.now() - this.#missingSince < RECREATE_AFTER_MS) return undefined;
    const info = await manager.streams.add({
      name: settings.JS_STREAM_NAME,
      subjects: [...SUBJECTS],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      storage: settings.JS_STORAGE === "memory" ? StorageType.Memory : StorageType.File,
      num_replicas: settings.JS_REPLICAS,
      max_age: nanos(settings.JS_STREAM_MAX_AGE),
      max_msgs: settings.JS_STREAM_MAX_MSGS,
      max_bytes: settings.JS_STREAM_MAX_BYTES,
      duplicate_window: nanos(Math.min(settings.JS_STREAM_MAX_AGE, MAX_DUPLICATE_WINDOW_MS)),
    });
    this.#missingSince = 0;
    this.#log.info({ stream: settings.JS_STREAM_NAME }, "created the stream");
    return info;
  }

  /** Says in which limits an existing stream differs from the settings; it is left alone. */
  #compare({ config }: StreamInfo): void {
    const settings = this.#settings;
    const differences = Object.entries({
      subjects: [config.subjects?.toSorted().join(), [...SUBJECTS].toSorted().join()],
      storage: [config.storage, settings.JS_STORAGE],
      replicas: [config.num_replicas, settings.JS_REPLICAS],
      max_age_ms: [config.max_age / 1e6, settings.JS_STREAM_MAX_AGE],
      max_msgs: [config.max_msgs, settings.JS_STREAM_MAX_MSGS],
      max_bytes: [config.max_bytes, settings.JS_STREAM_MAX_BYTES],
    }).filter(([, [is, wanted]]) => is !== wanted);
    if (differences.length === 0) return;
    const shown = Object.fromEntries(differences.map(([what, [is, wanted]]) => [what, { is, wanted }]));
    this.#log.warn(
      { stream: config.name, differences: shown },
      "the stream has other limits than the settings; it is left as it is",
    );
  }

  /** Decides where to read on: behind the cursor, or at the beginning of a stream that is new to us. */
  #place({ created, state }: StreamInfo): void {
    const start = state.first_seq === 0 ? 0 : state.first_seq - 1;
    const wentBack = state.last_seq < this.#cursor;
    if (created !== this.#created || wentBack) {
      // All gateways derive the same epoch. Of a stream that went back (a restored disk) no two can know alike: random.
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

  /** JetStream answers. */
  #answered(): void {
    if (this.#failingSince === 0) return;
    this.#failingSince = 0;
    this.#intake.status({ connected: true });
  }

  #report(error: unknown): void {
    if (this.#signal.aborted) return;
    // A server that can be reached but does not answer (no leader, no permission) is as good as none.
    if (this.#failingSince === 0) this.#failingSince = Date.now();
    else if (Date.now() - this.#failingSince > FAILING_MS) this.#intake.status({ connected: false });
    this.#intake.status({ refused: error instanceof AuthorizationError });
    this.#problem = error;
    this.#complain();
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#signal }).catch(() => {});
  }
}

const isStreamNotFound = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND;

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
