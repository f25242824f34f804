import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WorkerStats } from "../client/worker-stats.ts";
import { wallMicros } from "../traffic/clock.ts";
import { BUCKET_MICROS } from "../worker-messages.ts";
import { Totals } from "./totals.ts";

const idle = { open: 1, waiting: 0, messages: [], epoch: undefined };
const untilNextBucket = () => new Promise((resolve) => setTimeout(resolve, (2 * BUCKET_MICROS) / 1000));
/** Returns a sample with messages that were due at these times and arrived `ms` later. */
function sample(due: readonly number[], ms: number, clock?: { roundTripMs: number; offsetMs: number }) {
  const stats = new WorkerStats();
  for (const moment of due) stats.delivery(moment, ms * 1000);
  if (clock !== undefined) stats.clock(clock.roundTripMs, clock.offsetMs);
  return stats.take(idle);
}

describe("totals", () => {
  test("counts a delivery for the stage in which its message was due, whenever it arrives", async () => {
    const totals = new Totals(() => 0);
    const before = wallMicros();
    await untilNextBucket();
    totals.beginStage("first");
    await untilNextBucket();
    const first = wallMicros();
    await untilNextBucket();
    totals.beginStage("second");
    await untilNextBucket();
    const second = wallMicros();
    totals.endStage();
    await untilNextBucket();
    const after = wallMicros();
    // All deliveries arrive after the end of the last stage.
    totals.add(sample([before, after], 1), 0);
    totals.add(sample([first, first, second], 4000), 0);
    const { stages, whole } = totals.latency;
    assert.deepEqual(
      stages.map(({ name, deliveries, latency: { samples, p50 } }) => [
        name,
        deliveries,
        samples,
        Math.round(p50 / 10),
      ]),
      [
        ["first", 2, 2, 400],
        ["second", 1, 1, 400],
      ],
    );
    assert.equal(whole.quantiles.samples, 3);
  });

  test("corrects for different clocks at the end, with the best estimate", () => {
    const totals = new Totals((clock) => (clock?.offsetMs ?? 0) * 1000);
    totals.beginStage("only");
    // The gateway's clock is 40 ms ahead; the first estimate says 50 ms.
    const now = wallMicros() + 100_000;
    totals.add(sample([now], -37, { roundTripMs: 30, offsetMs: 50 }), 0);
    assert.equal(totals.tick(undefined).p50, 13);
    totals.add(sample([], 0, { roundTripMs: 2, offsetMs: 40 }), 0);
    assert.deepEqual(
      totals.points.map(({ p50, p99, max }) => [p50, p99, max]),
      [[3, 3, 3]],
    );
    assert.equal(Math.round(totals.latency.whole.quantiles.max), 3);
  });
});
