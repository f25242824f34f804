/**
 * The stream on NATS itself: creates the stream when it is missing, and compares an existing stream with the
 * settings.
 */

import { JetStreamApiError, type JetStreamManager, type StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { explainedLimit, streamConfig, streamSettings } from "@odin-ws/publisher/stream-settings";
import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import type { StreamCursor } from "./stream-cursor.ts";
import { EpochWriter } from "./stream-epoch.ts";

export type StreamSettings = Pick<
  Config,
  | "JS_STREAM_NAME"
  | "JS_STORAGE"
  | "JS_REPLICAS"
  | "JS_STREAM_MAX_AGE"
  | "JS_STREAM_MAX_MSGS"
  | "JS_STREAM_MAX_BYTES"
>;

/**
 * Wait before a deleted stream is created again: an operator may be about to create it with other settings.
 */
const RECREATE_AFTER_MS = 2000;
/** JetStream's error code. */
const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;

/** Where a gateway reads the stream: in the home region the stream itself, in another region its mirror. */
export interface StreamPlace {
  /** Called with each connection, before all other methods. */
  connect(connection: NatsConnection): Promise<void>;
  /** Returns the stream, which is created when it is missing; undefined: it cannot be read yet, try again. */
  find(manager: JetStreamManager, cursor: StreamCursor): Promise<StreamInfo | undefined>;
  /** Returns the state of the stream, and why it must be looked for again with `find`, if it must. */
  check(
    manager: JetStreamManager,
    cursor: StreamCursor,
  ): Promise<{ info: StreamInfo; problem?: string | undefined }>;
  /** Resolves with the sequence of the stream's last message; undefined when it is not known. */
  end(manager: JetStreamManager, cursor: StreamCursor): Promise<number | undefined>;
  /** Writes the epoch into the metadata of the stream when they name another one. Never rejects. */
  writeEpoch(manager: JetStreamManager, info: StreamInfo, epoch: string): Promise<void>;
}

export class StreamSetup implements StreamPlace {
  readonly #settings: StreamSettings;
  readonly #log: Log;
  readonly #epochWriter: EpochWriter;
  /** On the clock of performance.now(); undefined while the stream exists. */
  #missingSince: number | undefined;

  constructor(settings: StreamSettings, log: Log) {
    this.#settings = settings;
    this.#log = log;
    this.#epochWriter = new EpochWriter(log);
  }

  async connect(): Promise<void> {}

  async check(manager: JetStreamManager): Promise<{ info: StreamInfo }> {
    return { info: await manager.streams.info(this.#settings.JS_STREAM_NAME) };
  }

  async end(manager: JetStreamManager, { created }: StreamCursor): Promise<number | undefined> {
    const { info } = await this.check(manager);
    return info.created === created ? info.state.last_seq : undefined;
  }

  async writeEpoch(manager: JetStreamManager, info: StreamInfo, epoch: string): Promise<void> {
    await this.#epochWriter.write(manager, info, epoch);
  }

  /**
   * Returns the stream, which is created when it is missing; undefined while it is too early to create it
   * again.
   */
  async find(manager: JetStreamManager, { created: known }: StreamCursor): Promise<StreamInfo | undefined> {
    try {
      const info = await manager.streams.info(this.#settings.JS_STREAM_NAME);
      this.#missingSince = undefined;
      if (info.created !== known) this.#logDifferences(info);
      return info;
    } catch (error) {
      if (!isStreamNotFound(error)) throw error;
    }
    const now = performance.now();
    this.#missingSince ??= now;
    if (known !== "" && now - this.#missingSince < RECREATE_AFTER_MS) return undefined;
    const info = await this.#create(manager);
    this.#missingSince = undefined;
    return info;
  }

  async #create(manager: JetStreamManager): Promise<StreamInfo> {
    const settings = streamSettings(this.#settings);
    try {
      const info = await manager.streams.add(streamConfig(settings));
      this.#log.info({ stream: settings.name }, "created the stream");
      return info;
    } catch (error) {
      throw explainedLimit(error, settings);
    }
  }

  /**
   * Logs the limits in which an existing stream differs from the settings. The stream itself is not changed.
   */
  #logDifferences({ config }: StreamInfo): void {
    const settings = streamConfig(streamSettings(this.#settings));
    const differences = Object.entries({
      subjects: [config.subjects?.toSorted().join(), settings.subjects.toSorted().join()],
      storage: [config.storage, settings.storage],
      replicas: [config.num_replicas, settings.num_replicas],
      max_age_ms: [config.max_age / 1e6, settings.max_age / 1e6],
      max_msgs: [config.max_msgs, settings.max_msgs],
      max_bytes: [config.max_bytes, settings.max_bytes],
    }).filter(([, [is, wanted]]) => is !== wanted);
    if (differences.length === 0) return;
    const shown = Object.fromEntries(differences.map(([limit, [is, wanted]]) => [limit, { is, wanted }]));
    this.#log.warn(
      { stream: config.name, differences: shown },
      "the stream has other limits than the settings; it is not changed",
    );
  }
}

const hasCode = (error: unknown, code: number): boolean =>
  error instanceof JetStreamApiError && error.code === code;

export const isStreamNotFound = (error: unknown): boolean => hasCode(error, STREAM_NOT_FOUND);
/** A stream with this name exists, with another configuration. */
export const isStreamNameInUse = (error: unknown): boolean => hasCode(error, STREAM_NAME_IN_USE);
