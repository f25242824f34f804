/** Measures how long the gateway takes to answer a client while others disturb the gateway. */

import { strict as assert } from "node:assert";
import { performance } from "node:perf_hooks";
import { connect, type TestClient } from "./client.ts";
import type { Gateway } from "./gateway.ts";
import type { Owner } from "./owner.ts";
import { pause } from "./wait.ts";

/** Slower than the rate of messages that a client may send. */
const EVERY_MS = 60;
const LIMIT_MS = 100;
/** Other tests may take the CPU for a moment, so only a p99 that is too high in each attempt is a failure. */
const ATTEMPTS = 3;

/**
 * Runs `disturb` and fails when 1 % of the neighbour's requests meanwhile take more than 100 ms, in three
 * attempts, or when the neighbour loses its connection.
 */
export async function assertUndisturbed(
  owner: Owner,
  gateway: Gateway,
  disturb: () => Promise<void>,
  token?: string,
): Promise<void> {
  const client = await connect(owner, gateway, token === undefined ? {} : { token });
  const all: number[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const p99 = await p99While(client, disturb());
    if (p99 < LIMIT_MS) return;
    all.push(Math.round(p99));
  }
  assert.fail(`the p99 of a neighbour's answer times is ${all.join(", ")} ms, more than ${LIMIT_MS} ms`);
}

async function p99While(client: TestClient, disturbance: Promise<void>): Promise<number> {
  const times: number[] = [];
  let isOver = false;
  const over = disturbance.finally(() => {
    isOver = true;
  });
  // `await over` throws a failure. Until then, an unhandled rejection must not end the process of the test.
  over.catch(() => {});
  while (!isOver) {
    const start = performance.now();
    await client.ask({ type: "heartbeat" }, "heartbeat_ack");
    times.push(performance.now() - start);
    await pause(EVERY_MS);
  }
  await over;
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
}
