import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Tally } from "../client/tally.ts";
import { tokenFor } from "../client/token.ts";
import { Distribution, quantilesOf } from "./figures.ts";
import { describeLatency, shiftMicros } from "./latency-basis.ts";

describe("distribution of times", () => {
  test("quantiles from what workers counted, to 1 %", () => {
    const tally = new Tally();
    for (let micros = 1; micros <= 100_000; micros++) tally.time("connect", micros);
    const times = new Distribution();
    times.add(tally.take({ open: 0, waiting: 0, entries: [], epoch: undefined }).connect);
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

  test("nothing, less than nothing and more than an hour are times as well", () => {
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

test("quantiles of a few times, also of such before their message, as clocks that differ have it", () => {
  const tally = new Tally();
  for (let n = 0; n < 100; n++) tally.delivery(5_000_000, n * 1000 - 40_000);
  tally.delivery(5_010_000, undefined);
  const { due } = tally.take({ open: 0, waiting: 0, entries: [], epoch: undefined });
  assert.deepEqual([...due.keys()], [500, 501]);
  assert.deepEqual(quantilesOf(due.get(500)?.latency ?? new Map()), { p50: 9, p99: 58, max: 59 });
  assert.deepEqual(due.get(501), { deliveries: 1, latency: new Map() });
  assert.equal(quantilesOf(new Map()), undefined);
});

test("clocks: a difference is added only where it matters and can be known", () => {
  const far = { roundTripMs: 2, offsetMs: 40 };
  const other = { feed: "market", sameMachine: false } as const;
  assert.equal(shiftMicros(other, far), 40_000);
  assert.equal(shiftMicros(other, { roundTripMs: 2, offsetMs: 0.9 }), 0);
  assert.equal(shiftMicros(other, undefined), 0);
  assert.equal(shiftMicros({ ...other, sameMachine: true }, far), 0);
  assert.equal(shiftMicros({ ...other, feed: "own" }, far), 0);
  assert.match(describeLatency(other, far), /40\.00 ms ± 1\.00 ms.*was added/);
});

test("tokens are JWTs of one user each", async () => {
  const { jwtVerify } = await import("jose");
  const { payload } = await jwtVerify(tokenFor("secret", 7), new TextEncoder().encode("secret"));
  assert.equal(payload.sub, "loadtest-7");
});
