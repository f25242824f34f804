/**
 * Reads the revocations of tokens from their stream on NATS, over the connection of the source. A revocation
 * reaches every gateway within moments. A gateway that starts reads all of them before it accepts clients.
 */

import { setTimeout as sleep } from "node:timers/promises";
import {
  JetStreamApiError,
  type JetStreamManager,
  type JsMsg,
  jetstreamManager,
  type StreamInfo,
} from "@nats-io/jetstream";
import { type NatsConnection, PermissionViolationError } from "@nats-io/transport-node";
import { parseRevocation, REVOCATIONS, type Revocation, TTL_HEADER } from "@odin-ws/protocol/revocation";
import { explainedCount, mirrorConfig, revocationStreamConfig } from "@odin-ws/publisher/stream-settings";
import type { Config } from "../config.ts";
import { atMostEvery, type Log } from "../log.ts";
import { HomeMirror } from "./home-mirror.ts";
import { HomeRegion } from "./home-region.ts";
import { createConsumer } from "./stream-consumer.ts";
import { isStreamNotFound } from "./stream-setup.ts";

export interface RevocationReaderOptions {
  config: Pick<Config, "JS_CONSUMER_NAME" | "JS_REPLICAS" | "JS_HOME_DOMAIN">;
  log: Pick<Log, "info" | "warn">;
  /** Called with revocations that were read, also with those that have ended meanwhile. */
  onRevocations: (revocations: Revocation[]) => void;
}

const REQUEST_TIMEOUT_MS = 2000;
const PULL_EXPIRES_MS = 2000;
const MAX_PENDING = 1000;
const RETRY_MS = 500;
/** How often the stream is compared with what was read, for a consumer that silently delivers nothing. */
const CHECK_MS = 5000;
/** After this many failures, clients are accepted although the revocations are not known. */
const MAX_FAILURES = 5;
const WARN_INTERVAL_MS = 60_000;

export class RevocationReader {
  readonly #options: RevocationReaderOptions;
  /** Both undefined in the home region. */
  readonly #home: HomeRegion | undefined;
  readonly #mirror: HomeMirror | undefined;
  readonly #warn: () => void;
  readonly #warnOfBody: () => void;
  #lastError: unknown;
  /** Creation time of the stream, and the last sequence that was read of it. */
  #created = "";
  #seq = 0;
  /** Last sequence at the check before. */
  #endBefore = 0;
  /** Ends the current consumer; the next one starts behind the last revocation. */
  #restart: () => void = () => {};

