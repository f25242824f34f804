/** More clients connect than the gateway can serve: some are served, the others are refused early. */

import { strict as assert } from "node:assert";
import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import { test } from "node:test";
import { connect } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import type { Owner } from "../harness/owner.ts";
import { eventually, pause, within } from "../harness/wait.ts";

/** More than a process accepts in several estimates of its rate, fewer than its queue holds. */
const CLIENTS = 1500;
const MAX_WAIT_MS = 100;
/** In each round, the gateway runs until it has answered this many clients, and then is stopped. */
const ANSWERED = 20;
const STOPPED_MS = 200;
const ANSWERS_MS = 60_000;

const UPGRADE =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/** Sends a request as soon as the kernel has accepted the connection; the answer comes later. */
async function ask(t: Owner, { host, wsPort }: Gateway, headers: string): Promise<Socket> {
  const socket = connectSocket(wsPort, host);
  t.after(() => {
    socket.destroy();
  });
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(`GET /ws HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n`);
  return socket;
}

/**
 * Lets all clients connect at once to a gateway that gets little CPU, and a page ask after them how long to
 * wait. Returns the heads of the answers, the page's last.
 */
async function storm(t: Owner, gateway: Gateway, clients: number): Promise<string[]> {
  const { pid } = gateway.process;
  assert.ok(pid !== undefined);
  process.kill(pid, "SIGSTOP");
  const sockets = await Promise.all(Array.from({ length: clients }, () => ask(t, gateway, UPGRADE)));
  sockets.push(await ask(t, gateway, ""));
  let answered = 0;
  const answers = Promise.all(
    sockets.map(async (socket) => {
      const [data] = await once(socket, "data");
      answered++;
      return String(data);
    }),
  );
  try {
    while (answered < sockets.length) {
      process.kill(pid, "SIGCONT");
      const goal = Math.min(sockets.length, answered + ANSWERED);
      await eventually("answers", () => answered >= goal);
      process.kill(pid, "SIGSTOP");
      await pause(STOPPED_MS);
    }
  } finally {
    process.kill(pid, "SIGCONT");
  }
  return within("answers to all clients", answers, ANSWERS_MS);
}

const startWith = (t: Owner, maxWaitMs: number): Promise<Gateway> =>
  startGateway(t, {
    env: { WS_WORKER_POOL_SIZE: "1", WS_MAX_HANDSHAKE_WAIT_MS: String(maxWaitMs), LOG_LEVEL: "warn" },
  });

test("a gateway with too little CPU refuses a part of the clients early and serves the others", {
  skip: process.platform !== "linux" && "the queue of the kernel is read from /proc",
}, async (t) => {
  const gateway = await startWith(t, MAX_WAIT_MS);
  const before = await connect(t, gateway);
  const answers = await storm(t, gateway, CLIENTS);
  const toPage = answers.pop() ?? "";

  const served = answers.filter((answer) => answer.startsWith("HTTP/1.1 101 "));
  const refused = answers.filter((answer) => !served.includes(answer));
  assert.ok(
    refused.length >= 20 && served.length >= 20,
    `${served.length} were served, ${refused.length} refused`,
  );
  for (const answer of refused) {
    assert.match(answer, /^HTTP\/1.1 503 /);
    assert.match(answer, /"error":"handshakes"/);
    const [, seconds] = /\r\nRetry-After: (\d+)\r\n/.exec(answer) ?? [];
    assert.ok(Number(seconds) >= 2 && Number(seconds) <= 8, answer);
  }
  assert.ok(
    new Set(refused.map((answer) => /Retry-After: \d+/.exec(answer)?.[0])).size > 1,
    "all return together",
  );
  // Pages cannot read a refusal, but they can ask how long to wait.
  assert.match(toPage, /^HTTP\/1.1 426 [\s\S]*\r\nRetry-After: [2-8]\r\n/);
  assert.equal((await gateway.ops("/health")).status, 200, "the load balancer keeps the gateway");
  await gateway.metric(
    "ws_connections_rejected_total",
    { reason: "handshakes" },
    (count) => count === refused.length,
  );
  // Afterwards everybody is served again, and connected clients have noticed nothing.
  await eventually("ten new connections", async () => {
    await Promise.all(Array.from({ length: 10 }, () => connect(t, gateway)));
    return true;
  });
  await before.ask({ type: "heartbeat" }, "heartbeat_ack");
});

test("without the limit, all clients wait until they are served", async (t) => {
  const gateway = await startWith(t, 0);
  const answers = await storm(t, gateway, CLIENTS / 3);
  assert.match(answers.pop() ?? "", /^HTTP\/1.1 426 /);
  assert.equal(answers.length, CLIENTS / 3);
  assert.ok(answers.every((answer) => answer.startsWith("HTTP/1.1 101 ")));
});
