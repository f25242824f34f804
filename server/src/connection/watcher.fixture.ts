/**
 * For tests: a client that knows only PROTOCOL.md, and does what PROTOCOL.md asks of clients: it requests
 * what is missing, and resumes from its position. It checks each message that it receives.
 */

import assert from "node:assert/strict";
import { type ControlMessage, covers } from "@odin-ws/protocol";
import { CompactReader } from "./compact-reader.fixture.ts";
import { FakeClient, type ReceivedEnvelope } from "./fake-client.fixture.ts";
import type { ThrottleSettings } from "./throttle.ts";
import { Course, type Request, type Subscribing } from "./watcher-course.fixture.ts";
import type { World } from "./world.fixture.ts";

export type Encoding = "plain" | "deflate" | "compact";

interface SubscribeOptions {
  rate?: number | undefined;
  last?: boolean;
  back?: number | undefined;
}
type Ack = Extract<ControlMessage, { type: "subscription_ack" }>;
type Throttled = Extract<ControlMessage, { type: "throttle_update" }>;

/** A message of the stream. */
export interface Published {
  offset: number;
  channel: string;
  data: unknown;
  ts: number;
  priority: string;
}

/** The stream that a watcher sees, and the gateway of its connection. */
export interface Watched {
  readonly world: World;
  readonly epoch: string;
  /** The gateway has shed load. */
  readonly sheds: boolean;
  /** Messages of this epoch. */
  readonly messages: readonly Published[];
  /** @throws AssertionError when the stream of this epoch has no such message */
  message(epoch: string, offset: number): Published;
}

export class Watcher {
  client: FakeClient;
  readonly #stage: Watched;
  readonly #encoding: Encoding;
  readonly #throttle: Partial<ThrottleSettings>;
  #course = new Course();
  #epoch: string;
  /** Highest offset that came, or that a heartbeat named. */
  #frontier = 0;
  /** Channels and patterns that are wanted, with their rates. */
  readonly #names = new Map<string, number | undefined>();
  /** Offset behind which the messages of a subscription are due, in the epoch of the gateway. */
  #owed = new Map<string, number>();
  /** Last values that are due, with the channel or pattern that brings them. */
  #lastDue = new Map<number, string>();
  /** What came in this epoch, on all connections. */
  #got = new Set<number>();
  /** Messages that may be left out, because their channels had a rate when they were published. */
  #limited = new Set<number>();
  /** All messages, without their data. */
  readonly log: object[] = [];
  readonly counted = { messages: 0, throttled: 0, replays: 0 };

  constructor(stage: Watched, encoding: Encoding, throttle: Partial<ThrottleSettings>) {
    this.#stage = stage;
    this.#encoding = encoding;
    this.#throttle = throttle;
    this.#epoch = stage.epoch;
    this.client = this.#connect(new CompactReader());
  }

