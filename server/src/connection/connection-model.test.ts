import assert from "node:assert/strict";
import { test } from "node:test";
import { covers } from "@odin-ws/protocol";
import fc from "fast-check";
import { CompactReader } from "./compact-reader.fixture.ts";
import { FakeClient } from "./fake-client.fixture.ts";
import { ManualTurns, ManualWrites } from "./manual-time.fixture.ts";
import { World } from "./world.fixture.ts";

const CHANNELS = ["A.trade", "A.metadata", "B.trade", "B.social", "B.balances"];
const NAMES = [...CHANNELS, "A.*", "*.trade", "*.*"];
const overlap = (one: string, other: string) =>
  CHANNELS.some((name) => covers(one, name) && covers(other, name));

/**
 * A client, and a model of the messages that it must get. The model has no buffers and no throttle levels.
 */
class Observed {
  readonly world: World;
  readonly client: FakeClient;
  /** Channel of each published message, by offset. */
  readonly #channels = new Map<number, string>();
  /** Current subscriptions. */
  readonly #subscribed = new Set<string>();
  /** All subscriptions so far. */
  readonly #everSubscribed = new Set<string>();
  /** Offsets that this client must get, or be notified of. */
  readonly #due = new Set<number>();
  /** Due offsets that were dropped, or numbered but not sent, when they were live. */
  readonly #late = new Set<number>();
  readonly #dropped = new Set<number>();
  /** Offsets that waited for room, and that a newer message of their channel has replaced. */
  readonly #leftOut = new Set<number>();
  /** Offsets that were published while a request to subscribe was waiting: the client may get them. */
  readonly #optional = new Set<number>();
  /** Offsets that this client must get with the mark of a last value. */
  readonly #lastValues = new Set<number>();
  /** Last values that the acknowledgements announced, and that arrived. */
  readonly #lastCount = { announced: 0, received: 0 };
  /** Subscriptions that may still wait, and do not ask for what was published before they are made. */
  readonly #plain = new Set<string>();
  /** Offset of each received sequence. */
  readonly #seqs = new Map<number, number>();
  readonly #settle: () => void;
  #highest = 0;

  constructor(world: World, client: FakeClient, settle: () => void) {
    this.world = world;
    this.client = client;
    this.#settle = settle;
  }

  publish(channel: string, priority: string | undefined, size: number, shed: boolean): void {
    const { dropped: before, conflated } = this.world.context.tally;
    if (shed) this.world.shed(channel);
    else this.world.publish(channel, { size, ...(priority === undefined ? {} : { priority }) });
    const { offset } = this.world;
    this.#channels.set(offset, channel);
    const matching = [...this.#subscribed].filter((name) => covers(name, channel));
    const { subscriptions } = this.client.connection;
    const isSure = (name: string) => !this.#plain.has(name) || subscriptions.countNew([name]) === 0;
    if (matching.some(isSure)) this.#due.add(offset);
    else if (matching.length > 0) this.#optional.add(offset);
    if (this.world.context.tally.dropped > before) this.#dropped.add(offset);
    if (this.client.connection.missed?.has(offset)) this.#late.add(offset);
    if (this.world.context.tally.conflated > conflated) this.#leaveOut(channel, offset);
  }

  /** A message replaces the one before of its channel, which waits for room. */
  #leaveOut(channel: string, offset: number): void {
    const before = [...this.#due, ...this.#optional].filter(
      (one) => one < offset && this.#channels.get(one) === channel && !this.#dropped.has(one),
    );
    const replaced = Math.max(...before);
    assert.ok(this.client.connection.lacks(replaced), `${replaced} waited and is left out`);
    this.#leftOut.add(replaced);
    this.#late.add(replaced);
  }

