import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Message } from "./message.ts";
import { ReplayRing } from "./replay-ring.ts";

const body = Buffer.from("{}");
const POOL = Array.from({ length: 40 }, (_, index) => {
  const message = Message.from({ subject: "odin.token.BTC.trade", offset: index + 1, ts: 0, body });
  assert.ok(message);
  return message;
});

test("holds exactly the last messages under their own sequence", () => {
  fc.assert(
    fc.property(fc.nat(12), fc.nat(POOL.length), (capacity, count) => {
      const ring = new ReplayRing(capacity);
      assert.equal(ring.last, 0);
      const sent = POOL.slice(0, count);
      for (const [index, message] of sent.entries()) assert.equal(ring.push(message), index + 1);
      assert.equal(ring.last, count);
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

test("the sequence is contiguous however long the connection lives", () => {
  const ring = new ReplayRing(100);
  const message = POOL[0] as Message;
  for (let seq = 1; seq <= 10_000; seq++) assert.equal(ring.push(message), seq);
  assert.equal(ring.get(9900), undefined);
  assert.equal(ring.get(9901), message);
});
