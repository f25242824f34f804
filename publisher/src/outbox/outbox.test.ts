import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Outbox, type Parcel } from "./outbox.ts";

const WIDE = { events: 1_000, bytes: 1_000_000 };
const parcel = (key: number, subject: string, bytes = 1): Parcel => ({ key, subject, bytes });

function takeAll(outbox: Outbox<Parcel>, now = 0): number[] {
  const keys: number[] = [];
  for (let next = outbox.take(now); next !== undefined; next = outbox.take(now)) keys.push(next.key);
  return keys;
}

test("one event of a subject is in flight; the next event is sent after its answer", () => {
  const outbox = new Outbox(WIDE);
  for (const [key, subject] of [
    [1, "a"],
    [2, "a"],
    [3, "b"],
  ] as const)
    outbox.add(parcel(key, subject));
  assert.deepEqual(takeAll(outbox), [1, 3]);
  assert.equal(outbox.inFlightOn("a")?.key, 1);
  assert.equal(outbox.settle(1)?.key, 1);
  assert.equal(outbox.settle(1), undefined, "a second answer");
  assert.equal(outbox.inFlightOn("a"), undefined);
  assert.deepEqual(takeAll(outbox), [2]);
  assert.equal(outbox.settle(2)?.key, 2);
  assert.equal(outbox.settle(3)?.key, 3);
  assert.deepEqual([outbox.events, outbox.bytes, outbox.inFlight], [0, 0, 0]);
});

test("the window limits events and bytes in flight, but a single event is always sent", () => {
  const outbox = new Outbox({ events: 2, bytes: 10 });
  for (const [key, bytes] of [
    [1, 20],
    [2, 4],
    [3, 6],
    [4, 1],
  ] as const)
    outbox.add(parcel(key, `s${key}`, bytes));
  assert.deepEqual(takeAll(outbox), [1]);
  outbox.settle(1);
  assert.deepEqual(takeAll(outbox), [2, 3], "10 bytes, 2 events");
  outbox.settle(2);
  assert.deepEqual(takeAll(outbox), [4]);
});

test("events that are sent again are sent first and in their order", () => {
  const outbox = new Outbox({ events: 3, bytes: 1_000 });
  for (let key = 1; key <= 5; key++) outbox.add(parcel(key, `s${key}`));
  assert.deepEqual(takeAll(outbox, 10), [1, 2, 3]);
  assert.equal(outbox.allAgain(), 3);
  assert.equal(outbox.settle(1), undefined, "an answer from the previous connection");
  assert.deepEqual(takeAll(outbox, 20), [1, 2, 3]);
  outbox.settle(2);
  assert.deepEqual(takeAll(outbox, 30), [4]);
  assert.equal(outbox.againIfSentBefore(20), 0);
  assert.equal(outbox.againIfSentBefore(30), 2);
  assert.deepEqual(takeAll(outbox, 40), [1, 3]);
  assert.deepEqual(
    outbox.clear().map(({ key }) => key),
    [1, 3, 4, 5],
  );
  assert.equal(outbox.take(50), undefined);
});

/** A stream that stores each id once. */
class Stream {
  readonly stored: Parcel[] = [];
  readonly #ids = new Set<number>();
  store(one: Parcel): void {
    if (!this.#ids.has(one.key)) this.stored.push(one);
    this.#ids.add(one.key);
  }
}

type Fate = "stored" | "answer lost" | "message lost" | "not taken";

test("when messages or answers are lost, each event is stored once and in the order of its subject", () => {
  const fate = fc.constantFrom<Fate>("stored", "stored", "answer lost", "message lost", "not taken");
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom("a", "b", "c") },
    { weight: 6, arbitrary: fate.map((outcome) => ({ outcome })) },
    { weight: 1, arbitrary: fc.constant("reconnect" as const) },
    { weight: 1, arbitrary: fc.constant("timeout" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 4 }), (steps, events) => {
      const outbox = new Outbox({ events, bytes: 100 });
      const stream = new Stream();
      let keys = 0;
      let now = 0;
      const send = (outcome: Fate): boolean => {
        const next = outbox.take(now++);
        if (next === undefined) return false;
        if (outcome === "stored" || outcome === "answer lost") stream.store(next);
        if (outcome === "stored") assert.equal(outbox.settle(next.key), next);
        if (outcome === "not taken") assert.ok(outbox.again(next.key));
        return true;
      };
      for (const one of steps) {
        if (typeof one === "object") send(one.outcome);
        else if (one === "reconnect") outbox.allAgain();
        else if (one === "timeout") outbox.againIfSentBefore(now - 3);
        else outbox.add(parcel(++keys, one));
      }
      outbox.allAgain();
      while (send("stored"));
      assert.deepEqual([outbox.events, outbox.bytes, outbox.inFlight], [0, 0, 0]);
      assert.equal(stream.stored.length, keys);
      for (const subject of ["a", "b", "c"]) {
        const order = stream.stored.filter((one) => one.subject === subject).map(({ key }) => key);
        assert.deepEqual(
          order,
          order.toSorted((a, b) => a - b),
        );
      }
    }),
    { numRuns: 1_000 },
  );
});
