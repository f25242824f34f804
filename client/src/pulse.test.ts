import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLine } from "./fake-line.fixture.ts";
import { Pulse } from "./pulse.ts";
import { Timers } from "./timers.ts";

function start(line: FakeLine) {
  const { environment } = line;
  const calls = { sent: 0, lost: [] as string[] };
  const pulse = new Pulse(
    new Timers(environment),
    () => calls.sent++,
    (reason) => calls.lost.push(reason),
  );
  return { pulse, calls };
}

test("after 5 s of silence sends a heartbeat, and gives up after 5 s without an answer", async () => {
  const line = new FakeLine();
  await line.pass(1);
  const { pulse, calls } = start(line);
  assert.equal(calls.sent, 1);
  await line.pass(100);
  pulse.heard();
  await line.pass(4_999);
  assert.equal(calls.sent, 1);
  await line.pass(1);
  assert.equal(calls.sent, 2);
  await line.pass(4_999);
  assert.deepEqual([calls.sent, calls.lost], [2, []]);
  await line.pass(1);
  assert.deepEqual([calls.sent, calls.lost], [2, ["silent"]]);
  assert.equal(line.left, 0);
});

test("sends a heartbeat every 10 s while messages arrive, and none more often than every 5 s", async () => {
  const line = new FakeLine();
  await line.pass(1);
  const { pulse, calls } = start(line);
  for (let second = 0; second < 60; second++) {
    pulse.heard();
    await line.pass(1_000);
  }
  assert.ok(calls.sent === 6 || calls.sent === 7, `${calls.sent}`);
  assert.deepEqual(calls.lost, []);
  for (let n = 0; n < 10; n++) {
    const sent: number = calls.sent;
    let waited = 0;
    for (; calls.sent === sent; waited += 10) await line.pass(10);
    if (n > 0) assert.ok(waited >= 5_000, `${waited} ms`);
    pulse.heard();
  }
});

test("a line that dies right behind a message is noticed within 10 s", async () => {
  for (const age of [0, 1_000, 4_999, 5_000, 9_999]) {
    const line = new FakeLine();
    await line.pass(1);
    const { pulse, calls } = start(line);
    for (let ms = 0; ms < age; ms += 1_000) {
      pulse.heard();
      await line.pass(Math.min(1_000, age - ms));
    }
    pulse.heard();
    await line.pass(4_999);
    assert.deepEqual(calls.lost, [], `${age}`);
    await line.pass(5_001);
    assert.deepEqual(calls.lost, ["silent"], `${age}`);
  }
});

test("a timer that fires late sets no timer with a negative time, of which Node warns", () => {
  let now = 1;
  const set: { ms: number; callback: () => void }[] = [];
  const environment = {
    ...new FakeLine().environment,
    now: () => now,
    setTimeout: (callback: () => void, ms: number) => set.push({ ms, callback }),
    clearTimeout: () => {},
  };
  const pulse = new Pulse(
    new Timers(environment),
    () => {},
    () => assert.fail("the line is not silent"),
  );
  pulse.heard();
  now += 5_020;
  set.shift()?.callback();
  assert.deepEqual(
    set.map(({ ms }) => ms),
    [0],
  );
});

test("answers belong to heartbeats in their order", async () => {
  const line = new FakeLine();
  const { pulse } = start(line);
  await line.pass(100);
  pulse.beat(7);
  assert.deepEqual(pulse.answered(), { at: 0, round: undefined });
  assert.deepEqual(pulse.answered(), { at: 100, round: 7 });
  assert.equal(pulse.answered(), undefined);
});

test("a check sends a heartbeat and waits 5 s, at most once a second", async () => {
  const line = new FakeLine();
  const { pulse, calls } = start(line);
  for (let n = 0; n < 50; n++) {
    pulse.check();
    pulse.answered();
  }
  assert.equal(calls.sent, 2);
  await line.pass(1);
  pulse.heard();
  await line.pass(5_000);
  assert.deepEqual([calls.sent, calls.lost], [3, []]);
  await line.pass(1_000);
  pulse.check();
  assert.equal(calls.sent, 4);
  await line.pass(5_000);
  assert.deepEqual(calls.lost, ["silent"]);
});
