import assert from "node:assert/strict";
import { test } from "node:test";
import { FAULT_NAMES, FAULTS, schedule } from "./schedule.ts";

const OPTIONS = { seed: 7, lengthMs: 300_000, gateways: 3, lines: 60 };

test("the same seed makes the same faults, another seed makes others", () => {
  assert.deepEqual(schedule(OPTIONS), schedule(OPTIONS));
  assert.notDeepEqual(schedule(OPTIONS), schedule({ ...OPTIONS, seed: 8 }));
});

test("all kinds occur, in order, within their limits, and several at once", () => {
  const faults = schedule(OPTIONS);
  assert.deepEqual(new Set(faults.map(({ name }) => name)), new Set(FAULT_NAMES));
  let overlapping = 0;
  for (const [index, { at, name, lasts, target }] of faults.entries()) {
    const next = faults[index + 1];
    assert.ok(at < OPTIONS.lengthMs && at < (next?.at ?? Infinity));
    if (next !== undefined && next.at < at + lasts) overlapping++;
    const [shortest, longest] = FAULTS[name].lasts;
    assert.ok(lasts >= shortest && lasts <= longest);
    const counts = { gateway: 3, line: 60, nats: 1 };
    assert.ok(target >= 0 && target < counts[FAULTS[name].hits]);
  }
  assert.ok(overlapping > 20, `${overlapping} faults begin while the fault before lasts`);
});

test("kinds can be chosen", () => {
  const faults = schedule({ ...OPTIONS, kinds: ["nats-kill"] });
  assert.deepEqual(new Set(faults.map(({ name }) => name)), new Set(["nats-kill"]));
});
