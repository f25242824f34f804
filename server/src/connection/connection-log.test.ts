import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionLog } from "./connection-log.ts";

function create(perSecond: number) {
  const state = { now: 0, lines: [] as [object, string][], leftOut: [] as string[] };
  const log = new ConnectionLog({
    log: { info: (fields: object, text: string) => void state.lines.push([fields, text]) } as never,
    perSecond,
    onLeftOut: (event) => void state.leftOut.push(event),
    now: () => state.now,
  });
  return { state, log };
}

test("lines above the rate are left out and counted, and every line is written again afterwards", () => {
  const { state, log } = create(2);
  for (let i = 0; i < 50; i++) log.write("closed", 1012, () => ({ i }));
  assert.equal(state.lines.length, 20, "ten seconds of the rate at once");
  assert.equal(state.leftOut.length, 30);
  log.report();
  assert.equal(state.lines.length, 20, "not more than one report in ten seconds");
  state.now = 10_000;
  log.report();
  assert.deepEqual(state.lines.at(-1), [
    { left_out: { "closed 1012": 30 } },
    "lines about connections were left out",
  ]);
  log.write("closed", 1012, () => ({ later: true }));
  assert.deepEqual(state.lines.at(-1), [{ later: true }, "connection closed"]);
  state.now = 30_000;
  log.report();
  assert.equal(state.lines.length, 22, "nothing was left out since");
});

test("many lines of one kind leave out no line of another kind", () => {
  const { state, log } = create(1);
  for (let i = 0; i < 1000; i++) log.write("closed", 1001, () => ({}));
  log.write("closed", 1008, () => ({ slow: true }));
  log.write("opened", "", () => ({ user: "ann" }));
  assert.deepEqual(state.lines.slice(-2), [
    [{ slow: true }, "connection closed"],
    [{ user: "ann" }, "connection opened"],
  ]);
});

test("a process whose part of the rate is less than a line in ten seconds writes one nevertheless", () => {
  const { state, log } = create(1 / 64);
  log.write("closed", 1001, () => ({}));
  log.write("closed", 1001, () => ({}));
  assert.deepEqual([state.lines.length, state.leftOut.length], [1, 1]);
  state.now = 64_000;
  log.write("closed", 1001, () => ({}));
  assert.equal(state.lines.length, 2);
});

test("with a rate of 0 no line is written", () => {
  const { state, log } = create(0);
  log.write("opened", "", () => assert.fail("the fields are not needed"));
  assert.deepEqual(state.lines, []);
});
