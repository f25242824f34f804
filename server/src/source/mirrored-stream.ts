/** The stream in a region that is not the home region: a mirror on the region's own NATS server. */

import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { mirrorConfig, streamConfig, streamSettings } from "@odin-ws/publisher/stream-settings";
import type { Log } from "../log.ts";
import { HomeMirror } from "./home-mirror.ts";
import type { HomeRegion } from "./home-region.ts";
import type { RegionStatus } from "./source.ts";
import { type ConsumerSettings, firstFrom } from "./stream-consumer.ts";
import type { StreamCursor } from "./stream-cursor.ts";
import { EpochWriter, epochOf } from "./stream-epoch.ts";
import type { StreamPlace, StreamSettings } from "./stream-setup.ts";

export class MirroredStream implements StreamPlace {
  readonly #settings: StreamSettings & ConsumerSettings;
  readonly #home: HomeRegion;
  readonly #onStatus: (status: RegionStatus) => void;
  readonly #mirror: HomeMirror;
  readonly #homeEpoch: EpochWriter;
  readonly #mirrorEpoch: EpochWriter;
  /** The stream of the home region at its last answer. */
  #origin: StreamInfo | undefined;
  /** Last sequence that the mirror of a stream that was not read before must have before it is read. */
  #wanted: number | undefined;
  /** Home did not answer: on its return, its stream may have lost messages that this gateway has read. */
  #doubtful = false;
  #replace: string | undefined;

  constructor(
    settings: StreamSettings & ConsumerSettings,
    home: HomeRegion,
    log: Log,
    onStatus: (status: RegionStatus) => void,
  ) {
    this.#settings = settings;
    this.#home = home;
    this.#onStatus = onStatus;
    this.#mirror = new HomeMirror({
      config: mirrorConfig(streamConfig(streamSettings(settings)), home.domain),
      home,
      log,
      epochOf,
    });
    this.#homeEpoch = new EpochWriter(log);
    this.#mirrorEpoch = new EpochWriter(log);
  }

  connect(connection: NatsConnection): Promise<void> {
    return this.#home.connect(connection);
  }

  async find(manager: JetStreamManager, cursor: StreamCursor): Promise<StreamInfo | undefined> {
    const found = await this.#mirror.find(manager, this.#replace);
    this.#replace = undefined;
    if (found === undefined) return undefined;
    const { info, origin } = found;
    this.#compare(info, origin);
    return this.#isComplete(info, origin, cursor) ? info : undefined;
  }

  /** A new mirror is read when it has what home had at first: a reader would take less for all there is. */
  #isComplete({ state, ...info }: StreamInfo, origin: StreamInfo | undefined, cursor: StreamCursor): boolean {
    const { last_seq: has } = state;
    const follows = cursor.follows(info);
    if (origin === undefined) this.#wanted = undefined;
    else if (!follows) this.#wanted ??= origin.state.last_seq;
    if (this.#wanted !== undefined && has < this.#wanted) return false;
    this.#wanted = undefined;
    // A mirror that is behind what was read has not caught up. When home itself went back, its end counts: a
    // reader would take an earlier end for the last message that home still has, and deliver messages twice.
    return !follows || has >= Math.min(cursor.seq, origin?.state.last_seq ?? Infinity);
  }

  async check(
    manager: JetStreamManager,
    cursor: StreamCursor,
  ): Promise<{ info: StreamInfo; problem?: string | undefined }> {
    const mirror = await manager.streams.info(this.#settings.JS_STREAM_NAME);
    const origin = await this.#home.stream(this.#settings.JS_STREAM_NAME);
    const info = this.#mirror.asOrigin(mirror);
    if (info === undefined) return { info: mirror, problem: "the mirror does not name its origin" };
    this.#compare(info, origin);
    if (!this.#home.answers) this.#doubtful = true;
    if (origin === undefined) return { info };
    let problem = this.#mirror.problem(mirror, origin);
    if (problem === undefined && this.#doubtful && (await this.#differs(origin, cursor)))
      problem = "the home region has other messages than the mirror";
    this.#doubtful = false;
    this.#replace = problem;
    return { info, problem };
  }

  #differs(origin: StreamInfo, cursor: StreamCursor): Promise<boolean> {
    return cursor.differsFrom(origin, (seq) => firstFrom(this.#home.manager, this.#settings, seq));
  }

  #compare({ state }: StreamInfo, origin: StreamInfo | undefined): void {
    this.#origin = origin ?? this.#origin;
    this.#home.compare(state.last_seq, origin?.state.last_seq);
    this.#onStatus(this.#home.status);
  }

  /** While home does not answer, its end is not known: a client may have read more than this region has. */
  async end(_manager: JetStreamManager, cursor: StreamCursor): Promise<number | undefined> {
    if (!this.#home.answers) return undefined;
    const origin = await this.#home.stream(this.#settings.JS_STREAM_NAME);
    return origin?.created === cursor.created ? origin.state.last_seq : undefined;
  }

  /** Home first: a mirror with another epoch than home is created again. */
  async writeEpoch(manager: JetStreamManager, info: StreamInfo, epoch: string): Promise<void> {
    const origin = this.#origin;
    if (origin?.created !== info.created || !this.#home.answers) return;
    if (await this.#homeEpoch.write(this.#home.manager, origin, epoch))
      await this.#mirrorEpoch.write(manager, info, epoch);
  }
}
