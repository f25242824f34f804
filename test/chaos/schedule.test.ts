import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FAULT_NAMES, FAULTS, possibleKinds, schedule } from "./schedule.ts";

const COUNTS = { gateway: 3, line: 60, nats: 3, publisher: 1, keys: 1 };
const OPTIONS = {
  seed: 7,
  lengthMs: 300_000,
  gateways: COUNTS.gateway,
  lines: COUNTS.line,
  natsServers: COUNTS.nats,
  kinds: FAULT_NAMES,
};

test("the same seed makes the same faults at the same places, another seed makes others", () => {
  assert.deepEqual(schedule(OPTIONS), schedule(OPTIONS));
  assert.notDeepEqual(schedule(OPTIONS), schedule({ ...OPTIONS, seed: 8 }));
  // A longer run begins with the faults of the shorter one.
  const shorter = schedule({ ...OPTIONS, lengthMs: 60_000 });
  assert.deepEqual(schedule(OPTIONS).slice(0, shorter.length), shorter);
});

test("all kinds occur, in order, within their limits, and several at once", () => {
  const faults = schedule({ ...OPTIONS, lengthMs: 900_000 });
  assert.deepEqual(new Set(faults.map(({ name }) => name)), new Set(FAULT_NAMES));
  let overlapping = 0;
  for (const [index, { at, name, lasts, target, detail }] of faults.entries()) {
    const next = faults[index + 1];
    assert.ok(at < 900_000 && at < (next?.at ?? Infinity));
    if (next !== undefined && next.at < at + lasts) overlapping++;
    const [shortest, longest] = FAULTS[name].lasts;
    assert.ok(lasts >= shortest && lasts <= longest);
    assert.ok(target >= 0 && target < COUNTS[FAULTS[name].hits]);
    assert.ok(detail >= 0 && detail <= 1);
  }
  assert.ok(overlapping > 60, `${overlapping} faults begin while the fault before lasts`);
});

test("kinds can be chosen", () => {
  const faults = schedule({ ...OPTIONS, kinds: ["nats-kill"] });
  assert.deepEqual(new Set(faults.map(({ name }) => name)), new Set(["nats-kill"]));
});

test("kinds that need a cluster or namespaces are possible only with them", () => {
  assert.deepEqual(possibleKinds(3, true), FAULT_NAMES);
  assert.equal(possibleKinds(1, true).includes("leader-change"), false);
  assert.equal(possibleKinds(3, false).includes("gateway-loss"), false);
  assert.ok(possibleKinds(1, false).includes("gateway-kill"));
});

test("docs/reliability.md describes each kind", () => {
  const text = readFileSync(new URL("../../docs/reliability.md", import.meta.url), "utf8");
  for (const name of FAULT_NAMES) assert.ok(text.includes(`\`${name}\``), name);
});
