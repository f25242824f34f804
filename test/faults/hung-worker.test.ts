/** A worker process that hangs is replaced, and clients of other workers notice nothing. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect, type TestClient } from "../harness/client.ts";
import { type Env, type Gateway, startGateway } from "../harness/gateway.ts";
import type { Owner } from "../harness/owner.ts";
import { eventually, pause, within } from "../harness/wait.ts";

const NOTICED_MS = 5000;
const NEW_CONNECTION_MS = 2000;

const setUp = (t: Owner, env: Env = {}): Promise<Gateway> =>
  startGateway(t, { env: { WS_WORKER_POOL_SIZE: "2", ...env } });
const crowd = (t: Owner, gateway: Gateway, count: number): Promise<TestClient[]> =>
  Promise.all(Array.from({ length: count }, () => connect(t, gateway)));
const workersOf = (gateway: Gateway): number[] =>
  gateway.process
    .processes()
    .map(({ pid }) => pid)
    .filter((pid) => pid !== gateway.process.pid);

// Makes the first worker hang, and asserts that the worker and its clients are replaced.
async function checkHang(t: Owner, gateway: Gateway, signal: NodeJS.Signals): Promise<void> {
  const clients = await crowd(t, gateway, 20);
  const [hung, other] = workersOf(gateway);
  assert.ok(hung !== undefined && other !== undefined);
  process.kill(hung, signal);
  // Waits for the log line about the end: a process keeps its sockets until its last thread has ended.
  const died = new RegExp(`"worker_pid":${hung},.*a worker died`);
  await eventually("an end of the worker", () => died.test(gateway.process.output), NOTICED_MS);
  // From now on no client waits: the kernel gives new connections to the other worker only.
  const arrivals = crowd(t, gateway, 20);
  await within("new connections", arrivals, NEW_CONNECTION_MS);
  await eventually("free seats of the clients that were cut", async () => {
    const open = [...clients, ...(await arrivals)].filter(({ closedWith }) => closedWith === undefined);
    return (await gateway.stats()).connections === open.length && open.length < 40;
  });
  for (const client of clients.filter(({ closedWith }) => closedWith === undefined))
    await client.ask({ type: "heartbeat" }, "heartbeat_ack");
  await eventually("a replacement", () => workersOf(gateway).length === 2);
  assert.ok(workersOf(gateway).includes(other));
  await gateway.health(200);
}

// The tests run at the same time, because each of them waits for seconds.
describe("a worker that hangs", { concurrency: true }, () => {
  test("a worker that is stopped is replaced within 5 s", async (t) => {
    await checkHang(t, await setUp(t), "SIGSTOP");
  });

  test("a worker in an endless loop is replaced within 5 s", async (t) => {
    const loop = `process.on("SIGUSR2", () => { for (;;); })`;
    const gateway = await setUp(t, {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(loop)}`,
    });
    await checkHang(t, gateway, "SIGUSR2");
  });

  test("after the whole machine was suspended for 5 s, no worker is replaced", async (t) => {
    const gateway = await setUp(t);
    const clients = await crowd(t, gateway, 10);
    const before = workersOf(gateway);
    process.kill(-gateway.process.pid, "SIGSTOP");
    await pause(NOTICED_MS);
    process.kill(-gateway.process.pid, "SIGCONT");
    await pause(1000);
    assert.deepEqual(workersOf(gateway), before);
    assert.ok(clients.every(({ closedWith }) => closedWith === undefined));
  });
});
