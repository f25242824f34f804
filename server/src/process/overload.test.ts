import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Overload, type OverloadLimits, type Usage } from "./overload.ts";

const LIMITS: OverloadLimits = {
  cpuLimit: 2,
  rejectThreshold: 75,
  pauseThreshold: 80,
  memoryLimit: 1_000_000_000,
};

/** Processes whose CPU and memory a test sets; each call of `second` takes one sample. */
class Machine {
  readonly overload: Overload;
  readonly #limits: OverloadLimits;
  readonly #usage = new Map<number, Usage>([[1, { cpuMicros: 0, rssBytes: 0 }]]);

  constructor(limits: Partial<OverloadLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
    this.overload = new Overload(this.#limits);
    this.overload.sample(this.#usage, 1000);
  }

  second(percent: number, rssBytes = 0): void {
    const cpuMicros = (this.#usage.get(1)?.cpuMicros ?? 0) + percent * 10_000 * this.#limits.cpuLimit;
    this.#usage.set(1, { cpuMicros, rssBytes });
    this.overload.sample(this.#usage, 1000);
  }
  seconds(count: number, percent: number, rssBytes = 0): void {
    for (let i = 0; i < count; i++) this.second(percent, rssBytes);
  }
}

test("the CPU usage is in percent of the limit, over all processes", () => {
  const overload = new Overload(LIMITS);
  for (let second = 0; second <= 60; second++) {
    const usage = [0.5, 0.3].map((cores, pid): [number, Usage] => [
      pid,
      { cpuMicros: cores * second * 1e6, rssBytes: 100 },
    ]);
    overload.sample(new Map(usage), 1000);
  }
  assert.ok(Math.abs(overload.cpuPercent - 40) < 0.01, String(overload.cpuPercent));
  assert.equal(overload.rssBytes, 200);
});

test("the past usage of a new process does not count, and a process that ended does not lower the usage", () => {
  const overload = new Overload(LIMITS);
  overload.sample(new Map([[1, { cpuMicros: 0, rssBytes: 1 }]]), 1000);
  overload.sample(
    new Map([
      [1, { cpuMicros: 1000, rssBytes: 1 }],
      [2, { cpuMicros: 3_600_000_000, rssBytes: 1 }],
    ]),
    1000,
  );
  assert.ok(overload.cpuPercent < 1);
  for (let i = 0; i < 5; i++)
    overload.sample(new Map([[2, { cpuMicros: 3_600_000_000, rssBytes: 1 }]]), 1000);
  assert.ok(overload.cpuPercent >= 0 && overload.cpuPercent < 1);
  // A process id that appears again with a smaller value is another process.
  overload.sample(new Map([[2, { cpuMicros: 5, rssBytes: 1 }]]), 1000);
  assert.ok(overload.cpuPercent >= 0);
});

test("one busy second is not an overload, several are; the overload ends ten points below the threshold", () => {
  const machine = new Machine();
  machine.second(100);
  assert.equal(machine.overload.cpuRejects, false);
  machine.seconds(10, 100);
  assert.equal(machine.overload.cpuRejects, true);
  machine.seconds(60, 70);
  assert.equal(machine.overload.cpuRejects, true);
  machine.seconds(60, 60);
  assert.equal(machine.overload.cpuRejects, false);
  machine.seconds(60, 74);
  assert.equal(machine.overload.cpuRejects, false);
});

test("memory: clients are refused from 90 % and accepted again at 85 %", () => {
  const machine = new Machine();
  const rejects = [0.89, 0.9, 0.86, 0.85, 0.89].map((share) => {
    machine.second(0, share * LIMITS.memoryLimit);
    return machine.overload.memoryRejects;
  });
  assert.deepEqual(rejects, [false, true, true, false, false]);
});

test("in a long overload reading pauses repeatedly, but never for more than five samples", () => {
  const machine = new Machine();
  let [stretch, longest, paused, read] = [0, 0, 0, 0];
  for (let i = 0; i < 200; i++) {
    machine.second(100);
    if (machine.overload.pauses) {
      paused++;
      longest = Math.max(longest, ++stretch);
    } else {
      read++;
      stretch = 0;
    }
  }
  assert.ok(paused > 50 && read > 50, `${paused} paused, ${read} read`);
  assert.equal(longest, 5);
  machine.seconds(60, 10);
  assert.equal(machine.overload.pauses, false);
});

test("for any thresholds, an idle gateway refuses nobody", () => {
  const percent = fc.integer({ min: 1, max: 100 });
  fc.assert(
    fc.property(percent, percent, (rejectThreshold, pauseThreshold) => {
      const machine = new Machine({ rejectThreshold, pauseThreshold });
      machine.seconds(50, 120);
      assert.equal(machine.overload.cpuRejects, true);
      machine.seconds(100, 0);
      assert.deepEqual([machine.overload.cpuRejects, machine.overload.pauses], [false, false]);
    }),
  );
});

test("a sample without elapsed time does not change the CPU usage", () => {
  const machine = new Machine();
  machine.seconds(20, 50);
  const before = machine.overload.cpuPercent;
  machine.overload.sample(new Map([[1, { cpuMicros: 1e12, rssBytes: 0 }]]), 0);
  assert.equal(machine.overload.cpuPercent, before);
});

test("refuses when one process has almost filled its heap, though the memory limit is far", () => {
  const overload = new Overload(LIMITS);
  const sample = (...heapShares: number[]) => {
    const usages = heapShares.map(
      (heapShare, pid) => [pid, { cpuMicros: 0, rssBytes: 1000, heapShare }] as const,
    );
    overload.sample(new Map(usages), 1000);
    return overload.memoryRejects;
  };
  assert.equal(sample(0.2, 0.89), false);
  assert.equal(sample(0.2, 0.9), true);
  assert.equal(sample(0.2, 0.86), true);
  assert.equal(sample(0.2, 0.85), false);
});
