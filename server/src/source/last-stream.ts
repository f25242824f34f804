/**
 * The stream of last values: a mirror of the stream that keeps one message of each subject for a day. So a
 * gateway that starts also knows the newest messages that have left the stream.
 *
 * A mirror has the sequences of its stream, and only continues from its last sequence. When the stream was
 * created again, or went back, the mirror would keep old messages and miss new ones. So a gateway that
 * notices this deletes the mirror and creates another one.
 *
 * In another region than the home region, it is a mirror of the home region's stream of last values, which
 * has values of a whole day from the start.
 */

import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import {
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamManager,
  type StreamInfo,
} from "@nats-io/jetstream";
import {
  explainedLimit,
  lastValuesConfig,
  lastValuesName,
  mirrorConfig,
  streamSettings,
} from "@odin-ws/publisher/stream-settings";
import type { Config } from "../config.ts";
import { atMostEvery, type Log } from "../log.ts";
import { HomeMirror } from "./home-mirror.ts";
import type { HomeRegion } from "./home-region.ts";
import type { Intake, RawMessage } from "./source.ts";
import { type ConsumerSettings, rawOf } from "./stream-consumer.ts";
import { epochMetadata, namedEpoch } from "./stream-epoch.ts";
import { isStreamNameInUse, isStreamNotFound, type StreamSettings } from "./stream-setup.ts";

export type LastStreamSettings = StreamSettings & ConsumerSettings & Pick<Config, "WS_LAST_VALUES">;

/** How often a gateway makes sure that the stream of last values exists. */
const CHECK_MS = 60_000; // 1 min
/** The same while another region has no values of this epoch yet. */
const INCOMPLETE_CHECK_MS = 3000;
/** How often and how long a gateway of another region waits at its start until the mirror has all values. */
const FILL_POLL_MS = 200;
const FILL_MS = 5000;
/** After a loss, the values are read again, at most this often. */
const READ_AGAIN_MS = 300_000; // 5 min
/** A gateway starts without the rest when reading takes longer. */
const READ_MS = 10_000; // 10 s
/** NATS deletes a consumer that has not been read for this time. */
const INACTIVE_MS = 30_000; // 30 s
const PULL_EXPIRES_MS = 2000;
/** Messages that are given to the intake at once. */
const BATCH = 500;
const LOG_INTERVAL_MS = 60_000;

export class LastStream {
  readonly #settings: LastStreamSettings;
  readonly #log: Log;
  readonly #intake: Pick<Intake, "lastValues">;
  /** Undefined in the home region. */
  readonly #mirror: HomeMirror | undefined;
  readonly name: string;
  readonly #warn: (error: unknown) => void;
  /** Epoch of the stream whose values were read; empty before the first time. */
  #epoch = "";
  /** Epoch of the last attempt. */
  #triedEpoch = "";
  #busy = false;
  /** Times on the clock of performance.now(). */
  #checkedAt = Number.NEGATIVE_INFINITY;
  #readAt = Number.NEGATIVE_INFINITY;
  /** Messages left the stream unread: the newest of their channels are missing. */
  #lost = false;

