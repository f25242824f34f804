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

test("sends a heartbeat at once and every 10 s, and gives up when nothing arrives in between", async () => {
  const line = new FakeLine();
  const { pulse, calls } = start(line);
  assert.equal(calls.sent, 1);
  await line.pass(9_000);
  pulse.heard();
  await line.pass(1_000);
  assert.deepEqual([calls.sent, calls.lost], [2, []]);
  await line.pass(10_000);
  assert.deepEqual([calls.sent, calls.lost], [2, ["silent"]]);
  assert.equal(line.left, 0);
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
  await line.pass(4_999);
  assert.deepEqual([calls.sent, calls.lost], [3, []]);
  await line.pass(1_000);
  pulse.check();
  assert.equal(calls.sent, 4);
  await line.pass(5_000);
  assert.deepEqual(calls.lost, ["silent"]);
});
