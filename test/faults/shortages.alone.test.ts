/** The gateway without free descriptors: connections are refused, and the process continues. */

import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { describe, test } from "node:test";
import { connect, Refused, type TestClient } from "../harness/client.ts";
import { type Gateway, runGateway, startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { assertUndisturbed } from "../harness/neighbour.ts";
import type { Owner } from "../harness/owner.ts";
import { eventually, pause } from "../harness/wait.ts";

const NEEDS_LINUX = process.platform !== "linux" && "needs Linux";
/** Longer than the time after which a socket may be closed to make room. */
const IDLE_MS = 1200;

// TCP connections that send nothing.
function idle(t: Owner, port: number, count: number): Socket[] {
  const sockets = Array.from({ length: count }, () => connectTcp(port, "127.0.0.1").on("error", () => {}));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return sockets;
}

const workersOf = (gateway: Gateway): number[] =>
  gateway.process
    .processes()
    .map(({ pid }) => pid)
    .filter((pid) => pid !== gateway.process.pid);
const openFiles = (pid: number): number[] => readdirSync(`/proc/${pid}/fd`).map(Number);
const setOpenFiles = (pid: number, limit: number): unknown =>
  execFileSync("prlimit", ["--pid", String(pid), `--nofile=${limit}:`]);

// Lowers the limit of a running process to the descriptors that it has; returns a function that undoes this.
function useUp(pid: number): () => void {
  const open = new Set(openFiles(pid));
  let free = 0;
  while (open.has(free)) free++;
  setOpenFiles(pid, free);
  return () => setOpenFiles(pid, 4096);
}

describe("without free descriptors", { skip: NEEDS_LINUX }, () => {
  test("200 idle connections at 100 descriptors: neighbours notice nothing, new clients get in", async (t) => {
    const gateway = await startGateway(t, { shell: "ulimit -n 100" });
    assert.match(
      gateway.process.output,
      /"WARNING".*WS_MAX_CONNECTIONS is 10000, but .* only 100 open files/,
    );
    await assertUndisturbed(t, gateway, async () => {
      for (const port of [gateway.wsPort, gateway.opsPort]) {
        idle(t, port, 200);
        await pause(IDLE_MS);
        const clients: TestClient[] = [];
        for (let n = 0; n < 10; n++) clients.push(await connect(t, gateway));
        await gateway.health(200);
        for (const client of clients) client.drop();
      }
    });
    assert.ok(openFiles(gateway.process.pid).length < 100);
  });

  test("more clients than descriptors allow are refused with 503, and /health says so", async (t) => {
    const gateway = await startGateway(t, { shell: "ulimit -n 100", env: { WS_WORKER_POOL_SIZE: "2" } });
    const clients: TestClient[] = [];
    const refused = await eventually("a refusal", async () => {
      try {
        clients.push(await connect(t, gateway));
      } catch (error) {
        return error instanceof Refused && error.answer;
      }
      return undefined;
    });
    assert.equal(refused.status, 503);
    assert.equal(JSON.parse(refused.body).error, "connections");
    assert.ok(clients.length > 20, `${clients.length} connections`);
    await gateway.health(503);
    for (const client of clients) await client.ask({ type: "heartbeat" }, "heartbeat_ack");
  });

  test("idle connections are closed within seconds, on both ports", async (t) => {
    const gateway = await startGateway(t);
    const sockets = [...idle(t, gateway.wsPort, 5), ...idle(t, gateway.opsPort, 5)];
    for (const socket of sockets) socket.resume();
    await eventually("their end", () => sockets.every(({ closed }) => closed), 9000);
  });

  test("a limit that is too low for the gateway itself stops the start", async (t) => {
    const { code, output } = await runGateway(t, {}, "ulimit -n 60");
    assert.equal(code, 1);
    assert.match(output, /^odin-ws: .* only 60 open files, and the gateway needs at least 72/m);
  });
});

describe("all descriptors used up while it runs", { skip: NEEDS_LINUX || withoutNats() }, () => {
  test("clients keep their messages, NATS may restart, and all is well when there are descriptors again", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats });
    const client = await connect(t, gateway);
    await client.subscribe(["BTC.trade"]);
    const restore = useUp(gateway.process.pid);
    const turnedAway = idle(t, gateway.wsPort, 20);
    idle(t, gateway.opsPort, 20);
    await client.at(await nats.publish("odin.token.BTC.trade", 1));
    await nats.kill();
    await nats.start();
    // The memory is sampled every second, and NATS is tried again twice a second.
    await pause(2500);
    await client.ask({ type: "heartbeat" }, "heartbeat_ack");
    for (const socket of turnedAway) assert.ok(socket.readyState !== "opening");
    restore();
    await gateway.health(200);
    await client.at(await nats.publish("odin.token.BTC.trade", 2));
    await connect(t, gateway);
    assert.equal(gateway.process.exit, undefined);
  });

  test("a worker that cannot be replaced is replaced later", async (t) => {
    const gateway = await startGateway(t, { env: { WS_WORKER_POOL_SIZE: "2" } });
    const restore = useUp(gateway.process.pid);
    const [worker = 0, other = 0] = workersOf(gateway);
    const restoreOther = useUp(other);
    process.kill(worker, "SIGKILL");
    // The dead worker's channel leaves one descriptor, and a new process needs more.
    await eventually("a failed start", () =>
      gateway.process.output.includes("a worker could not be started"),
    );
    await pause(1500); // the memory of both processes is sampled meanwhile
    restore();
    restoreOther();
    await eventually("a replacement", () => workersOf(gateway).length === 2);
    await gateway.health(200);
    assert.ok(workersOf(gateway).includes(other));
  });
});

describe("an error that nothing in the gateway has caught", () => {
  /** SIGUSR2 makes the gateway throw in an event listener, as a library may do. */
  const throwing = (code: string) => {
    const error = `Object.assign(new Error("made up"), { code: "${code}" })`;
    const source = `process.on("SIGUSR2", () => { throw ${error}; })`;
    return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(source)}` };
  };

  test("clients stay connected when the error is a shortage, and the log has it", async (t) => {
    const gateway = await startGateway(t, { env: throwing("EMFILE") });
    const client = await connect(t, gateway);
    process.kill(gateway.process.pid, "SIGUSR2");
    await eventually("a line in the log", () =>
      /"ERROR".*an operation failed.*made up|made up.*an operation failed/.test(gateway.process.output),
    );
    await client.ask({ type: "heartbeat" }, "heartbeat_ack");
    await gateway.health(200);
  });

  test("any other error ends the process with the error's stack", async (t) => {
    const gateway = await startGateway(t, { env: throwing("EINVAL") });
    process.kill(gateway.process.pid, "SIGUSR2");
    assert.equal((await gateway.process.exited).code, 1);
    assert.match(gateway.process.output, /^odin-ws: Error: made up\n +at /m);
  });
});
