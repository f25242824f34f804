import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { tokenFor } from "../client/token.ts";
import { WorkerStats } from "../client/worker-stats.ts";
import { Distribution, quantilesOf } from "./distribution.ts";
import { describeLatency, shiftMicros } from "./latency-basis.ts";

describe("distribution of times", () => {
  test("computes quantiles from the workers' counts, to 1 %", () => {
    const stats = new WorkerStats();
    for (let micros = 1; micros <= 100_000; micros++) stats.time("connect", micros);
    const times = new Distribution();
    times.add(stats.take({ open: 0, waiting: 0, messages: [], epoch: undefined }).connect);
    const { samples, p50, p99, max } = times.quantiles;
    assert.equal(samples, 100_000);
    for (const [is, should] of [
      [p50, 50],
      [p99, 99],
      [max, 100],
    ] as const)
      assert.ok(Math.abs(is / should - 1) < 0.011, `${is} instead of ${should}`);
    const curve = times.curve();
    assert.ok(curve.every(({ ms }, index) => ms >= (curve[index - 1]?.ms ?? 0)));
  });

  test("accepts zero, negative times and times beyond an hour", () => {
    const times = new Distribution();
    assert.equal(times.quantiles.samples, 0);
    times.add(
      new Map([
        [0, 1],
        [9e12, 1],
      ]),
      -500,
    );
    assert.equal(times.quantiles.samples, 2);
  });
});

test("quantiles of a few times, also of negative ones, which occur when clocks differ", () => {
  const stats = new WorkerStats();
  for (let n = 0; n < 100; n++) stats.delivery(5_000_000, n * 1000 - 40_000);
  stats.delivery(5_010_000, undefined);
  const { latency } = stats.take({ open: 0, waiting: 0, messages: [], epoch: undefined });
  assert.deepEqual([...latency.keys()], [500, 501]);
  assert.deepEqual(quantilesOf(latency.get(500)?.latency ?? new Map()), { p50: 9, p99: 58, max: 59 });
  assert.deepEqual(latency.get(501), { deliveries: 1, latency: new Map() });
  assert.equal(quantilesOf(new Map()), undefined);
});

test("a clock difference is added only when it matters and is known", () => {
  const far = { roundTripMs: 2, offsetMs: 40 };
  const other = { feed: "market", sameMachine: false } as const;
  assert.equal(shiftMicros(other, far), 40_000);
  assert.equal(shiftMicros(other, { roundTripMs: 2, offsetMs: 0.9 }), 0);
  assert.equal(shiftMicros(other, undefined), 0);
  assert.equal(shiftMicros({ ...other, sameMachine: true }, far), 0);
  assert.equal(shiftMicros({ ...other, feed: "own" }, far), 0);
  assert.match(describeLatency(other, far), /40\.00 ms ± 1\.00 ms.*was added/);
});

test("each token is a JWT for a user of its own", async () => {
  const { jwtVerify } = await import("jose");
  const claims = async (issuer?: string, audience?: string) => {
    const token = tokenFor({ secret: "secret", issuer, audience }, 7);
    return (await jwtVerify(token, new TextEncoder().encode("secret"))).payload;
  };
  const { sub, iss, aud } = await claims();
  assert.deepEqual([sub, iss, aud], ["loadtest-7", undefined, undefined]);
  const named = await claims("https://id.example", "live");
  assert.deepEqual([named.iss, named.aud], ["https://id.example", "live"]);
});
