import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Tally } from "../client/tally.ts";
import { SLOT } from "../control.ts";
import { wallMicros } from "../traffic/clock.ts";
import { Totals } from "./totals.ts";

const idle = { open: 1, waiting: 0, entries: [], epoch: undefined };
const untilNextSlot = () => new Promise((resolve) => setTimeout(resolve, (2 * SLOT) / 1000));
/** A sample with messages that were due at these moments, each `ms` late. */
function sample(due: readonly number[], ms: number, clock?: { roundTripMs: number; offsetMs: number }) {
  const tally = new Tally();
  for (const moment of due) tally.delivery(moment, ms * 1000);
  if (clock !== undefined) tally.clock(clock.roundTripMs, clock.offsetMs);
  return tally.take(idle);
}

describe("totals", () => {
  test("a delivery belongs to the stage in which its message was due, whenever it comes", async () => {
    const totals = new Totals(() => 0);
    const before = wallMicros();
    await untilNextSlot();
    totals.beginStage("first");
    await untilNextSlot();
    const first = wallMicros();
    await untilNextSlot();
    totals.beginStage("second");
    await untilNextSlot();
    const second = wallMicros();
    totals.endStage();
    await untilNextSlot();
    const after = wallMicros();
    // All of it comes after the end.
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

  test("clocks that differ are reckoned with at the end, when most is known of them", () => {
    const totals = new Totals((clock) => (clock?.offsetMs ?? 0) * 1000);
    totals.beginStage("only");
    // The gateway's clock is 40 ms ahead, which the first estimate does not know.
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