  /**
   * Subscribes; with `back` also to this many offsets before now, except for names that overlap an earlier
   * subscription.
   */
  subscribe(wanted: readonly string[], back: number | undefined): void {
    const names =
      back === undefined
        ? wanted
        : wanted.filter((name) => ![...this.#everSubscribed].some((one) => overlap(one, name)));
    if (names.length === 0) return;
    const since = back === undefined ? undefined : Math.max(0, this.world.offset - back);
    this.client.subscribe([...names], since);
    for (const name of names) {
      this.#subscribed.add(name);
      this.#everSubscribed.add(name);
      if (since === undefined) this.#plain.add(name);
    }
    if (since !== undefined) this.#expectSince(names, since);
  }

  /** Subscribes with `last`, when the gateway can answer at once. */
  subscribeWithLast(names: readonly string[]): void {
    this.#settle();
    if (this.client.connection.busy) return;
    const { missed } = this.client.connection;
    const newest = new Map<string, number>();
    for (const [offset, channel] of this.#channels) newest.set(channel, offset);
    for (const [channel, offset] of newest) {
      const wanted = names.some((name) => covers(name, channel));
      const known = this.#due.has(offset) && missed?.has(offset) !== true;
      if (!wanted || known || this.#optional.has(offset)) continue;
      this.#due.add(offset);
      this.#lastValues.add(offset);
    }
    this.client.subscribe([...names], undefined, "e", { last: true });
    this.#settle();
    for (const name of names) {
      this.#subscribed.add(name);
      this.#everSubscribed.add(name);
    }
  }

  /** Asks for all dropped messages of the subscribed channels. */
  backfill(since: number): void {
    if (this.#subscribed.size === 0) return;
    this.client.subscribe([...this.#subscribed], since);
    for (const [offset, channel] of this.#channels) {
      const wanted = offset > since && [...this.#subscribed].some((name) => covers(name, channel));
      // Messages from before the subscription arrive after newer ones, because they were requested later.
      if (wanted && !this.#due.has(offset)) this.#late.add(offset);
    }
    this.#expectSince([...this.#subscribed], since);
  }

  #expectSince(names: readonly string[], since: number): void {
    for (const [offset, channel] of this.#channels) {
      if (offset > since && names.some((name) => covers(name, channel))) this.#due.add(offset);
    }
  }

  /** Takes the received messages and compares them with the earlier ones. */
  receive(): void {
    for (const one of this.client.take()) {
      if (one.type === "subscription_ack" && "recovered" in one) assert.equal(one.recovered, true);
      if (one.type === "subscription_ack") this.#lastCount.announced += one.last ?? 0;
      if (!("data" in one)) continue;
      if (one.last && !this.#seqs.has(one.seq)) {
        this.#lastCount.received++;
        const expected = this.#lastValues.has(one.offset) || this.#optional.has(one.offset);
        assert.ok(expected, `${one.offset} is no last value`);
      }
      const known = this.#seqs.get(one.seq);
      assert.ok(known === undefined || known === one.offset, `seq ${one.seq} is ${known} and ${one.offset}`);
      if (known !== undefined) continue;
      this.#seqs.set(one.seq, one.offset);
      assert.equal(this.#channels.get(one.offset), one.channel);
      this.#highest = Math.max(this.#highest, one.seq);
    }
  }

  /** Asks for the messages of the first gap, as a client does. Returns false when there is no gap. */
  replay(): boolean {
    this.receive();
    for (let seq = 1; seq <= this.client.connection.seq; seq++) {
      if (this.#seqs.has(seq)) continue;
      let to = seq;
      while (to < this.#highest && !this.#seqs.has(to + 1)) to++;
      this.client.send({ type: "replay", from_seq: seq, to_seq: to });
      return true;
    }
    return false;
  }

  /**
   * Lets the client read everything and fill all gaps. Then each due message must have arrived once and in
   * order, or must be counted as dropped, and a backfill must bring the dropped messages.
   */
  finish(): void {
    const { client, world } = this;
    for (let i = 0; i < 200; i++) {
      client.socket.read();
      this.#settle();
      client.connection.markAlive();
      if (!this.replay()) break;
    }
    if (client.closed.length > 0) return;
    const seqs = [...this.#seqs.keys()].sort((a, b) => a - b);
    assert.deepEqual(
      seqs,
      seqs.map((_, index) => index + 1),
      "contiguous from 1",
    );
    assert.equal(seqs.length, client.connection.seq);
    this.#checkContent();
    for (let i = 0; i < 130; i++) {
      world.pass(1);
      client.connection.markAlive();
    }
    assert.equal(client.connection.level, 0);
    this.backfill(0);
    client.socket.read();
    this.#settle();
    this.receive();
    this.#dropped.clear();
    this.#leftOut.clear();
    this.#checkContent();
  }

  #checkContent(): void {
    assert.equal(this.#lastCount.received, this.#lastCount.announced);
    const offsets = [...this.#seqs].sort(([a], [b]) => a - b).map(([, offset]) => offset);
    assert.equal(new Set(offsets).size, offsets.length, `no offset twice: ${offsets}`);
    for (const offset of offsets) {
      assert.ok(this.#due.has(offset) || this.#optional.has(offset), `${offset} was not requested`);
    }
    const given = new Set(offsets);
    for (const offset of this.#due) {
      assert.ok(
        given.has(offset) || this.#dropped.has(offset) || this.#leftOut.has(offset),
        `${offset} was neither delivered nor counted as dropped or left out`,
      );
    }
    const last = new Map<string, number>();
    for (const offset of offsets) {
      if (this.#late.has(offset)) continue;
      const channel = this.#channels.get(offset) as string;
      assert.ok(
        offset > (last.get(channel) ?? 0),
        `${offset} comes after ${last.get(channel)} on ${channel}`,
      );
      last.set(channel, offset);
    }
  }
}

const publish = fc.record({
  publish: fc.constantFrom(...CHANNELS),
  priority: fc.constantFrom(undefined, undefined, "low", "critical"),
  size: fc.constantFrom(0, 0, 5000, 40_000),
  times: fc.integer({ min: 1, max: 6 }),
});
const subscribe = fc.record({
  subscribe: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 2 }),
  back: fc.option(fc.nat(15), { nil: undefined }),
});
const withLast = fc.record({
  last: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 }),
});
const step = fc.oneof(
  { weight: 2, arbitrary: withLast },
  { weight: 8, arbitrary: publish },
  { weight: 2, arbitrary: subscribe },
  { weight: 1, arbitrary: fc.record({ shed: fc.constantFrom(...CHANNELS) }) },
  { weight: 1, arbitrary: fc.record({ define: fc.constantFrom("trade", "social", "metadata") }) },
  { weight: 2, arbitrary: fc.constant("stall" as const) },
  { weight: 2, arbitrary: fc.record({ read: fc.constantFrom(10_000, 60_000, Number.POSITIVE_INFINITY) }) },
  { weight: 1, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ backfill: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant("replay" as const) },
  { weight: 1, arbitrary: fc.constant("heartbeat" as const) },
  { weight: 4, arbitrary: fc.constant("turn" as const) },
  { weight: 3, arbitrary: fc.constant("write" as const) },
  { weight: 1, arbitrary: fc.constant("delay over" as const) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function take(observed: Observed, one: Step, turns: ManualTurns, writes: ManualWrites | undefined): void {
  const { client, world } = observed;
  client.connection.markAlive();
  if (one === "turn") turns.take();
  else if (one === "write") writes?.endTurn();
  else if (one === "delay over") writes?.endDelay();
  else if (one === "stall") client.socket.room = 0;
  else if (one === "replay") observed.replay();
  else if (one === "heartbeat") client.send({ type: "heartbeat" });
  else if ("define" in one) world.define(one.define);
  else if ("publish" in one) {
    for (let i = 0; i < one.times; i++) observed.publish(one.publish, one.priority, one.size, false);
  } else if ("last" in one) observed.subscribeWithLast(one.last);
  else if ("subscribe" in one) observed.subscribe(one.subscribe, one.back);
  else if ("shed" in one) observed.publish(one.shed, undefined, 0, true);
  else if ("read" in one) client.socket.read(one.read);
  else if ("backfill" in one) observed.backfill(Math.max(0, world.offset - one.backfill));
  else world.pass(one.pass);
}

/**
 * `stepMs`: with 0 everything is done at once, with 0.3 and 2 after few messages and after each message.
 * `delayMs`: undefined where each frame is a write of its own.
 */
const MODES = [
  { stepMs: 0, delayMs: undefined },
  { stepMs: 0.3, delayMs: undefined },
  { stepMs: 2, delayMs: undefined },
  { stepMs: 0.3, delayMs: 0 },
  { stepMs: 2, delayMs: 10 },
];

for (const policy of ["priority", "rate", "conflate"] as const) {
  for (const encoding of ["plain", "deflate", "compact"] as const) {
    for (const { stepMs, delayMs } of MODES) {
      const mode = `${policy}, ${encoding}, ${stepMs}, ${delayMs}`;
      test(`in any sequence of events nothing is lost, repeated or out of order (${mode})`, (t) => {
        fc.assert(
          fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
            const turns = new ManualTurns(stepMs);
            const writes = delayMs === undefined ? undefined : new ManualWrites(delayMs);
            const limits = { replayBuffer: 10_000 };
            const world = new World(t, {
              limits,
              turns: turns.turns,
              compact: ["trade", "social", "metadata"],
              ...(writes === undefined ? {} : { writes }),
            });
            const client = new FakeClient(world, {
              throttle: { policy },
              deflateWindowBits: encoding === "deflate" ? 15 : 0,
              ...(encoding === "compact" && { compact: new CompactReader() }),
            });
            const settle = () => {
              turns.settle();
              writes?.settle();
            };
            const observed = new Observed(world, client, settle);
            observed.subscribe(["A.trade", "B.social"], undefined);
            for (const one of steps) {
              take(observed, one, turns, writes);
              if (observed.client.closed.length > 0) break;
            }
            observed.finish();
          }),
          { numRuns: 80 },
        );
      });
    }
  }
}
