import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Curve, ramp } from "./curve.ts";
import { DELAYS, holds, type Moment, type Scenario, STEP, simulate } from "./simulator.ts";

const scenario = (curve: Curve, policy: Partial<Scenario["policy"]> = {}): Scenario => ({
  policy: {
    ...{ min: 2, max: 5, cpuTarget: 0.6, connectionsTarget: 8000 },
    ...{ initializationSeconds: 120, stabilizationSeconds: 600, scaleIn: { most: 1, windowSeconds: 600 } },
    ...policy,
  },
  gateway: { maxConnections: 10_000, cpuWhenFull: undefined, cpuReject: 0.71 },
  delays: DELAYS,
  curve,
  tail: 3600,
});
const constant = (connections: number): Curve => [
  { at: 0, connections },
  { at: 600, connections },
];
const last = (moments: Moment[]) => moments.at(-1) ?? assert.fail("no moments");

describe("worked examples", () => {
  test("16,000 clients on two gateways: no gateway is added, and each has half of the clients", () => {
    const moments = simulate(scenario(constant(16_000)));
    assert.ok(moments.every(({ size, serving, refused }) => size === 2 && serving === 2 && refused === 0));
    assert.deepEqual(last(moments).loads, [
      { gateway: 1, connections: 8000 },
      { gateway: 2, connections: 8000 },
    ]);
  });

  test("a burst: two gateways refuse the rest until the third one has booted", () => {
    const moments = simulate(scenario(constant(24_000)));
    const [first] = moments;
    assert.equal(first?.connected, 20_000);
    assert.equal(first?.refused, 4000);
    // The autoscaler sees the first point after the metric delay, and this point recommends three: 20,000 /
    // 8,000.
    const decided = moments.find(({ size }) => size === 3);
    assert.equal(decided?.at, DELAYS.metric + STEP);
    const served = moments.find(({ serving }) => serving === 3);
    assert.equal(served?.at, DELAYS.metric + STEP + DELAYS.boot);
    assert.equal(served?.refused, 0);
    assert.deepEqual(
      served?.loads.map(({ connections }) => connections),
      [10_000, 10_000, 4000],
    );
    assert.equal(last(moments).size, 3);
  });

  test("existing connections stay where they are when a gateway is added", () => {
    const moments = simulate(scenario(ramp(0, 22_000, 20)));
    const [before, after] = moments.flatMap((moment, index) =>
      moment.serving === 3 && moments[index - 1]?.serving === 2 ? [moments[index - 1], moment] : [],
    );
    for (const { gateway, connections } of before?.loads ?? assert.fail("three gateways never served")) {
      const now = after?.loads.find((load) => load.gateway === gateway)?.connections ?? 0;
      assert.ok(now >= connections, `gateway ${gateway} lost connections`);
    }
  });

  test("CPU adds gateways earlier than connections, and a gateway refuses connections before its limit", () => {
    const base = scenario(constant(16_000));
    const busy = { ...base, gateway: { ...base.gateway, cpuWhenFull: 0.9 } };
    assert.equal(last(simulate(busy)).size, 3); // 16,000 × 0.9 / 10,000 / 0.6 = 2.4
    assert.equal(holds(base.gateway), 10_000);
    assert.equal(holds({ ...base.gateway, cpuWhenFull: 1 }), 7100);
  });

  test("scaling in moves the clients of the removed gateway to the others", () => {
    const curve = [
      { at: 0, connections: 24_000 },
      { at: 1200, connections: 24_000 },
      { at: 1210, connections: 9000 },
    ];
    const moments = simulate(scenario(curve));
    const removal = moments.find(({ reconnects }) => reconnects > 0);
    assert.ok(removal && removal.at > 1200 + 600, "before the stabilization was over");
    // 10,000, 10,000 and 4,000 have become 3,750, 3,750 and 1,500. One of the fullest gateways is removed,
    // and its clients connect to the others.
    assert.equal(removal.reconnects, 3750);
    assert.ok(removal.loads.some(({ gateway }) => gateway === 3));
    assert.equal(removal.connected, 9000);
    assert.equal(removal.refused, 0);
    assert.equal(last(moments).size, 2);
  });
});

const curves = fc
  .array(
    fc.record({ at: fc.integer({ min: 0, max: 6000 }), connections: fc.integer({ min: 0, max: 80_000 }) }),
    { minLength: 2, maxLength: 6 },
  )
  .map((points) => points.toSorted((a, b) => a.at - b.at));
/** Up, then down: the sorted values from both ends. */
const waves = curves.map((curve) => {
  const sorted = curve.map(({ connections }) => connections).sort((a, b) => a - b);
  const up = sorted.filter((_, index) => index % 2 === 0);
  const down = sorted.filter((_, index) => index % 2 === 1).reverse();
  return curve.map(({ at }, index) => ({ at, connections: [...up, ...down][index] ?? 0 }));
});
const limits = fc.record({ min: fc.integer({ min: 1, max: 4 }), more: fc.integer({ min: 0, max: 4 }) });

describe("for every demand", () => {
  test("each client is either connected or refused, and gateways stay within their limits", () => {
    fc.assert(
      fc.property(curves, limits, (curve, { min, more }) => {
        for (const moment of simulate(scenario(curve, { min, max: min + more }))) {
          assert.equal(moment.connected + moment.refused, moment.demand);
          assert.equal(
            moment.loads.reduce((total, { connections }) => total + connections, 0),
            moment.connected,
          );
          assert.ok(moment.loads.every(({ connections }) => connections >= 0 && connections <= 10_000));
          assert.ok(moment.size >= min && moment.size <= min + more && moment.serving <= moment.size);
          // No client is refused while a gateway has room.
          assert.ok(moment.refused === 0 || moment.connected === moment.serving * 10_000);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("at most one gateway is removed in any ten minutes", () => {
    fc.assert(
      fc.property(curves, limits, (curve, { min, more }) => {
        const moments = simulate(scenario(curve, { min, max: min + more }));
        for (const [index, { size }] of moments.entries()) {
          const window = moments.slice(Math.max(0, index - 600 / STEP + 1), index);
          assert.ok(window.every((before) => before.size - size <= 1));
        }
      }),
      { numRuns: 60 },
    );
  });

  // One wave only: after the first of two waves a larger group may scale in later, and meet the second wave
  // with fewer gateways.
  test("a higher maximum never refuses more clients in one wave of demand", () => {
    fc.assert(
      fc.property(waves, limits, fc.integer({ min: 1, max: 4 }), (curve, { min, more }, added) => {
        const refused = (max: number) =>
          simulate(scenario(curve, { min, max })).map((moment) => moment.refused);
        const [few, many] = [refused(min + more), refused(min + more + added)];
        assert.ok(many.every((count, index) => count <= (few[index] ?? 0)));
      }),
      { numRuns: 60 },
    );
  });

  test("the same scenario gives the same moments", () => {
    fc.assert(
      fc.property(curves, (curve) => {
        assert.deepEqual(simulate(scenario(curve)), simulate(scenario(curve)));
      }),
      { numRuns: 10 },
    );
  });
});
