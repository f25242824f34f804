import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Message } from "../delivery/message.ts";
import { ReplayRing } from "./replay-ring.ts";

const body = Buffer.from("{}");
const POOL = Array.from({ length: 40 }, (_, index) => {
  const message = Message.from({ subject: "odin.token.BTC.trade", offset: index + 1, ts: 0, body });
  assert.ok(message);
  return message;
});

test("holds exactly the last messages, each with its own sequence", () => {
  fc.assert(
    fc.property(fc.nat(12), fc.nat(POOL.length), (capacity, count) => {
      const ring = new ReplayRing(capacity);
      assert.equal(ring.last, 0);
      const sent = POOL.slice(0, count);
      for (const [index, message] of sent.entries()) assert.equal(ring.push(message), index + 1);
      assert.equal(ring.last, count);
      for (const [index, message] of POOL.entries()) {
        const kept = index < count && index >= count - capacity;
        assert.equal(
          ring.seqOf(message),
          kept ? index + 1 : undefined,
          `offset ${message.offset} of ${count}`,
        );
      }
      for (let seq = -2; seq <= count + 2; seq++) {
        const kept = seq >= 1 && seq > count - capacity;
        assert.equal(
          ring.get(seq),
          kept ? sent[seq - 1] : undefined,
          `seq ${seq} of ${count}, ${capacity} kept`,
        );
      }
    }),
  );
});

test("the sequence is contiguous in a long connection", () => {
  const ring = new ReplayRing(100);
  const message = POOL[0] as Message;
  for (let seq = 1; seq <= 10_000; seq++) assert.equal(ring.push(message), seq);
  assert.equal(ring.get(9900), undefined);
  assert.equal(ring.get(9901), message);
});

test("clear forgets the messages, and the sequence continues", () => {
  const ring = new ReplayRing(5);
  for (const message of POOL.slice(0, 8)) ring.push(message);
  ring.clear();
  for (let seq = 1; seq <= 9; seq++) assert.equal(ring.get(seq), undefined);
  const next = POOL[8] as Message;
  assert.equal(ring.push(next), 9);
  assert.deepEqual([ring.get(9), ring.get(8), ring.seqOf(next)], [next, undefined, 9]);
});
