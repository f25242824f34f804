/**
 * Drain on SIGTERM or SIGINT: the gateway spreads the closes, so that its clients do not all reconnect at
 * once.
 */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { isEnvelope } from "@odin-ws/protocol";
import { connect, refusal } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import type { Owner } from "../harness/owner.ts";
import { eventually, LATER_SIGNAL_MS, pause, within } from "../harness/wait.ts";

const CLIENTS = 40;

const crowd = (t: Owner, gateway: Gateway) =>
  Promise.all(Array.from({ length: CLIENTS }, () => connect(t, gateway)));

describe("drain", { concurrency: true }, () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`on ${signal} every client gets a reconnect message and a close with 1012, spread over the drain time`, async (t) => {
      const gateway = await startGateway(t, { env: { WS_DRAIN_SECONDS: "4" } });
      const clients = await crowd(t, gateway);
      const start = Date.now();
      gateway.process.signal(signal);
      const { body } = await gateway.health(503, 2000);
      assert.match(body, /drain/i);
      assert.equal((await gateway.ops("/live")).status, 200);
      assert.equal((await gateway.stats()).draining, true);
      assert.equal((await gateway.metrics()).sum("ws_draining"), 1);
      const answer = await refusal(t, gateway);
      assert.equal(answer.status, 503);
      assert.ok(Number(answer.headers["retry-after"]) >= 1);

      const closed = await within("all closed", Promise.all(clients.map((client) => client.closed)));
      for (const client of clients) {
        assert.equal(client.closedWith?.code, 1012);
        const { in_ms, reason } = await client.control("reconnect");
        assert.ok(Number.isSafeInteger(in_ms) && in_ms >= 0, `in_ms ${in_ms}`);
        assert.ok(reason.length > 0);
      }
      const times = closed.map(({ at }) => at - start).sort((a, b) => a - b);
      const spread = (times.at(-1) ?? 0) - (times[0] ?? 0);
      assert.ok(spread > 1500, `40 closes within ${spread} ms of 4 s: all clients would reconnect at once`);
      assert.ok((times.at(-1) ?? 0) < 8000, `the last close came after ${times.at(-1)} ms`);
      // No quarter of the drain time may have two thirds of the closes.
      const densest = Math.max(
        ...times.map((at) => times.filter((other) => other >= at && other < at + 1000).length),
      );
      assert.ok(densest < (CLIENTS * 2) / 3, `${densest} of ${CLIENTS} closes came within one second`);

      const exit = await within("exit", gateway.process.exited);
      assert.deepEqual(exit, { code: 0, signal: null });
      await gateway.noProcessLeft();
    });
  }

  test("on SIGHUP the gateway hurries, because it restarts: nobody is disconnected in the first two thirds", async (t) => {
    const gateway = await startGateway(t, { env: { WS_DRAIN_SECONDS: "60", WS_RESTART_SECONDS: "3" } });
    const clients = await crowd(t, gateway);
    const start = Date.now();
    gateway.process.signal("SIGHUP");
    await gateway.health(503, 2000);
    const closed = await within("all closed", Promise.all(clients.map((client) => client.closed)));
    assert.ok(clients.every(({ closedWith }) => closedWith?.code === 1012));
    const times = closed.map(({ at }) => at - start).sort((a, b) => a - b);
    assert.ok((times[0] ?? 0) > 1800, `the first close came after ${times[0]} ms`);
    assert.ok((times.at(-1) ?? 0) < 6000, `the last close came after ${times.at(-1)} ms`);
    assert.deepEqual(await within("exit", gateway.process.exited), { code: 0, signal: null });
  });

  test("clients are asked to reconnect after different times", async (t) => {
    const gateway = await startGateway(t, { env: { WS_DRAIN_SECONDS: "2" } });
    const clients = await crowd(t, gateway);
    gateway.process.signal("SIGTERM");
    const messages = await Promise.all(clients.map((client) => client.control("reconnect")));
    assert.ok(
      new Set(messages.map(({ in_ms }) => in_ms)).size > 5,
      JSON.stringify(messages.map(({ in_ms }) => in_ms)),
    );
  });

  test("messages are delivered until the end of the drain", async (t) => {
    const gateway = await startGateway(t, { env: { WS_DRAIN_SECONDS: "3", SIMULATOR_RATE: "100" } });
    const clients = await crowd(t, gateway);
    for (const client of clients) await client.subscribe(["*.trade"]);
    gateway.process.signal("SIGTERM");
    await gateway.health(503, 2000);
    const from = Date.now();
    await Promise.all(clients.map((client) => client.closed));
    const late = clients.filter(({ messages, times }) => {
      const last = messages.findLastIndex(isEnvelope);
      return (times[last] ?? 0) > from + 500;
    });
    assert.ok(
      late.length > CLIENTS / 4,
      `only ${late.length} clients got a message later than 0.5 s after the start of the drain`,
    );
    for (const { envelopes } of clients) {
      assert.deepEqual(
        envelopes.map(({ seq }) => seq),
        envelopes.map((_, index) => index + 1),
      );
    }
  });

  for (const [first, second] of [
    ["SIGTERM", "SIGTERM"],
    ["SIGTERM", "SIGINT"],
    ["SIGINT", "SIGTERM"],
  ] as const) {
    test(`${second} after ${first} ends the gateway at once`, async (t) => {
      const gateway = await startGateway(t, { env: { WS_DRAIN_SECONDS: "120" } });
      const clients = await crowd(t, gateway);
      gateway.process.signal(first);
      await gateway.health(503, 5000);
      await pause(LATER_SIGNAL_MS);
      const start = Date.now();
      gateway.process.signal(second);
      await within("exit", gateway.process.exited);
      assert.ok(Date.now() - start < 3000, `the gateway took ${Date.now() - start} ms to end`);
      await within("all closed", Promise.all(clients.map((client) => client.closed)));
      await gateway.noProcessLeft();
    });
  }

  test("a gateway without clients ends without waiting", async (t) => {
    const gateway = await startGateway(t, { env: { WS_DRAIN_SECONDS: "120" } });
    assert.deepEqual(await gateway.stop("SIGTERM", 5000), { code: 0, signal: null });
  });

  test("a client that neither reads nor answers does not delay the end", async (t) => {
    const gateway = await startGateway(t, { env: { WS_DRAIN_SECONDS: "1" } });
    const deaf = await connect(t, gateway);
    await deaf.subscribe(["*.*"]);
    deaf.socket.pause();
    assert.equal((await gateway.stop("SIGTERM", 20_000)).code, 0);
  });

  test("a signal during the start ends the gateway, too", async (t) => {
    const gateway = await startGateway(t, { until: "live", env: { NATS_URL: "nats://127.0.0.1:9" } });
    assert.equal((await gateway.stop("SIGTERM")).code, 0);
    await eventually("ports free", async () => {
      const again = await gateway.ops("/live").catch(() => undefined);
      return again === undefined;
    });
  });
});
