/** How streams of server-sent events end, and what the log and the metrics say about each end. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { HttpEndpoints } from "./http-endpoints.ts";
import { serveHttp, TOKEN_SECONDS } from "./http-server.fixture.ts";

test("a client that ends its stream: no code, by the client", async (t) => {
  const { world, open, ended } = await serveHttp(t);
  const client = await open();
  world.publish("BTC.trade");
  await client.until('data: {"offset":1');
  world.pass(5);
  client.socket.end();
  const { bytes, ...line } = await ended();
  assert.deepEqual(line, { code: 1005, reason: "", by: "client", seconds: 5, deliveries: 1 });
  assert.equal(bytes, Buffer.byteLength(client.text()));
});

test("a connection that breaks: 1006 by the network, with the error", async (t) => {
  const { open, ended } = await serveHttp(t);
  const { socket } = await open();
  socket.resetAndDestroy();
  const { code, reason, by } = await ended();
  assert.deepEqual([code, reason, by], [1006, "ECONNRESET", "network"]);
});

test("a client that reads too slowly: 1008, by the gateway", async (t) => {
  const { world, open, ended } = await serveHttp(t);
  const { socket } = await open();
  socket.pause();
  // The kernel and the client's socket take some megabytes before anything waits.
  for (let n = 0; n < 500; n++) {
    world.publish("BTC.trade", { size: 50_000 });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { code, reason, by } = await ended();
  assert.deepEqual([code, reason, by], [1008, "too slow", "gateway"]);
});

test("a stream whose message was shed: 1008, by the gateway, and the client resumes behind it", async (t) => {
  const { world, open, ended } = await serveHttp(t);
  const client = await open();
  world.shed("BTC.trade");
  await once(client.socket, "end");
  const { code, reason, by, deliveries } = await ended();
  assert.deepEqual([code, reason, by, deliveries], [1008, "messages were dropped", "gateway", 0]);
  assert.ok(!client.text().includes("id: e:1"), "no position behind the message that was shed");
});

test("an expired token: 4401, by the gateway", async (t) => {
  const { world, http, open, ended } = await serveHttp(t);
  const { socket } = await open();
  world.pass(TOKEN_SECONDS - 1);
  http.tick(world.second);
  assert.equal(http.streams, 1);
  world.pass(1);
  http.tick(world.second);
  await once(socket, "end");
  const { code, reason, by, seconds } = await ended();
  assert.deepEqual([code, reason, by, seconds], [4401, "token expired", "gateway", TOKEN_SECONDS]);
});

test("a revoked token: 4401, by the gateway", async (t) => {
  const { http, open, ended, revoked } = await serveHttp(t);
  const { socket } = await open();
  http.revoked();
  assert.equal(http.streams, 1);
  revoked.add("ann");
  http.revoked();
  await once(socket, "end");
  const { code, reason, by } = await ended();
  assert.deepEqual([code, reason, by], [4401, "token revoked", "gateway"]);
});

test("a drain, a lost message and another stream: 1012, by the gateway, with the reason", async (t) => {
  for (const [end, reason] of [
    [(http: HttpEndpoints) => http.drain({ seconds: 0, restarts: false }), "this gateway is being replaced"],
    [(http: HttpEndpoints) => http.restart("another stream has begun"), "another stream has begun"],
  ] as const) {
    const { http, open, ended } = await serveHttp(t);
    const { socket } = await open();
    void end(http);
    await once(socket, "end");
    const line = await ended();
    assert.deepEqual([line.code, line.reason, line.by], [1012, reason, "gateway"]);
  }
});

test("a gateway that stops at once: 1001, by the gateway", async (t) => {
  const { http, open, ended } = await serveHttp(t);
  const { socket } = await open();
  http.stop();
  await once(socket, "end");
  const { code, reason, by } = await ended();
  assert.deepEqual([code, reason, by], [1001, "the gateway stops", "gateway"]);
});

test("what came first counts: a stream that the gateway has ended is not one that broke", async (t) => {
  const { http, open, ended } = await serveHttp(t);
  const { socket } = await open();
  http.restart("another stream has begun");
  socket.resetAndDestroy();
  const { code, by } = await ended();
  assert.deepEqual([code, by], [1012, "gateway"]);
});
