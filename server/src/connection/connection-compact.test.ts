/** The compact encoding of one connection: which base each message has, and the same messages as in JSON. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { CompactReader } from "./compact-reader.fixture.ts";
import { FakeClient } from "./fake-client.fixture.ts";
import { ManualTurns } from "./manual-time.fixture.ts";
import { World } from "./world.fixture.ts";

const PREVIOUS = ["trade", "metadata"];
const { POSITIVE_INFINITY } = Number;

function start(t: TestContext) {
  const world = new World(t, { limits: { sendBufferBytes: 50_000 }, compact: PREVIOUS });
  const client = new FakeClient(world, { compact: new CompactReader() });
  /** Publishes a message. Returns the base that the client's message has. */
  const baseOf = (channel: string) => {
    const before = { ...client.reader.count };
    const offset = world.publish(channel);
    assert.deepEqual(
      client.envelopes().map((envelope) => envelope.offset),
      [offset],
    );
    const { count } = client.reader;
    return (["alone", "previous", "dictionary"] as const).filter((base) => count[base] > before[base]);
  };
  return { world, client, baseOf };
}

test("a message uses the previous one of its channel, where the event is configured and the client has it", (t) => {
  const { client, baseOf } = start(t);
  client.subscribe(["A.trade", "B.*"]);
  client.take();
  assert.deepEqual(baseOf("A.trade"), ["alone"]);
  assert.deepEqual(baseOf("A.trade"), ["previous"]);
  assert.deepEqual(baseOf("B.metadata"), ["alone"]);
  assert.deepEqual(baseOf("A.trade"), ["previous"], "messages of other channels do not matter");
  assert.deepEqual(baseOf("B.metadata"), ["previous"]);
  assert.deepEqual([...baseOf("B.social"), ...baseOf("B.social")], ["alone", "alone"], "not configured");
});

test("a message is sent in the other form after a subscribe, a replay and another stream", (t) => {
  const { world, client, baseOf } = start(t);
  client.subscribe(["A.trade"]);
  client.take();
  const settled = () => assert.deepEqual([...baseOf("A.trade"), ...baseOf("A.trade")], ["alone", "previous"]);
  settled();
  client.subscribe(["B.trade"]);
  client.take();
  settled();
  client.send({ type: "replay", from_seq: 1, to_seq: 2 });
  assert.equal(client.envelopes().length, 2);
  settled();
  client.subscribe(["C.trade"], 0);
  client.take();
  settled();
  world.begin("f");
  client.connection.begin();
  settled();
});

test("after a message that the client was not sent, no message uses an earlier one", (t) => {
  const { world, client, baseOf } = start(t);
  client.subscribe(["A.trade"]);
  client.take();
  baseOf("A.trade");
  client.socket.room = 0;
  for (let i = 0; i < 4; i++) world.publish("A.trade", { size: 40_000 });
  client.socket.read(POSITIVE_INFINITY);
  client.socket.room = POSITIVE_INFINITY;
  const { previous } = client.reader.count;
  client.take();
  assert.ok(client.reader.count.previous > previous, "messages before the gap");
  assert.deepEqual(baseOf("A.trade"), ["alone"]);
  assert.deepEqual(baseOf("A.trade"), ["previous"]);
  assert.equal(client.connection.level, 1);
  world.publish("A.trade", { priority: "low" });
  assert.deepEqual(client.envelopes(), [], "dropped by the throttle level");
  assert.deepEqual(baseOf("A.trade"), ["alone"]);
  world.shed("A.trade");
  assert.deepEqual(baseOf("A.trade"), ["alone"]);
});

test("a channel with a rate never uses the previous message, and leaves the other channels theirs", (t) => {
  const { world, client, baseOf } = start(t);
  client.subscribe(["A.trade", "B.metadata"]);
  client.subscribe(["C.trade"], undefined, "e", { max_rate: 1 });
  client.take();
  assert.deepEqual([...baseOf("A.trade"), ...baseOf("B.metadata")], ["alone", "alone"]);
  assert.deepEqual(baseOf("C.trade"), ["alone"]);
  assert.deepEqual([...baseOf("A.trade"), ...baseOf("B.metadata")], ["previous", "previous"]);
  world.publish("C.trade"); // waits
  assert.deepEqual(baseOf("A.trade"), ["previous"]);
  const before = { ...client.reader.count };
  world.passMs(1000);
  assert.equal(client.envelopes().length, 1);
  assert.equal(client.reader.count.alone, before.alone + 1, "what waited has no base either");
  assert.deepEqual(baseOf("B.metadata"), ["previous"]);
  world.passMs(1000);
  assert.deepEqual([...baseOf("C.trade"), ...baseOf("A.trade")], ["alone", "previous"]);
  // Without the rate, the next message of each channel begins again.
  client.subscribe(["C.trade"]);
  client.take();
  assert.deepEqual([...baseOf("C.trade"), ...baseOf("C.trade")], ["alone", "previous"]);
});

