import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLine } from "./fake-line.fixture.ts";
import { Pulse } from "./pulse.ts";
import { Timers } from "./timers.ts";

function start(line: FakeLine) {
  const { environment } = line;
  const told = { sent: 0, lost: [] as string[] };
  const pulse = new Pulse(
    25,
    new Timers(environment),
    () => told.sent++,
    (reason) => told.lost.push(reason),
  );
  return { pulse, told };
}

test("asks at once and every 10 s, and gives up when nothing comes between two", async () => {
  const line = new FakeLine();
  const { pulse, told } = start(line);
  assert.equal(told.sent, 1);
  await line.pass(9_000);
  pulse.heard();
  await line.pass(1_000);
  assert.deepEqual([told.sent, told.lost], [2, []]);
  await line.pass(10_000);
  assert.deepEqual([told.sent, told.lost], [2, ["silent"]]);
  assert.equal(line.left, 0);
});

test("answers belong to questions in their order", async () => {
  const line = new FakeLine();
  const { pulse } = start(line);
  await line.pass(100);
  pulse.beat(7);
  assert.deepEqual(pulse.answered(), { at: 0, round: undefined });
  assert.deepEqual(pulse.answered(), { at: 100, round: 7 });
  assert.equal(pulse.answered(), undefined);
});

test("a check waits 5 s, and asks only when no answer is awaited", async () => {
  const line = new FakeLine();
  const { pulse, told } = start(line);
  pulse.check();
  assert.equal(told.sent, 1);
  pulse.answered();
  pulse.check();
  assert.equal(told.sent, 2);
  await line.pass(1);
  pulse.heard();
  await line.pass(4_999);
  assert.deepEqual([told.sent, told.lost], [3, []]);
  pulse.check();
  await line.pass(5_000);
  assert.deepEqual(told.lost, ["silent"]);
});
