/**
 * Shares the dictionaries of the compact encoding among the gateways of a stream, over the connection of the
 * source. They are in the metadata of a stream of their own, which never has a message: gateways may create
 * and update streams, but may not publish.
 *
 * Two gateways may write at the same moment; then one of them is overwritten. Every gateway uses what it
 * reads, so all gateways soon use the same, and a lost dictionary is offered again.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import {
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  type StreamInfo,
} from "@nats-io/jetstream";
import { type NatsConnection, PermissionViolationError } from "@nats-io/transport-node";
import { dictionariesConfig, explainedCount } from "@odin-ws/publisher/stream-settings";
import type { Config } from "../config.ts";
import { atMostEvery, type Log } from "../log.ts";
import type { DictionaryBytes } from "./source.ts";
import { isStreamNameInUse, isStreamNotFound } from "./stream-setup.ts";

export interface DictionaryShelfOptions {
  config: Pick<Config, "JS_STREAM_NAME" | "JS_REPLICAS" | "WS_COMPACT">;
  log: Pick<Log, "info" | "warn">;
  /** Called with each dictionary that all gateways use from now on. */
  onDictionary: (dictionary: DictionaryBytes) => void;
}

const PREFIX = "odin-dictionary-";
const REQUEST_TIMEOUT_MS = 2000;
/** How often the dictionaries of the other gateways are looked for. */
const POLL_MS = 5000;
const RETRY_MS = 500;
/** NATS refuses more metadata than 128 KiB. */
const MAX_METADATA_BYTES = 120_000;
/** After this many failures in a row, this gateway uses its own dictionaries. */
const MAX_FAILURES = 5;
const WARN_INTERVAL_MS = 60_000;

const packed = (bytes: Uint8Array): string => deflateRawSync(bytes).toString("base64");
const unpacked = (text: string): Uint8Array => inflateRawSync(Buffer.from(text, "base64"));

export class DictionaryShelf {
  readonly #options: DictionaryShelfOptions;
  readonly #config: ReturnType<typeof dictionariesConfig>;
  readonly #warn: () => void;
  /** Packed dictionaries in use, by event. */
  readonly #known = new Map<string, string>();
  /** Dictionaries that this gateway offers, by event. */
  #offers = new Map<string, Uint8Array>();
  #lastError: unknown;
  /** True while this gateway uses its own dictionaries. */
  #alone = false;
  #wake: () => void = () => {};

  constructor(options: DictionaryShelfOptions) {
    this.#options = options;
    const { config, log } = options;
    this.#config = dictionariesConfig(config.JS_STREAM_NAME, config.JS_REPLICAS);
    this.#warn = atMostEvery(WARN_INTERVAL_MS, (count) =>
      log.warn(
        { err: this.#lastError, count, stream: this.#config.name },
        "cannot share the dictionaries of the compact encoding: clients get them again from each gateway",
      ),
    );
  }

  /** Name of the stream whose metadata has the dictionaries. */
  get name(): string {
    return this.#config.name;
  }

  /**
   * Reads over this connection until it is closed. Resolves when the present dictionaries are known, or when
   * the first attempt to read them has failed: the messages of the stream must not wait for dictionaries.
   */
  follow(connection: NatsConnection): Promise<void> {
    const known = Promise.withResolvers<void>();
    if (this.#options.config.WS_COMPACT) void this.#run(connection, known.resolve);
    else known.resolve();
    return known.promise;
  }

  /** Offers a dictionary to all gateways. */
  offer({ event, bytes }: DictionaryBytes): void {
    if (this.#alone) this.#options.onDictionary({ event, bytes });
    else this.#offers.set(event, bytes);
    this.#wake();
  }

  async #run(connection: NatsConnection, onKnown: () => void): Promise<void> {
    let failures = 0;
    while (!connection.isClosed()) {
      try {
        const manager = await jetstreamManager(connection, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false });
        await this.#exchange(manager);
        failures = 0;
        this.#alone = false;
        onKnown();
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await Promise.race([promise, sleep(POLL_MS, undefined, { ref: false })]);
      } catch (error) {
        onKnown();
        await sleep(RETRY_MS);
        if (connection.isClosed()) break;
        this.#lastError = explainedCount(error, this.#config.name, "set WS_COMPACT=false");
        failures++;
        if (failures < MAX_FAILURES && !isRefusal(error)) continue;
        this.#useOwn();
        await sleep(POLL_MS, undefined, { ref: false });
      }
    }
    onKnown();
  }

  #useOwn(): void {
    this.#warn();
    this.#alone = true;
    const offers = this.#offers;
    this.#offers = new Map();
    for (const [event, bytes] of offers) this.#options.onDictionary({ event, bytes });
  }

  /** Takes the dictionaries of other gateways, and writes those that this gateway offers. */
  async #exchange(manager: JetStreamManager): Promise<void> {
    const { config } = await this.#find(manager);
    const metadata = config.metadata ?? {};
    this.#take(metadata);
    if (this.#offers.size === 0) return;
    const offers = [...this.#offers];
    const added: Record<string, string> = {};
    for (const [event, bytes] of offers) added[PREFIX + event] = packed(bytes);
    const all = { ...metadata, ...added };
    if (JSON.stringify(all).length > MAX_METADATA_BYTES)
      throw new Error(`the dictionaries take more than ${MAX_METADATA_BYTES} bytes`);
    const updated = await manager.streams.update(this.name, { metadata: all });
    this.#take(updated.config.metadata ?? {});
    for (const [event, bytes] of offers) if (this.#offers.get(event) === bytes) this.#offers.delete(event);
  }

  #take(metadata: Record<string, string>): void {
    for (const [name, text] of Object.entries(metadata)) {
      const event = name.slice(PREFIX.length);
      if (!name.startsWith(PREFIX) || this.#known.get(event) === text) continue;
      this.#known.set(event, text);
      // An offer for an event whose dictionary has just changed is too late.
      this.#offers.delete(event);
      this.#options.onDictionary({ event, bytes: unpacked(text) });
    }
  }

  async #find(manager: JetStreamManager): Promise<StreamInfo> {
    try {
      return await manager.streams.info(this.name);
    } catch (error) {
      if (!isStreamNotFound(error)) throw error;
    }
    try {
      const info = await manager.streams.add(this.#config);
      this.#options.log.info({ stream: this.name }, "created the stream of dictionaries");
      return info;
    } catch (error) {
      // Another gateway has created it meanwhile.
      if (!isStreamNameInUse(error)) throw error;
      return manager.streams.info(this.name);
    }
  }
}

/** NATS has answered that this account may not use the stream. */
const isRefusal = (error: unknown): boolean =>
  error instanceof JetStreamApiError || error instanceof PermissionViolationError;
