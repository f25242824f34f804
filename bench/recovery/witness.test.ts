import assert from "node:assert/strict";
import { test } from "node:test";
import { Witness } from "./witness.ts";

function start() {
  const heads = [0, 0];
  let whole = 0;
  const witness = new Witness(1, heads, () => whole++);
  const publish = (n: number) => {
    heads[1] = n;
  };
  return { witness, publish, whole: () => whole };
}

test("an outage ends when the client is subscribed and has everything that was published", () => {
  const { witness, publish, whole } = start();
  witness.subscribed(0);
  assert.equal(whole(), 1);
  publish(1);
  witness.message(1, 10);
  witness.outage(100);
  witness.ended();
  publish(2);
  publish(3);
  witness.subscribed(200);
  assert.ok(witness.isAway, "messages 2 and 3 are missing");
  witness.message(2, 210);
  assert.deepEqual([witness.isAway, witness.outagesMs], [true, []]);
  witness.message(3, 220);
  assert.deepEqual([witness.isAway, witness.outagesMs, whole()], [false, [120], 2]);
});

test("messages that come twice or late do not count as delivered in order", () => {
  const { witness, publish } = start();
  witness.subscribed(0);
  publish(4);
  for (const n of [1, 3, 2, 3, 4]) witness.message(n, n);
  assert.deepEqual([witness.inOrder, witness.wrong], [3, 2]);
});

test("an outage during which the line is cut again counts up to the second cut", () => {
  const { witness } = start();
  witness.subscribed(0);
  witness.outage(100);
  witness.outage(400);
  witness.subscribed(450);
  assert.deepEqual([witness.outagesMs, witness.overtaken], [[300, 50], 1]);
});

test("a client whose connection ended and did not come back is away", () => {
  const { witness } = start();
  witness.subscribed(0);
  assert.equal(witness.isAway, false);
  witness.ended();
  assert.equal(witness.isAway, true);
});