test("a dictionary is defined once before its first use, again when it is replaced, and by its id when it is kept", (t) => {
  const { world, client, baseOf } = start(t);
  client.subscribe(["*.social"]);
  client.take();
  assert.deepEqual(baseOf("A.social"), ["alone"]);
  world.define("social");
  assert.deepEqual([...baseOf("A.social"), ...baseOf("B.social")], ["dictionary", "dictionary"]);
  assert.equal(client.reader.count.definitions, 1);
  world.define("social");
  assert.deepEqual(baseOf("A.social"), ["dictionary"]);
  assert.equal(client.reader.count.definitions, 2);
  const next = new FakeClient(world, { compact: client.reader });
  next.subscribe(["*.social"]);
  world.publish("A.social");
  assert.equal(next.envelopes().length, 1);
  assert.deepEqual({ ...next.reader.count }, { alone: 0, previous: 0, dictionary: 1, definitions: 0 });
  // The history keeps frames that were made with the earlier dictionary: they are made again.
  next.subscribe(["B.social"], 0);
  world.define("social");
  next.subscribe(["C.*", "A.*"], 0);
  assert.equal(next.envelopes().length > 0, true);
});

test("without WS_COMPACT a client that asks gets JSON", (t) => {
  const world = new World(t);
  const client = new FakeClient(world, { compact: new CompactReader() });
  assert.equal(client.connection.encoding, "json");
  client.subscribe(["A.trade"]);
  world.publish("A.trade");
  assert.equal(client.envelopes().length, 1);
  assert.deepEqual(client.reader.count, new CompactReader().count);
});

const CHANNELS = ["A.trade", "A.social", "B.trade", "B.metadata"];
const NAMES = [...CHANNELS, "A.*", "*.trade"];
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ publish: fc.constantFrom(...CHANNELS), size: fc.constantFrom(0, 9000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      subscribe: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 2 }),
      back: fc.option(fc.nat(15), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ unsubscribe: fc.constantFrom(...NAMES) }) },
  { weight: 1, arbitrary: fc.record({ define: fc.constantFrom("trade", "social", "metadata") }) },
  { weight: 1, arbitrary: fc.record({ shed: fc.constantFrom(...CHANNELS) }) },
  { weight: 1, arbitrary: fc.record({ replay: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant("reconnect" as const) },
  { weight: 1, arbitrary: fc.constant("begin" as const) },
  { weight: 3, arbitrary: fc.constant("turn" as const) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A client in one of the encodings, with a gateway of its own. */
class Twin {
  readonly #world: World;
  readonly #turns: ManualTurns;
  readonly #compact: boolean;
  #client: FakeClient;
  #epoch = "e";
  /** Subscriptions, which a new connection resumes. */
  #names = new Set<string>();

  constructor(t: TestContext, stepMs: number, compact: boolean) {
    this.#turns = new ManualTurns(stepMs);
    this.#world = new World(t, { turns: this.#turns.turns, compact: PREVIOUS });
    this.#compact = compact;
    this.#client = this.#connect(new CompactReader());
  }

  #connect(reader: CompactReader): FakeClient {
    return new FakeClient(this.#world, this.#compact ? { compact: reader } : {});
  }

  take(one: Step): void {
    const world = this.#world;
    if (one === "turn") this.#turns.take();
    else if (one === "reconnect") this.#reconnect();
    else if (one === "begin") {
      this.#epoch += "+";
      world.begin(this.#epoch);
      this.#client.connection.begin();
    } else if ("publish" in one) world.publish(one.publish, { size: one.size });
    else if ("define" in one) world.define(one.define);
    else if ("shed" in one) world.shed(one.shed);
    else if ("unsubscribe" in one) {
      this.#names.delete(one.unsubscribe);
      this.#client.send({ type: "unsubscribe", channels: [one.unsubscribe] });
    } else if ("replay" in one) {
      const to = this.#client.connection.seq;
      if (to > 0) this.#client.send({ type: "replay", from_seq: Math.max(1, to - one.replay), to_seq: to });
    } else this.#subscribe(one.subscribe, one.back);
  }

  #subscribe(channels: string[], back: number | undefined): void {
    for (const name of channels) this.#names.add(name);
    const since = { epoch: this.#epoch, offset: Math.max(0, this.#world.offset - (back ?? 0)) };
    this.#client.send({ type: "subscribe", channels, ...(back !== undefined && { since }) });
  }

  #reconnect(): void {
    this.#client.connection.detach();
    this.#client = this.#connect(this.#client.reader);
    if (this.#names.size > 0) this.#subscribe([...this.#names], 10);
  }

  /** Returns the messages since the last call, without the data, which differ between the two gateways. */
  received(): object[] {
    return this.#client.take().map((message) => ({ ...message, data: undefined }));
  }

  finish(): object[] {
    this.#turns.settle();
    return this.received();
  }
}

for (const stepMs of [0, 0.3]) {
  test(`in any sequence of events a client gets the same in both encodings (${stepMs})`, (t) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const json = new Twin(t, stepMs, false);
        const compact = new Twin(t, stepMs, true);
        for (const one of steps) {
          json.take(one);
          compact.take(one);
          assert.deepEqual(compact.received(), json.received());
        }
        assert.deepEqual(compact.finish(), json.finish());
      }),
      { numRuns: 300 },
    );
  });
}
