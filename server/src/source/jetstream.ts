/**
 * The source that reads the stream on NATS. In the gateway, only the files of this folder use NATS.
 *
 * Every gateway has its own ordered consumer, which reads every message. The NATS client recovers from many
 * failures itself, but not from all of them and not fast. After a reconnect it may wait for up to 45 s. When
 * the stream was deleted and created again, the client gets no message until the new stream has grown past
 * the old sequence. So the reader compares the stream's state with what was read every second. When they do
 * not fit, the reader drops the consumer and starts another one behind the last message.
 */

import { setTimeout as sleep } from "node:timers/promises";
import {
  type ConsumerMessages,
  type JetStreamManager,
  jetstreamManager,
  type StreamInfo,
} from "@nats-io/jetstream";
import { AuthorizationError, type NatsConnection, PermissionViolationError } from "@nats-io/transport-node";
import { dictionariesConfig } from "@odin-ws/publisher/stream-settings";
import type { Config } from "../config.ts";
import { atMostEvery, type Log } from "../log.ts";
import { GATEWAY_SUBJECTS } from "./gateway-channel.ts";
import { HomeRegion } from "./home-region.ts";
import { LastStream, type LastStreamSettings } from "./last-stream.ts";
import { MirroredStream } from "./mirrored-stream.ts";
import { connectToNats, type NatsSettings } from "./nats-connection.ts";
import type { Intake, Source } from "./source.ts";
import {
  type ConsumerSettings,
  createConsumer,
  firstFrom,
  hasHoles,
  rawOf,
  storedOf,
} from "./stream-consumer.ts";
import { StreamCursor } from "./stream-cursor.ts";
import { isStreamNotFound, type StreamPlace, StreamSetup } from "./stream-setup.ts";

export type JetStreamSettings = LastStreamSettings &
  NatsSettings &
  ConsumerSettings &
  Pick<Config, "JS_HOME_DOMAIN">;

const CHECK_MS = 1000;
const RETRY_MS = 250;
const REQUEST_TIMEOUT_MS = 2000;
/** Messages that the NATS client may hold; all others wait in the stream. */
const MAX_PENDING = 1000;
const PULL_EXPIRES_MS = 2000;
/** When JetStream has failed for this time, the source counts as lost. */
const FAILING_MS = 3000;
const LOG_INTERVAL_MS = 10_000;

/** Called with each connection to NATS. Reading starts when the promise resolves. */
export type OnConnection = (connection: NatsConnection) => Promise<void>;

/** Returns a source that reads the stream of these settings. */
export function jetstreamSource(settings: JetStreamSettings, log: Log, onConnection?: OnConnection): Source {
  let reader: StreamReader | undefined;
  const run: Source = (intake, signal) => {
    reader = new StreamReader(settings, log, intake, signal);
    return reader.run(onConnection);
  };
  return Object.assign(run, { end: async () => reader?.end() });
}

class StreamReader {
  readonly #settings: JetStreamSettings;
  readonly #log: Log;
  readonly #intake: Intake;
  readonly #signal: AbortSignal;
  readonly #place: StreamPlace;
  readonly #logError: () => void;
  readonly #cursor: StreamCursor;
  readonly #lastStream: LastStream;
  #manager: JetStreamManager | undefined;
  #lastError: unknown;
  /** Cursor at the last check. */
  #checkedCursor = -1;
  /** Sequence of the stream's last message at the last check. */
  #checkedEnd = 0;
  /** Time since which JetStream has failed, on the clock of performance.now(); undefined while it answers. */
  #failingSince: number | undefined;
  #checking = false;
  /** The same as `aborted` of the signal, which takes longer to read than a message. */
  #stopped = false;
  /** True while the intake does not accept the next message. */
  #paused = false;
  /** Ends the current consumer; the next one starts behind the cursor. */
  #restart: (reason: string) => void = () => {};

