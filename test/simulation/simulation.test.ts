import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "./run.ts";
import type { Schedule } from "./schedule.ts";
import { search } from "./search.ts";

/** Schedules of each run of the tests: some seconds. */
const SCHEDULES = 200;
const SEED = 7;

test("whatever happens, each client gets each message once and in order, and no loss is silent", async () => {
  const { failure, received, refetches } = await search(SEED, SCHEDULES);
  assert.equal(failure, undefined, failure);
  // The schedules must reach something: messages flow, and some of them are lost.
  assert.ok(received > SCHEDULES * 100, `${received} messages`);
  assert.ok(refetches > 0, "no schedule loses a message");
});

test("the same schedule has the same result", async () => {
  const schedule: Schedule = {
    chance: 11,
    steps: [
      { wait: 500, name: "block", client: 0, ms: 3000 },
      { wait: 100, name: "publish", channel: 0, count: 50 },
      { wait: 700, name: "kill", gateway: 1, ms: 500 },
      { wait: 900, name: "recreate" },
    ],
  };
  const [first, second] = [await run(schedule), await run(schedule)];
  assert.deepEqual(second, first);
});

/** Schedules that failed once. */
const FOUND: Record<string, Schedule> = {
  "the gateway ends right after it has shed a message": {
    chance: 0,
    steps: [
      { wait: 2136, name: "cut", client: 0 },
      { wait: 812, name: "repeat", gateway: 0, count: 1 },
      { wait: 2077, name: "lag", gateway: 0, ms: 288 },
      { wait: 1822, name: "publish", channel: 0, count: 26 },
      { wait: 847, name: "kill", gateway: 0, ms: 0 },
      { wait: 0, name: "publish", channel: 0, count: 1 },
    ],
  },
};

for (const [name, schedule] of Object.entries(FOUND)) {
  test(`a schedule that failed once: ${name}`, async () => {
    assert.deepEqual((await run(schedule)).violations, []);
  });
}