  constructor(options: RevocationReaderOptions) {
    this.#options = options;
    const { log, config } = options;
    const { JS_HOME_DOMAIN, JS_REPLICAS: replicas } = config;
    if (JS_HOME_DOMAIN !== undefined) {
      this.#home = new HomeRegion(JS_HOME_DOMAIN);
      this.#mirror = new HomeMirror({
        config: mirrorConfig(revocationStreamConfig({ replicas }), JS_HOME_DOMAIN),
        home: this.#home,
        log,
        epochOf: () => "revocations",
      });
    }
    this.#warn = atMostEvery(WARN_INTERVAL_MS, (count) =>
      log.warn(
        { err: this.#lastError, count, stream: REVOCATIONS.stream },
        "cannot read the revocations of tokens: new revocations have no effect on this gateway, retrying",
      ),
    );
    this.#warnOfBody = atMostEvery(WARN_INTERVAL_MS, (count) =>
      log.warn({ count, stream: REVOCATIONS.stream }, "a revocation cannot be read: it has no effect"),
    );
  }

  /**
   * Reads over this connection until it is closed. Resolves when all present revocations are known, or when
   * they cannot be read: a service that does not use revocations must work with an account that refuses their
   * stream.
   */
  follow(connection: NatsConnection): Promise<void> {
    const known = Promise.withResolvers<void>();
    void this.#watch(connection);
    void this.#run(connection, known.resolve);
    return known.promise;
  }

  /** After a reconnect, the NATS client may take long to notice a lost consumer: another one is created. */
  async #watch(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status())
      if (type === "disconnect" || type === "reconnect") this.#restart();
  }

  async #run(connection: NatsConnection, onKnown: () => void): Promise<void> {
    let failures = 0;
    await this.#home?.connect(connection);
    while (!connection.isClosed()) {
      try {
        const manager = await jetstreamManager(connection, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false });
        await this.#read(manager, () => {
          failures = 0;
          onKnown();
        });
      } catch (error) {
        await sleep(RETRY_MS);
        if (connection.isClosed()) break;
        this.#lastError = explainedCount(error, REVOCATIONS.stream, "do without revocations");
        failures++;
        // The source reports a lost connection itself.
        if (failures < MAX_FAILURES && !isRefusal(error)) continue;
        this.#warn();
        onKnown();
      }
    }
    onKnown();
  }

  /** Reads with one consumer until it ends. */
  async #read(manager: JetStreamManager, onKnown: () => void): Promise<void> {
    const info = await this.#find(manager);
    if (info.created !== this.#created) this.#seq = 0;
    this.#created = info.created;
    this.#endBefore = info.state.last_seq;
    const consumer = await createConsumer(
      manager,
      {
        JS_STREAM_NAME: REVOCATIONS.stream,
        JS_CONSUMER_NAME: `${this.#options.config.JS_CONSUMER_NAME}-revocations`,
      },
      this.#seq + 1,
    );
    const { num_pending: pending } = await consumer.info(true);
    const messages = await consumer.consume({ max_messages: MAX_PENDING, expires: PULL_EXPIRES_MS });
    if (pending === 0) onKnown();
    const checks = setInterval(() => {
      // What is not read after a whole interval will not come by itself.
      this.#isBehind(manager).then(
        (behind) => behind && messages.stop(),
        () => messages.stop(),
      );
    }, CHECK_MS);
    this.#restart = () => messages.stop();
    try {
      let batch: Revocation[] = [];
      for await (const message of messages) {
        const revocation = this.#revocationOf(message);
        this.#seq = message.seq;
        if (revocation !== undefined) batch.push(revocation);
        const complete = message.info.pending === 0;
        if (!complete && batch.length < MAX_PENDING) continue;
        this.#options.onRevocations(batch);
        batch = [];
        if (complete) onKnown();
      }
      if (batch.length > 0) this.#options.onRevocations(batch);
    } finally {
      clearInterval(checks);
      this.#restart = () => {};
      messages.stop();
      void consumer.delete().catch(() => {});
    }
  }

  async #isBehind(manager: JetStreamManager): Promise<boolean> {
    const found = this.#mirror
      ? (await this.#mirror.find(manager))?.info
      : await manager.streams.info(REVOCATIONS.stream);
    if (found === undefined) return true;
    const { created, state } = found;
    const behind = created !== this.#created || (state.messages > 0 && this.#seq < this.#endBefore);
    this.#endBefore = state.last_seq;
    return behind;
  }

  /** Finds the stream, and creates it when it is missing. */
  async #find(manager: JetStreamManager): Promise<StreamInfo> {
    if (this.#mirror !== undefined) return this.#findMirror(this.#mirror, manager);
    try {
      return await manager.streams.info(REVOCATIONS.stream);
    } catch (error) {
      if (!isStreamNotFound(error)) throw error;
    }
    const info = await manager.streams.add(
      revocationStreamConfig({ replicas: this.#options.config.JS_REPLICAS }),
    );
    this.#options.log.info({ stream: REVOCATIONS.stream }, "created the stream of revocations");
    return info;
  }

  async #findMirror(mirror: HomeMirror, manager: JetStreamManager): Promise<StreamInfo> {
    const { info, origin } = (await mirror.find(manager)) ?? {};
    if (info === undefined || info.state.last_seq < (origin?.state.last_seq ?? 0))
      throw new Error("the mirror of this region has not received all revocations yet");
    return info;
  }

  #revocationOf(message: JsMsg): Revocation | undefined {
    const storedAt = Math.floor(message.info.timestampNanos / 1e9);
    const revocation = parseRevocation(message.string(), storedAt, message.headers?.get(TTL_HEADER));
    if (revocation === undefined) this.#warnOfBody();
    return revocation;
  }
}

/** NATS has answered that this account may not use the stream. */
const isRefusal = (error: unknown): boolean =>
  error instanceof JetStreamApiError || error instanceof PermissionViolationError;