  constructor(settings: JetStreamSettings, log: Log, intake: Intake, signal: AbortSignal) {
    this.#settings = settings;
    this.#log = log;
    this.#intake = intake;
    this.#signal = signal;
    const { JS_HOME_DOMAIN } = settings;
    const home = JS_HOME_DOMAIN === undefined ? undefined : new HomeRegion(JS_HOME_DOMAIN);
    this.#place =
      home === undefined
        ? new StreamSetup(settings, log)
        : new MirroredStream(settings, home, log, (region) => intake.status({ region }));
    const lastStream = new LastStream(settings, log, intake, home);
    this.#lastStream = lastStream;
    this.#cursor = new StreamCursor(
      {
        begin: (...stream) => intake.begin(...stream),
        lose: (offset) => {
          lastStream.lost();
          intake.lose(offset);
        },
      },
      log,
    );
    this.#logError = atMostEvery(LOG_INTERVAL_MS, (count) =>
      log.warn(
        { err: this.#lastError, count, stream: settings.JS_STREAM_NAME },
        "cannot read the stream, retrying",
      ),
    );
    signal.addEventListener("abort", () => {
      this.#stopped = true;
      this.#restart("stopped");
    });
  }

  async run(onConnection?: OnConnection): Promise<void> {
    while (!this.#signal.aborted) {
      let connection: NatsConnection | undefined;
      try {
        connection = await connectToNats(this.#settings);
        this.#intake.status({ connected: true, refused: false });
        void this.#watchConnection(connection);
        await this.#place.connect(connection);
        await onConnection?.(connection);
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
      } else if (event.type === "error" && !this.#isTolerable(event.error)) {
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

  /** Resolves with the sequence of the stream's last message; undefined when the stream cannot be asked. */
  async end(): Promise<number | undefined> {
    try {
      return this.#manager && (await this.#place.end(this.#manager, this.#cursor));
    } catch {
      return undefined; // the next check reports the reason
    }
  }

  /** Reads with one consumer until it ends. */
  async #read(manager: JetStreamManager): Promise<void> {
    this.#manager = manager;
    const cursor = this.#cursor;
    const info = await this.#place.find(manager, cursor);
    if (info === undefined) return this.#sleep(RETRY_MS);
    this.#onAnswer();
    await cursor.locate(info, (seq) => firstFrom(manager, this.#settings, seq));
    void this.#place.writeEpoch(manager, info, cursor.epoch);
    const target = info.state.last_seq;
    // The consumer starts with the last message that was read. Only when that message comes again is it
    // certain that the stream has not gone back since `locate`.
    const consumer = await createConsumer(manager, this.#settings, Math.max(1, cursor.seq));
    const { name, num_pending: pending } = await consumer.info(true);
    // Before the messages of the stream, which are newer than most of the last values.
    await this.#lastStream.update(manager, info, cursor.epoch);
    this.#intake.status({ warm: cursor.seq >= target, lag: Math.max(0, target - cursor.seq) });
    if (pending === 0) this.#passHoles(info);
    const messages = await consumer.consume({ max_messages: MAX_PENDING, expires: PULL_EXPIRES_MS });
    this.#restart = (reason) => {
      this.#log.debug({ reason }, "restarting the consumer");
      messages.stop();
    };
    const checks = setInterval(() => void this.#check(manager), CHECK_MS);
    try {
      if (!this.#signal.aborted) await this.#deliver(messages, name, info);
    } finally {
      clearInterval(checks);
      this.#restart = () => {};
      messages.stop();
      void consumer.delete().catch(() => {});
    }
  }

  /**
   * Delivers messages to the intake until the consumer ends. The history is warm at the end of the stream as
   * `info` names it.
   */
  async #deliver(messages: ConsumerMessages, name: string, info: StreamInfo): Promise<void> {
    const intake = this.#intake;
    const cursor = this.#cursor;
    let warm = false;
    for await (const message of messages) {
      if (this.#stopped) return;
      const { consumer, pending } = message.info;
      // The NATS client has replaced the consumer by itself: the stream may have gone back meanwhile.
      if (consumer !== name) return;
      const found = cursor.take(storedOf(message));
      if (found === "other") return; // the next consumer starts where the stream branched off
      if (found === "next") intake.message(rawOf(message));
      if (pending === 0) cursor.passHoles(info);
      if (!warm && cursor.seq >= info.state.last_seq) {
        warm = true;
        intake.status({ warm });
      }
      if (found === "known") continue;
      const ready = intake.ready();
      if (ready === undefined) continue;
      this.#paused = true;
      await ready;
      this.#paused = false;
    }
  }

  #passHoles(info: StreamInfo): void {
    this.#cursor.passHoles(info);
    if (this.#cursor.seq >= info.state.last_seq) this.#intake.status({ warm: true });
  }

  /** Compares the stream's state with what was read, and restarts the consumer when they do not fit. */
  async #check(manager: JetStreamManager): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    try {
      const before = this.#cursor.seq;
      const { info, ...found } = await this.#place.check(manager, this.#cursor);
      const { last_seq: end } = info.state;
      this.#onAnswer();
      this.#intake.status({ lag: Math.max(0, end - this.#cursor.seq) });
      const problem = found.problem ?? this.#cursor.problemWith(info, before);
      if (problem !== undefined) this.#restart(problem);
      else if (!this.#paused && this.#cursor.seq === this.#checkedCursor && before < this.#checkedEnd) {
        await this.#onStandstill(manager, info);
      }
      this.#checkedCursor = this.#cursor.seq;
      this.#checkedEnd = end;
      if (problem === undefined) {
        void this.#place.writeEpoch(manager, info, this.#cursor.epoch);
        void this.#lastStream.update(manager, info, this.#cursor.epoch);
      }
    } catch (error) {
      if (isStreamNotFound(error)) this.#restart("the stream was deleted");
      else this.#onError(error);
    } finally {
      this.#checking = false;
    }
  }

  /** For a second, nothing came although the stream has more. */
  async #onStandstill(manager: JetStreamManager, info: StreamInfo): Promise<void> {
    const { seq } = this.#cursor;
    const end = this.#checkedEnd;
    // The last messages of the stream were removed before they could be read.
    this.#passHoles(info);
    if (this.#cursor.seq > seq) return;
    const next = hasHoles(info) ? await firstFrom(manager, this.#settings, seq + 1) : undefined;
    if (this.#cursor.seq !== seq) return;
    if (!hasHoles(info) || (next !== undefined && next.seq <= end)) {
      return this.#restart("the consumer delivers nothing");
    }
    this.#cursor.skipTo(end);
    this.#intake.status({ warm: true });
  }

  /**
   * EpochWriter, LastStream, DictionaryShelf and GatewayChannel log a refusal themselves, and reading the
   * stream does not need them.
   */
  #isTolerable(error: Error): boolean {
    if (!(error instanceof PermissionViolationError)) return false;
    const { name } = this.#lastStream;
    const dictionaries = dictionariesConfig(this.#settings.JS_STREAM_NAME, 1).name;
    const own = [".STREAM.UPDATE.", name, dictionaries, GATEWAY_SUBJECTS];
    return own.some((part) => error.subject.includes(part));
  }

  #onAnswer(): void {
    if (this.#failingSince === undefined) return;
    this.#failingSince = undefined;
    this.#intake.status({ connected: true });
  }

  #onError(error: unknown): void {
    if (this.#signal.aborted) return;
    // A server that accepts the connection but does not answer (no leader, no permission) is treated as
    // unreachable.
    const now = performance.now();
    this.#failingSince ??= now;
    if (now - this.#failingSince > FAILING_MS) this.#intake.status({ connected: false });
    this.#intake.status({ refused: error instanceof AuthorizationError });
    this.#lastError = error;
    this.#logError();
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#signal }).catch(() => {});
  }
}
