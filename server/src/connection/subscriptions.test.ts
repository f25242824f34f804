import assert from "node:assert/strict";
import { test } from "node:test";
import { covers } from "@odin-ws/protocol";
import fc from "fast-check";
import { Message } from "../delivery/message.ts";
import type { Topic } from "../delivery/topic.ts";
import { Subscriptions } from "./subscriptions.ts";

const topics = new Map(
  ["A.x", "A.y", "B.x", "A.*", "*.x", "*.*"].map((name): [string, Topic] => [
    name,
    { name, subscribers: new Set(), intervalMs: 0 },
  ]),
);
const topic = (name: string): Topic => topics.get(name) as Topic;
const NAMES = [...topics.keys()];

function message(channel: string, offset: number): Message {
  const made = Message.from({ subject: `odin.token.${channel}`, offset, ts: 0, body: Buffer.from("1") });
  assert.ok(made);
  return made;
}

test("a message counts as delivered when a subscription covers it and began before its offset", () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        add: fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 3 }),
        from: fc.nat(20),
      }),
    },
    { weight: 1, arbitrary: fc.record({ remove: fc.uniqueArray(fc.constantFrom(...NAMES)) }) },
    { weight: 1, arbitrary: fc.constant("begin" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const subscriptions = new Subscriptions();
      const model = new Map<string, number>();
      for (const one of steps) {
        if (one === "begin") {
          subscriptions.begin();
          for (const name of model.keys()) model.set(name, 0);
        } else if ("add" in one) {
          subscriptions.add(one.add.map(topic), one.from);
          for (const name of one.add) model.set(name, Math.min(one.from, model.get(name) ?? one.from));
        } else {
          const removed = subscriptions.remove((name) => one.remove.includes(name));
          assert.deepEqual(
            removed.map(({ name }) => name),
            [...model.keys()].filter((name) => one.remove.includes(name)),
          );
          for (const name of one.remove) model.delete(name);
        }
        assert.deepEqual(subscriptions.names, [...model.keys()]);
        assert.equal(subscriptions.size, model.size);
        for (const name of NAMES) assert.equal(subscriptions.countNew([name]), model.has(name) ? 0 : 1);
        for (const channel of ["A.x", "A.y", "B.x", "B.z"]) {
          for (const offset of [1, 5, 10, 15, 20, 21]) {
            const delivered = [...model].some(([name, from]) => covers(name, channel) && offset > from);
            assert.equal(
              subscriptions.delivered(message(channel, offset)),
              delivered,
              `${channel} ${offset}`,
            );
          }
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("two connections without subscriptions do not share a later one", () => {
  const [one, other] = [new Subscriptions(), new Subscriptions()];
  one.add([topic("A.x")], 5);
  assert.deepEqual([other.names, other.size, other.delivered(message("A.x", 9))], [[], 0, false]);
});