  /** `home`: undefined in the home region. */
  constructor(
    settings: LastStreamSettings,
    log: Log,
    intake: Pick<Intake, "lastValues">,
    home: HomeRegion | undefined,
  ) {
    this.#settings = settings;
    this.#log = log;
    this.#intake = intake;
    this.name = lastValuesName(settings.JS_STREAM_NAME);
    this.#mirror =
      home &&
      new HomeMirror({
        config: mirrorConfig(lastValuesConfig(streamSettings(settings)), home.domain),
        home,
        log,
        epochOf: ({ config }) => namedEpoch(config)?.epoch ?? "unknown",
      });
    let last: unknown;
    const report = atMostEvery(LOG_INTERVAL_MS, (count) =>
      log.warn(
        { err: last, count, stream: this.name },
        "cannot use the stream of last values: after a start, clients get only values that were published since",
      ),
    );
    this.#warn = (error) => {
      last = error;
      report();
    };
  }

  /** Messages left the stream before they could be read. */
  lost(): void {
    this.#lost = true;
  }

  /**
   * Makes sure that the stream of last values belongs to this stream, and reads it when the gateway does not
   * know its values yet. Does nothing when this was done a short time ago. Never rejects: without last values
   * a gateway still serves everything else.
   *
   * @param info the stream that is read
   * @param epoch its epoch
   */
  async update(manager: JetStreamManager, info: StreamInfo, epoch: string): Promise<void> {
    const now = performance.now();
    const due = epoch !== this.#triedEpoch || now - this.#checkedAt >= CHECK_MS;
    if (!this.#settings.WS_LAST_VALUES || this.#busy || !due) return;
    this.#busy = true;
    this.#checkedAt = now;
    this.#triedEpoch = epoch;
    try {
      const usable = await (this.#mirror
        ? this.#prepareMirror(this.#mirror, manager, epoch)
        : this.#prepare(manager, info, epoch));
      if (!usable) return;
      const again = this.#lost && now - this.#readAt > READ_AGAIN_MS;
      if (epoch !== this.#epoch || again) await this.#read(manager);
      this.#epoch = epoch;
    } catch (error) {
      this.#warn(error);
    } finally {
      this.#busy = false;
    }
  }

  /**
   * The same in another region. The home region creates its stream of last values again when its epoch
   * changes, and this region follows.
   */
  async #prepareMirror(mirror: HomeMirror, manager: JetStreamManager, epoch: string): Promise<boolean> {
    const end = performance.now() + FILL_MS;
    do {
      const { info, origin } = (await mirror.find(manager)) ?? {};
      const complete = info !== undefined && info.state.last_seq >= (origin?.state.last_seq ?? 0);
      if (complete && namedEpoch(info.config)?.epoch === epoch) return true;
      // Without an epoch, no values were read yet. Later nothing waits for the values.
      if (this.#epoch !== "" || complete) break;
      await sleep(FILL_POLL_MS);
    } while (performance.now() < end);
    this.#checkedAt = performance.now() + INCOMPLETE_CHECK_MS - CHECK_MS;
    return false;
  }

  /** Returns false when there is no stream of last values that can be used. */
  async #prepare(manager: JetStreamManager, info: StreamInfo, epoch: string): Promise<boolean> {
    const found = await this.#find(manager);
    if (found === undefined) return this.#create(manager, info, epoch);
    if (found.config.mirror?.name !== this.#settings.JS_STREAM_NAME) {
      this.#warn(new Error(`${this.name} exists, and is not a mirror of ${this.#settings.JS_STREAM_NAME}`));
      return false;
    }
    // Asked after the mirror: otherwise a mirror with a message that was just published would be ahead.
    const stream = await manager.streams.info(this.#settings.JS_STREAM_NAME);
    if (stream.created !== info.created) return false; // the next consumer reads another stream
    const named = namedEpoch(found.config);
    const replaced = named !== undefined && named.created !== info.created;
    const ahead = found.state.last_seq > stream.state.last_seq;
    const wentBack = this.#epoch !== "" && this.#epoch !== epoch && named?.epoch !== epoch;
    if (!replaced && !ahead && !wentBack) return true;
    await manager.streams.delete(this.name);
    this.#log.info({ stream: this.name, replaced, ahead }, "the stream of last values is created again");
    return this.#create(manager, info, epoch);
  }

  async #find(manager: JetStreamManager): Promise<StreamInfo | undefined> {
    try {
      return await manager.streams.info(this.name);
    } catch (error) {
      if (isStreamNotFound(error)) return undefined;
      throw error;
    }
  }

  async #create(manager: JetStreamManager, { created }: StreamInfo, epoch: string): Promise<true> {
    try {
      const metadata = epochMetadata(epoch, created);
      await manager.streams.add({ ...lastValuesConfig(streamSettings(this.#settings)), metadata });
      this.#log.info({ stream: this.name }, "created the stream of last values");
    } catch (error) {
      // Another gateway has created it meanwhile.
      if (isStreamNameInUse(error)) return true;
      const settings = { ...streamSettings(this.#settings), name: this.name };
      throw explainedLimit(error, settings, "set WS_LAST_VALUES=false");
    }
    return true;
  }

  async #read(manager: JetStreamManager): Promise<void> {
    this.#lost = false;
    this.#readAt = performance.now();
    const consumer = await manager.jetstream().consumers.get(this.name, {
      deliver_policy: DeliverPolicy.All,
      name_prefix: `${this.#settings.JS_CONSUMER_NAME}-${randomBytes(6).toString("hex")}`,
      inactive_threshold: INACTIVE_MS,
    });
    try {
      if ((await consumer.info(true)).num_pending === 0) return;
      const messages = await consumer.consume({ max_messages: BATCH, expires: PULL_EXPIRES_MS });
      const timer = setTimeout(() => messages.stop(), READ_MS);
      try {
        if (!(await this.#take(messages))) throw new Error(`it was not read within ${READ_MS / 1000} s`);
      } finally {
        clearTimeout(timer);
        messages.stop();
      }
    } finally {
      void consumer.delete().catch(() => {});
    }
  }

  /** Resolves with true when the last message was read. */
  async #take(messages: ConsumerMessages): Promise<boolean> {
    let batch: RawMessage[] = [];
    for await (const message of messages) {
      batch.push(rawOf(message));
      const end = message.info.pending === 0;
      if (batch.length < BATCH && !end) continue;
      this.#intake.lastValues(batch);
      batch = [];
      if (end) return true;
      await nextTurn(); // health checks are answered meanwhile
    }
    this.#intake.lastValues(batch);
    return false;
  }
}