  #connect(reader: CompactReader): FakeClient {
    return new FakeClient(this.#stage.world, {
      throttle: this.#throttle,
      deflateWindowBits: this.#encoding === "deflate" ? 15 : 0,
      ...(this.#encoding === "compact" && { compact: reader }),
    });
  }

  get closed(): boolean {
    return this.client.closed.length > 0 || this.client.terminated;
  }

  // ——— what the world does ———

  /** A message was published. */
  published(offset: number, channel: string): void {
    const matching = this.client.connection.subscriptions.topics.filter(({ name }) => covers(name, channel));
    if (matching.length > 0 && matching.every(({ intervalMs }) => intervalMs > 0)) this.#limited.add(offset);
  }

  /** Another stream has taken the place of the one before. */
  replaced(): void {
    this.#owed = new Map(this.client.connection.subscriptions.names.map((name) => [name, 0]));
    this.#limited = new Set();
    this.#lastDue = new Map();
  }

  /** Takes note of the subscriptions that the gateway has made or removed. */
  noticeSubscriptions(): void {
    const names = new Set(this.client.connection.subscriptions.names);
    for (const name of this.#owed.keys()) if (!names.has(name)) this.#owed.delete(name);
    for (const name of names) {
      if (this.#owed.has(name)) continue;
      const request = this.#course.asked.find(
        (one): one is Request & Subscribing => one.type === "subscribe" && one.channels.includes(name),
      );
      const { since, last } = request ?? {};
      const { epoch, messages, world } = this.#stage;
      const resumes = since?.epoch === epoch;
      this.#owed.set(name, resumes ? since.offset : world.offset);
      if (!last || resumes) continue;
      const newest = new Map<string, number>();
      for (const { channel, offset } of messages) if (covers(name, channel)) newest.set(channel, offset);
      for (const offset of newest.values()) this.#lastDue.set(offset, name);
    }
  }

  // ——— what the client does ———

  /** Takes no more bytes. */
  stall(): void {
    this.client.socket.room = 0;
    this.#course.stalled = true;
  }

  get #now() {
    return { sentAt: Date.now(), epoch: this.#epoch };
  }

  #send(request: Request): void {
    this.#course.asked.push(request);
    const { sentAt: _, epoch: __, ...message } = request;
    this.client.send(message);
  }

  /** `back`: also this many offsets before now. */
  subscribe(channels: readonly string[], options: SubscribeOptions): void {
    const { rate, last, back } = options;
    const known = this.#epoch === this.#stage.epoch ? this.#stage.world.offset : this.#frontier;
    const since = back === undefined ? undefined : Math.max(0, known - back);
    this.#subscribe(channels, rate, last === true, since);
  }

  #subscribe(
    channels: readonly string[],
    rate: number | undefined,
    last: boolean,
    since: number | undefined,
  ): void {
    for (const name of channels) this.#names.set(name, rate);
    this.#send({
      type: "subscribe",
      ...this.#now,
      channels,
      ...(since !== undefined && { since: { epoch: this.#epoch, offset: since } }),
      ...(last && { last: true }),
      ...(rate !== undefined && { max_rate: rate }),
    });
  }

  unsubscribe(name: string): void {
    this.#names.delete(name);
    this.#send({ type: "unsubscribe", ...this.#now, channels: [name] });
  }

  heartbeat(): void {
    this.#send({ type: "heartbeat", ...this.#now });
  }

  /** Offset from which a client must resume when the connection ends now. */
  get #position(): number {
    const { gaps, asked, answer, throttledSince, droppedSince } = this.#course;
    const requested = asked.map((one) => (one.type === "subscribe" && one.since?.offset) || Infinity);
    const open = answer.left > 0 ? answer.since : Infinity;
    return Math.min(this.#frontier, ...gaps.values(), ...requested, open, throttledSince, droppedSince);
  }

  /** Requests all subscriptions with what they carried after this offset. */
  #resume(since: number): void {
    for (const rate of new Set(this.#names.values())) {
      const names = [...this.#names].filter(([, one]) => one === rate).map(([name]) => name);
      this.#subscribe(names, rate, rate !== undefined, since);
    }
  }

  /** The connection ends. `lost`: what was written before is not read any more. */
  reconnect(lost: boolean): void {
    if (!lost) this.receive();
    const since = this.#position;
    this.client.connection.detach();
    this.client = this.#connect(this.client.reader);
    this.#course = new Course();
    this.#owed = new Map();
    this.#lastDue = new Map();
    this.#frontier = since;
    this.#resume(since);
    // The welcome names the present epoch.
    if (this.#epoch !== this.#stage.epoch) this.#begin(this.#stage.epoch, this.#stage.world.offset);
    this.noticeSubscriptions();
  }

  /** Requests what is missing. Returns false when nothing is missing. */
  request(): boolean {
    const course = this.#course;
    if (course.asked.length > 0 || course.answer.left > 0) return false;
    if (course.droppedSince < Infinity || course.gone.size > 0) {
      this.#resume(this.#position);
      course.droppedSince = Infinity;
      for (const seq of course.gone) course.gaps.delete(seq);
      course.gone.clear();
      return true;
    }
    const from = Math.min(...course.gaps.keys());
    if (from === Infinity) return false;
    let to = from;
    while (course.gaps.has(to + 1)) to++;
    this.#send({ type: "replay", ...this.#now, from_seq: from, to_seq: to });
    return true;
  }

  // ——— what comes ———

  receive(): void {
    for (const one of this.client.take()) {
      this.log.push({ ...one, data: undefined });
      if (one.type === "envelope") this.#envelope(one);
      else if (one.type === "subscription_ack") this.#acknowledged(one);
      else if (one.type === "throttle_update") this.#throttled(one);
      else if (one.type === "heartbeat_ack") this.#alive(one.seq, one.offset);
      else if (one.type === "replay_end") this.#replayed(one.from_seq, one.to_seq);
      else if (one.type === "error") {
        assert.equal(one.code, "rate_limited", JSON.stringify(one));
        this.#answered("replay");
      } else assert.equal(one.type, "ping");
    }
  }

  #answered<Type extends Request["type"]>(...types: Type[]): Extract<Request, { type: Type }> {
    const request = this.#course.asked.shift();
    assert.ok(
      types.some((type) => type === request?.type),
      `${types} answers ${request?.type}`,
    );
    // Messages of channels that were unsubscribed meanwhile are left out.
    if ([request, ...this.#course.asked].some((one) => one?.type === "unsubscribe"))
      this.#course.answer.left = 0;
    assert.equal(this.#course.answer.left, 0, "the answer before is complete");
    return request as Extract<Request, { type: Type }>;
  }

  #acknowledged({ subscribed, recovered, replayed = 0, last = 0 }: Ack): void {
    const course = this.#course;
    const request = this.#answered("subscribe", "unsubscribe");
    course.subscribed = subscribed;
    course.counts = new Map();
    course.changedAt = request.sentAt;
    if (request.type === "unsubscribe") {
      // What a channel brings when it is subscribed again may come again.
      for (const offset of course.given) {
        const { channel } = this.#stage.message(this.#epoch, offset);
        if (request.channels.some((name) => covers(name, channel))) course.given.delete(offset);
      }
      for (const name of request.channels) {
        if (this.#owed.has(name)) this.#owed.set(name, this.#stage.world.offset);
      }
      return;
    }
    const { since, channels } = request;
    assert.equal(recovered === undefined, since === undefined);
    course.mayHaveLast = request.epoch !== this.#epoch;
    // The messages of the other stream do not come.
    if (course.mayHaveLast) return;
    if (since !== undefined) {
      assert.equal(recovered, true, "the history has everything");
      for (const name of channels) {
        const owed = this.#owed.get(name);
        if (owed !== undefined) this.#owed.set(name, Math.min(owed, since.offset));
      }
    }
    course.answer = { left: replayed + last, last, since: since?.offset ?? Infinity, offset: 0 };
  }

  #throttled({ level, dropped, since }: Throttled): void {
    const course = this.#course;
    if (since.epoch !== this.#epoch) return this.#begin(since.epoch, since.offset);
    assert.ok(level === 0 || course.stalled || this.#stage.sheds, "a client that keeps up is not throttled");
    if (level > 0) this.counted.throttled++;
    course.throttledSince = level > 0 ? Math.min(course.throttledSince, since.offset) : Infinity;
    if (level === 0 && dropped > 0) course.droppedSince = Math.min(course.droppedSince, since.offset);
  }

  /** From now on messages are those of another stream. */
  #begin(epoch: string, offset: number): void {
    const course = this.#course;
    this.#epoch = epoch;
    this.#frontier = offset;
    this.#got = new Set();
    course.given = new Set();
    course.newest = new Map();
    course.counts = new Map();
    course.gaps.clear();
    course.gone.clear();
    course.answer.left = 0;
    course.throttledSince = course.droppedSince = Infinity;
  }

  #alive(seq: number, offset: number): void {
    this.#answered("heartbeat");
    this.#notice(seq + 1);
    if (this.#course.gaps.size === 0) this.#frontier = Math.max(this.#frontier, offset);
  }

  /** Everything before this sequence was sent. */
  #notice(seq: number): void {
    const course = this.#course;
    for (let missing = course.highest + 1; missing < seq; missing++) {
      assert.ok(course.stalled, "nothing is missing for a client that keeps up");
      course.gaps.set(missing, this.#position);
    }
    course.highest = Math.max(course.highest, seq - 1);
  }

  #replayed(from: number, to: number): void {
    this.#answered("replay");
    this.counted.replays++;
    for (const seq of this.#course.gaps.keys()) if (seq >= from && seq <= to) this.#course.gone.add(seq);
  }

  #envelope(one: ReceivedEnvelope): void {
    const course = this.#course;
    const { seq, offset, channel } = one;
    this.counted.messages++;
    const { data, ts, priority, channel: published } = this.#stage.message(this.#epoch, offset);
    assert.deepEqual([one.channel, one.data, one.ts, one.priority], [published, data, ts, priority]);
    const before = course.seqs.get(seq);
    assert.ok(before === undefined || before === offset, `seq ${seq} is ${before} and ${offset}`);
    const isLate = seq <= course.highest;
    if (before === undefined) {
      assert.ok(!course.given.has(offset), `${offset} comes twice`);
      course.seqs.set(seq, offset);
      course.given.add(offset);
      this.#notice(seq);
      course.highest = Math.max(course.highest, seq);
      course.gaps.delete(seq);
      course.gone.delete(seq);
    }
    const { answer } = course;
    if (answer.left > 0) {
      // The last values come first, and each part is in order.
      const isLast = answer.last > 0;
      assert.equal(one.last === true, isLast, `${offset} is ${isLast ? "a" : "no"} last value`);
      assert.ok(offset > answer.offset, `${offset} comes after ${answer.offset} in an answer`);
      answer.left--;
      if (isLast) answer.last--;
      answer.offset = isLast && answer.last === 0 ? 0 : offset;
    } else if (!isLate && !(one.last && course.mayHaveLast)) this.#live(one);
    course.newest.set(channel, Math.max(course.newest.get(channel) ?? 0, offset));
    this.#got.add(offset);
    this.#frontier = Math.max(this.#frontier, offset);
  }

  /** A message that was not asked for comes in order, and not more often than is wanted. */
  #live({ offset, channel, last }: ReceivedEnvelope): void {
    const { newest, subscribed, counts, asked, changedAt } = this.#course;
    assert.equal(last, undefined);
    assert.ok(
      subscribed.some((name) => covers(name, channel)),
      `${offset}: ${channel} is not subscribed`,
    );
    const before = newest.get(channel) ?? 0;
    assert.ok(offset > before, `${offset} comes after ${before} on ${channel}`);
    const count = (counts.get(channel) ?? 0) + 1;
    counts.set(channel, count);
    if (asked.some(({ type }) => type === "subscribe" || type === "unsubscribe")) return;
    const rates = [...this.#names].filter(([name]) => covers(name, channel)).map(([, rate]) => rate);
    if (rates.length === 0 || rates.includes(undefined)) return;
    const wanted = 1 + ((Date.now() - changedAt) * Math.max(...(rates as number[]))) / 1000;
    assert.ok(count <= wanted, `${count} messages of ${channel}, ${wanted} are wanted`);
  }

  // ——— the end ———

  /** Everything that is due has come, except what was left out for a newer message of its channel. */
  checkNewest(): void {
    assert.equal(this.#epoch, this.#stage.epoch, "the client knows the stream");
    const newest = new Map<string, number>();
    for (const offset of this.#got) {
      const { channel } = this.#stage.message(this.#epoch, offset);
      newest.set(channel, Math.max(newest.get(channel) ?? 0, offset));
    }
    const conflated = this.#throttle.policy === "conflate" && this.#course.stalled;
    for (const { offset, channel } of this.#due) {
      if (this.#got.has(offset)) continue;
      assert.ok(conflated || this.#limited.has(offset), `${offset} of ${channel} was lost silently`);
      assert.ok(offset < (newest.get(channel) ?? 0), `${offset}, the newest of ${channel}, is missing`);
    }
    for (const [offset, name] of this.#lastDue) {
      assert.ok(this.#got.has(offset) || !this.#owed.has(name), `${offset}, a last value of ${name}`);
    }
  }

  /** Requests what was left out. Everything must come. */
  requestLeftOut(): void {
    this.#resume(Math.min(this.#stage.world.offset, ...this.#owed.values()));
  }

  checkAll(): void {
    for (const { offset, channel } of this.#due) {
      assert.ok(this.#got.has(offset), `${offset} of ${channel} does not come on request`);
    }
  }

  get #due() {
    return this.#stage.messages.filter(({ offset, channel }) =>
      [...this.#owed].some(([name, owed]) => offset > owed && covers(name, channel)),
    );
  }
}
