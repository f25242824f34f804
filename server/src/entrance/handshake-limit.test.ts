import assert from "node:assert/strict";
import { test } from "node:test";
import { ESTIMATE_MS, HandshakeLimit } from "./handshake-limit.ts";

/** A process that accepts `perEstimate` connections between two estimates, with a queue of this length. */
function limited(maxWaitMs: number) {
  let queue: number | undefined = 0;
  let random = 0;
  const limits: number[] = [];
  const limit = new HandshakeLimit({
    maxWaitMs,
    queueLength: () => queue,
    limitQueue: (length) => limits.push(length),
    random: () => random,
  });
  return {
    /** Longest queues, one after the other. */
    limits,
    pass(perEstimate: number, length: number | undefined, times = 1, elapsedMs = ESTIMATE_MS): void {
      queue = length;
      for (let n = 0; n < times; n++) {
        for (let i = 0; i < perEstimate; i++) limit.accepted();
        limit.estimate(elapsedMs);
      }
    },
    /** Of 100 clients, how many are refused. */
    refused(): number {
      let count = 0;
      for (let n = 0; n < 100; n++) {
        random = (n + 0.5) / 100;
        if (limit.refuses()) count++;
      }
      return count;
    },
  };
}

test("nobody is refused while the queue is short for the rate, however many connect", () => {
  const { pass, refused } = limited(2000);
  pass(1000, 1024, 50); // 4,000 a second
  assert.equal(refused(), 0);
  pass(300, 1024, 50); // 1,200 a second: the last one waits for 0.85 s
  assert.equal(refused(), 0);
});

test("a long queue for the rate: after a second as many are refused as wait too long, but a half is served", () => {
  const { pass, refused } = limited(2000);
  const shares: number[] = [];
  for (let n = 0; n < 6; n++) {
    pass(25, 250); // 100 a second: the last one waits for 2.5 s
    shares.push(refused());
  }
  assert.deepEqual(shares, [0, 0, 0, 0, 20, 20]);
  pass(25, 300);
  assert.equal(refused(), 33);
  pass(25, 1024);
  assert.equal(refused(), 50);
});

test("the refusals end with the next estimate that finds the wait short enough", () => {
  const { pass, refused } = limited(2000);
  pass(25, 1024, 6);
  assert.equal(refused(), 50);
  pass(25, 200);
  assert.equal(refused(), 0);
});

test("the queue holds only clients that can be accepted in time, and all of them again later", () => {
  const { pass, limits } = limited(2000);
  pass(300, 1024, 8);
  assert.deepEqual(limits, []);
  pass(50, 1024, 8); // the rate falls from 1,200 to 200 a second
  assert.equal(limits.at(-1), 400);
  pass(1, 400, 8);
  assert.equal(limits.at(-1), 32, "the shortest queue");
  limits.length = 0;
  pass(50, 0, 20);
  assert.deepEqual(limits, [64, 128, 256, 512, 1024, 2048]);
});

test("a process that was stopped, or had no clients until now, is not slow", () => {
  const { pass, refused } = limited(2000);
  pass(100, 300, 4);
  pass(10, 300, 1, 3000); // stopped for 3 s
  pass(200, 100);
  assert.equal(refused(), 0);
  pass(0, 0, 40);
  pass(1, 400); // a storm has just begun
  pass(100, 300);
  pass(100, 200);
  assert.equal(refused(), 0);
});

test("without clients, the refusals end", () => {
  const { pass, refused } = limited(2000);
  pass(25, 1024, 8);
  assert.equal(refused(), 50);
  pass(0, 0);
  assert.equal(refused(), 0);
});

test("an unknown queue and the limit 0 refuse nobody", () => {
  const unknown = limited(2000);
  unknown.pass(1, undefined, 10);
  assert.equal(unknown.refused(), 0);
  const off = limited(0);
  off.pass(1, 4096, 10);
  assert.equal(off.refused(), 0);
});
