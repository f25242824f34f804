/**
 * All rules of delivery together, in generated sequences: encodings, writes, throttling, rates, last values,
 * resumes, replays, and streams that take each other's place. ODIN_SEQUENCES=20 tries 20 times as many.
 */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { ManualTurns, ManualWrites } from "./manual-time.fixture.ts";
import { Stage } from "./stage.fixture.ts";
import type { Encoding, Watcher } from "./watcher.fixture.ts";

const TIMES = Number(process.env.ODIN_SEQUENCES ?? 1);
/** Without the variable always the same sequences, so that nobody meets an old mistake in another change. */
const SEED = TIMES === 1 ? { seed: 7 } : {};
const ENCODINGS: readonly Encoding[] = ["plain", "deflate", "compact"];
const CHANNELS = ["A.trade", "A.metadata", "B.trade", "B.social", "B.balances"];
const NAMES = [...CHANNELS, "A.*", "*.trade", "*.*"];

const who = fc.nat(ENCODINGS.length - 1);
const names = fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 2 });
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      publish: fc.constantFrom(...CHANNELS),
      priority: fc.constantFrom(undefined, undefined, "low", "critical"),
      size: fc.constantFrom(0, 0, 0, 5000, 40_000),
      times: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      who,
      subscribe: names,
      rate: fc.constantFrom(undefined, undefined, 0.5, 4, 20),
      last: fc.boolean(),
      back: optional(fc.nat(15)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ who, unsubscribe: fc.constantFrom(...NAMES) }) },
  { weight: 1, arbitrary: fc.record({ shed: fc.constantFrom(...CHANNELS) }) },
  { weight: 1, arbitrary: fc.record({ define: fc.constantFrom("trade", "social", "metadata") }) },
  { weight: 2, arbitrary: fc.record({ who, stall: fc.constant(true) }) },
  { weight: 2, arbitrary: fc.record({ who, read: fc.constantFrom(10_000, 60_000, Infinity) }) },
  { weight: 3, arbitrary: fc.record({ pass: fc.constantFrom(1, 40, 130, 700, 2000, 40_000) }) },
  { weight: 1, arbitrary: fc.record({ who, reconnect: fc.constantFrom("lost", "read") }) },
  { weight: 2, arbitrary: fc.record({ who, request: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.record({ who, heartbeat: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.constant("another stream" as const) },
  { weight: 4, arbitrary: fc.constant("turn" as const) },
  { weight: 3, arbitrary: fc.constant("write" as const) },
  { weight: 2, arbitrary: fc.constant("delay over" as const) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** `writes`: the delay, and the time of a write; undefined where each frame is a write of its own. */
const mode = fc.record({
  policy: fc.constantFrom("priority" as const, "rate" as const, "conflate" as const),
  writes: fc.constantFrom(undefined, [0, 0] as const, [10, 0] as const, [0, 0.5] as const),
  stepMs: fc.constantFrom(0, 0.3, 2),
  replayBuffer: fc.constantFrom(4, 10_000),
  sendBufferBytes: fc.constantFrom(20_000, 100_000),
});
type Mode = typeof mode extends fc.Arbitrary<infer T> ? T : never;

/** Takes a step. `settles`: everything is written and read before a client does what depends on that. */
function take(stage: Stage, writes: ManualWrites | undefined, one: Step, settles: boolean): void {
  const { world } = stage;
  if (one === "turn") stage.takeTurn();
  else if (one === "write") writes?.endTurn();
  else if (one === "delay over") writes?.endDelay();
  else if (one === "another stream") stage.replaceStream();
  else if ("publish" in one) {
    for (let i = 0; i < one.times; i++) stage.publish(one.publish, { ...one, shed: false });
  } else if ("shed" in one) stage.publish(one.shed, { size: 0, priority: undefined, shed: true });
  else if ("define" in one) world.define(one.define);
  else if ("pass" in one) stage.pass(one.pass);
  else {
    const watcher = stage.watchers[one.who % stage.watchers.length] as Watcher;
    if (settles) stage.settle();
    if ("subscribe" in one) watcher.subscribe(one.subscribe, one);
    else if ("unsubscribe" in one) watcher.unsubscribe(one.unsubscribe);
    else if ("stall" in one) watcher.stall();
    else if ("read" in one) watcher.client.socket.read(one.read);
    else if ("reconnect" in one) watcher.reconnect(one.reconnect === "lost");
    else if ("request" in one) watcher.request();
    else watcher.heartbeat();
  }
  if (settles && one === "another stream") stage.settle();
  stage.look();
}

function start(
  t: TestContext,
  { policy, writes, stepMs, replayBuffer, sendBufferBytes }: Mode,
  encodings: readonly Encoding[],
) {
  const manual = writes && new ManualWrites(writes[0], writes[1]);
  const options = {
    turns: new ManualTurns(stepMs),
    writes: manual,
    replayBuffer,
    sendBufferBytes,
    encodings,
    throttle: { policy },
  };
  return { stage: new Stage(t, options), writes: manual };
}

test("in any sequence, clients side by side get each message once, in order, as they want it; no loss is silent", (t) => {
  const seen = { messages: 0, pauses: 0, throttled: 0, previous: 0, dictionary: 0, leftOut: 0, replays: 0 };
  fc.assert(
    fc.property(mode, fc.array(step, { maxLength: 60, size: "max" }), (chosen, steps) => {
      const { stage, writes } = start(t, chosen, ENCODINGS);
      for (const watcher of stage.watchers) watcher.subscribe(["A.trade", "B.social"], {});
      for (const one of steps) take(stage, writes, one, false);
      stage.finish();
      seen.pauses += writes?.pauses ?? 0;
      seen.leftOut += stage.world.leftOut;
      for (const { counted, client } of stage.watchers) {
        seen.messages += counted.messages;
        seen.throttled += counted.throttled;
        seen.replays += counted.replays;
        seen.previous += client.reader.count.previous;
        seen.dictionary += client.reader.count.dictionary;
      }
    }),
    { numRuns: 300 * TIMES, ...SEED },
  );
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 30, `${what}: ${count}`);
});

const KEEPS_UP = step.filter((one) => typeof one === "string" || !("stall" in one || "read" in one));

test("in any sequence, a client gets the same messages in the same order in each encoding, and however they are written", (t) => {
  fc.assert(
    fc.property(
      mode,
      fc.constantFrom(...ENCODINGS),
      fc.array(KEEPS_UP, { maxLength: 50, size: "max" }),
      (chosen, encoding, steps) => {
        const run = (writes: Mode["writes"], encoding: Encoding) => {
          const { stage, writes: manual } = start(t, { ...chosen, writes }, [encoding]);
          for (const one of steps) take(stage, manual, one, true);
          stage.settle();
          return (stage.watchers[0] as Watcher).log;
        };
        assert.deepEqual(run(chosen.writes, encoding), run(undefined, "plain"));
      },
    ),
    { numRuns: 200 * TIMES, ...SEED },
  );
});
