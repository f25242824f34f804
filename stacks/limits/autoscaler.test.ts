import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createAutoscaler, type Policy, recommendation, type Usage } from "./autoscaler.ts";

const policy: Policy = {
  min: 1,
  max: 10,
  cpuTarget: 0.6,
  connectionsTarget: 8000,
  initializationSeconds: 120,
  stabilizationSeconds: 600,
  scaleIn: { most: 1, windowSeconds: 600 },
};

const vms = (count: number, usage: Partial<Usage>): Usage[] =>
  Array.from({ length: count }, () => ({ age: 10_000, connections: 0, cpu: 0, ...usage }));

describe("recommendation", () => {
  // Example of "understanding autoscaler decisions": 1.5 missing VMs add two, and 1.5 superfluous VMs remove
  // one.
  test("rounds up: 1.5 missing VMs add two, and 1.5 superfluous VMs remove one", () => {
    const wanted = (count: number, cpu: number) =>
      recommendation({ ...policy, cpuTarget: 0.7 }, vms(count, { cpu }));
    assert.equal(wanted(3, (4.5 * 0.7) / 3), 5);
    assert.equal(wanted(5, (3.5 * 0.7) / 5), 4);
  });

  // N gateways become N-1 below target × (N-1) / N: for three, below 40 % and below 5,333 connections.
  test("removes one of three VMs at 40 % CPU and 5,333 connections, and not above one of them", () => {
    assert.equal(recommendation(policy, vms(3, { cpu: 0.4, connections: 5333 })), 2);
    assert.equal(recommendation(policy, vms(3, { cpu: 0.41, connections: 5333 })), 3);
    assert.equal(recommendation(policy, vms(3, { cpu: 0.4, connections: 5334 })), 3);
  });

  test("the largest signal wins, and without a CPU target there is one signal", () => {
    assert.equal(recommendation(policy, vms(2, { cpu: 0.9, connections: 8000 })), 3);
    assert.equal(recommendation(policy, vms(2, { cpu: 0.3, connections: 9000 })), 3);
    assert.equal(
      recommendation({ ...policy, cpuTarget: undefined }, vms(2, { cpu: 0.9, connections: 8000 })),
      2,
    );
    assert.equal(recommendation(policy, []), 0);
  });
});

describe("decisions", () => {
  test("adds at once, keeps the peak for the stabilization period, then removes one VM in each window", () => {
    const autoscaler = createAutoscaler({ ...policy, min: 2 });
    const sizes = new Map<number, number>();
    let size = 2;
    for (let now = 0; now <= 3600; now += 10) {
      const total = now < 60 ? 16_000 : now === 60 ? 40_000 : 1000;
      size = autoscaler.decide(now, size, vms(size, { connections: total / size }));
      sizes.set(now, size);
    }
    assert.equal(sizes.get(50), 2);
    assert.equal(sizes.get(60), 5);
    assert.equal(sizes.get(650), 5); // the peak is one of the last ten minutes
    assert.equal(sizes.get(660), 4);
    assert.deepEqual([sizes.get(1240), sizes.get(1250)], [4, 3]); // five was recommended until second 650
    assert.deepEqual([sizes.get(1830), sizes.get(1840), sizes.get(3600)], [3, 2, 2]);
  });

  // "the autoscaler removes all unneeded instances in one step" without scale-in controls
  test("without scale-in control all superfluous VMs are removed at once after the stabilization period", () => {
    const autoscaler = createAutoscaler({ ...policy, scaleIn: undefined });
    assert.equal(autoscaler.decide(0, 8, vms(8, { connections: 8000 })), 8);
    assert.equal(autoscaler.decide(590, 8, vms(8, { connections: 4000 })), 8);
    assert.equal(autoscaler.decide(600, 8, vms(8, { connections: 4000 })), 4);
  });

  test("a starting VM's usage adds no VMs and removes none", () => {
    const starting = vms(1, { age: 60, connections: 9000 });
    const out = createAutoscaler({ ...policy, stabilizationSeconds: 0, scaleIn: undefined });
    assert.equal(out.decide(0, 3, [...vms(2, { connections: 8000 }), ...starting]), 3);
    assert.equal(
      out.decide(60, 3, [...vms(2, { connections: 8000 }), ...vms(1, { age: 120, connections: 9000 })]),
      4,
    );
  });

  test("stays within its limits, and removes no more VMs in a window than the scale-in control allows", () => {
    fc.assert(
      fc.property(
        fc.record({
          min: fc.integer({ min: 1, max: 5 }),
          more: fc.integer({ min: 0, max: 10 }),
          most: fc.integer({ min: 1, max: 3 }),
        }),
        fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 1, maxLength: 120 }),
        ({ min, more, most }, totals) => {
          const max = min + more;
          const autoscaler = createAutoscaler({ ...policy, min, max, scaleIn: { most, windowSeconds: 600 } });
          let size = min;
          const sizes = totals.map((total, index) => {
            size = autoscaler.decide(index * 60, size, vms(size, { connections: total / size }));
            return size;
          });
          for (const [index, now] of sizes.entries()) {
            assert.ok(now >= min && now <= max, `${now} is not from ${min} to ${max}`);
            const window = sizes.slice(Math.max(0, index - 9), index);
            assert.ok(
              window.every((before) => before - now <= most),
              `from ${window} to ${now}`,
            );
          }
        },
      ),
    );
  });
});
