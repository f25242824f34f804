/**
 * How a gateway reads the stream: the cursor of the gateway, and consumers that deliver late, deliver
 * messages again, and end. Does what server/src/source/jetstream.ts does, without NATS.
 */

import type { Log } from "../../server/src/log.ts";
import type { Intake } from "../../server/src/source/source.ts";
import { StreamCursor } from "../../server/src/source/stream-cursor.ts";
import type { SimClock } from "./clock.ts";
import type { SimMessage, SimStream } from "./stream.ts";

const CHECK_MS = 1000;
const RETRY_MS = 250;
const NS_PER_MS = 1e6;

export class SimSource {
  /** Time from the storing of a message until it arrives at the earliest, ms. */
  lagMs = 0;
  readonly #clock: SimClock;
  readonly #stream: SimStream;
  readonly #intake: Intake;
  readonly #cursor: StreamCursor;
  readonly #random: () => number;
  /** Number of the current consumer. Deliveries of an earlier one are ignored. */
  #consumer = 0;
  /** Sequence from which the consumer delivers next. */
  #next = 1;
  #arrivesAt = 0;
  #delivering = false;
  #connected = true;
  #ended = false;
  #target = 0;
  /** Creation time of the consumer's stream: when another stream takes its place, the consumer is gone. */
  #created = "";

  constructor(clock: SimClock, stream: SimStream, intake: Intake, log: Log, random: () => number) {
    this.#clock = clock;
    this.#stream = stream;
    this.#intake = intake;
    this.#random = random;
    this.#cursor = new StreamCursor(intake, log);
    intake.status({ connected: true });
    void this.restart();
    this.#check();
  }

  /** Sequence of the last message that was read. */
  get readUpTo(): number {
    return this.#cursor.seq;
  }

  end(): void {
    this.#ended = true;
    this.#consumer++;
  }

  /** Sequence of the stream's last message; undefined when NATS is away. */
  async streamEnd(): Promise<number | undefined> {
    const { created, state } = this.#stream.info;
    return this.#connected && created === this.#cursor.created ? state.last_seq : undefined;
  }

  /** NATS is away for this time. */
  disconnect(ms: number): void {
    this.#consumer++;
    this.#connected = false;
    this.#intake.status({ connected: false });
    this.#clock.after(ms, () => {
      if (this.#ended || this.#connected) return;
      this.#connected = true;
      this.#intake.status({ connected: true });
      void this.restart();
    });
  }

  /** Another consumer starts with the last message that was read. */
  async restart(): Promise<void> {
    const consumer = ++this.#consumer;
    if (!this.#connected || this.#ended) return;
    const { info } = this.#stream;
    await this.#cursor.locate(info, async (seq) => this.#stream.from(seq));
    if (consumer !== this.#consumer) return;
    this.#stream.name(this.#cursor.epoch);
    this.#target = info.state.last_seq;
    this.#created = info.created;
    this.#next = Math.max(1, this.#cursor.seq);
    const isWarm = this.#cursor.seq >= this.#target;
    this.#intake.status({ warm: isWarm, lag: Math.max(0, this.#target - this.#cursor.seq) });
    if (this.#stream.from(this.#next) === undefined) this.#passHoles();
    this.#deliver(consumer);
  }

  /** The consumer delivers its last messages again. */
  repeat(count: number): void {
    this.#next = Math.max(1, this.#next - count);
    this.#deliver(this.#consumer);
  }

  stored(): void {
    this.#deliver(this.#consumer);
  }

  #passHoles(): void {
    this.#cursor.passHoles(this.#stream.info);
    if (this.#cursor.seq >= this.#target) this.#intake.status({ warm: true });
  }

  /** Delivers the next message after some time, and then the ones behind it. */
  #deliver(consumer: number): void {
    if (this.#delivering || !this.#connected || this.#ended) return;
    if (this.#stream.info.created !== this.#created) return;
    const message = this.#stream.from(this.#next);
    if (message === undefined) return;
    this.#delivering = true;
    const { now } = this.#clock;
    const sentAt = Math.max(now, message.storedAt / NS_PER_MS + this.lagMs);
    this.#arrivesAt = Math.max(this.#arrivesAt, Math.ceil(sentAt) + Math.floor(this.#random() * 5));
    this.#clock.after(this.#arrivesAt - now, () => {
      this.#delivering = false;
      if (consumer !== this.#consumer) return this.#deliver(this.#consumer);
      if (this.#stream.info.created !== this.#created) return;
      this.#next = message.seq + 1;
      this.#take(message);
      this.#deliver(this.#consumer);
    });
  }

  #take(message: SimMessage): void {
    const found = this.#cursor.take(message);
    if (found === "other") return void this.restart();
    if (found === "next") {
      const { subject, seq: offset, storedAt, body } = message;
      this.#intake.message({ subject, offset, ts: Math.floor(storedAt / NS_PER_MS), body });
    }
    if (this.#stream.from(message.seq + 1) === undefined) this.#passHoles();
    if (this.#cursor.seq >= this.#target) this.#intake.status({ warm: true });
  }

  #check(): void {
    if (this.#ended) return;
    this.#clock.after(CHECK_MS, () => this.#check());
    if (!this.#connected) return;
    const { info } = this.#stream;
    if (this.#cursor.problemWith(info, this.#cursor.seq) !== undefined) {
      this.#clock.after(Math.floor(this.#random() * RETRY_MS), () => void this.restart());
      return;
    }
    this.#intake.status({ lag: Math.max(0, info.state.last_seq - this.#cursor.seq) });
    // The last messages left the stream before they could be read.
    if (this.#stream.from(this.#cursor.seq + 1) === undefined && this.#cursor.seq < info.state.last_seq) {
      this.#cursor.skipTo(info.state.last_seq);
      this.#intake.status({ warm: true });
    }
  }
}
