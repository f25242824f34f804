/** How streams of server-sent events end, and what the log and the metrics say about each end. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { Registry } from "prom-client";
import { ConnectionRecords } from "../connection/connection-records.ts";
import { SeatedClients } from "../connection/seated-clients.ts";
import { World } from "../connection/world.fixture.ts";
import type { HttpEndpoint } from "../entrance/clients.ts";
import { createMetrics } from "../metrics.ts";
import { HttpEndpoints } from "./http-endpoints.ts";

/** Seconds from the opening until the token of a stream expires. */
const TOKEN_SECONDS = 60;

interface Client {
  socket: Socket;
  /** Everything that has arrived. */
  text: () => string;
  until: (part: string) => Promise<void>;
}

/** A server with the endpoint `/events`, on a real port. The clock stands until `world.pass`. */
async function create(t: TestContext) {
  const world = new World(t, { limits: { sendBufferBytes: 100_000 } });
  const lines: Record<string, unknown>[] = [];
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const revoked = new Set<string>();
  const seats: number[] = [];
  const seated = new SeatedClients({ take: async () => 1, free: (seat) => void seats.push(seat) });
  const http = new HttpEndpoints({
    context: world.context,
    records: new ConnectionRecords({
      config: { LOG_ADDRESSES: "masked", LOG_CONNECTIONS_PER_SECOND: 100, WS_WORKER_POOL_SIZE: 1 },
      metrics,
      log: { info: (fields: object, text: string) => lines.push({ ...fields, text }) } as never,
    }),
    seated,
    instance: "test",
    isRevoked: ({ user }) => revoked.has(user),
    onCount: () => {},
  });
  const { serve } = http.endpoints.get("/events") as HttpEndpoint;
  const server = createServer((request, response) => {
    response.shouldKeepAlive = false; // as the entrance does
    const url = new URL(request.url ?? "", "http://gateway");
    const identity = { user: "ann", expiresAt: world.second + TOKEN_SECONDS, channels: undefined };
    void serve({ request, response, url, identity, ip: "203.0.113.7", seat: 7 });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    server.closeAllConnections();
  });
  const open = async (): Promise<Client> => {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    sockets.push(socket);
    socket.on("error", () => {});
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    socket.write("GET /events?channels=BTC.trade HTTP/1.1\r\nHost: gateway\r\n\r\n");
    const until = async (part: string) => {
      while (!text.includes(part)) await once(socket, "data");
    };
    await until("event: welcome");
    return { socket, text: () => text, until };
  };
  /** The line about the end, without what is the same in every test. */
  const ended = async () => {
    // The closed socket of the server is noticed in one of the next turns.
    while (!lines.some(({ text }) => text === "connection closed"))
      await new Promise((resolve) => setImmediate(resolve));
    const { connection, transport, user, address, text, ...rest } = lines.at(-1) as Record<string, unknown>;
    assert.deepEqual([transport, user, address], ["events", "ann", "203.0.113.0"]);
    assert.equal(connection, lines[0]?.connection);
    assert.deepEqual(seats, [7], "the seat is free again");
    const { values } = await metrics.disconnects.get();
    assert.deepEqual(
      values.filter(({ value }) => value > 0).map(({ labels }) => labels.code),
      [String(rest.code)],
    );
    return rest;
  };
  return { world, http, open, ended, revoked, lines };
}

test("a client that ends its stream: no code, by the client", async (t) => {
  const { world, open, ended } = await create(t);
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
  const { open, ended } = await create(t);
  const { socket } = await open();
  socket.resetAndDestroy();
  const { code, reason, by } = await ended();
  assert.deepEqual([code, reason, by], [1006, "ECONNRESET", "network"]);
});

test("a client that reads too slowly: 1008, by the gateway", async (t) => {
  const { world, open, ended } = await create(t);
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
  const { world, open, ended } = await create(t);
  const client = await open();
  world.shed("BTC.trade");
  await once(client.socket, "end");
  const { code, reason, by, deliveries } = await ended();
  assert.deepEqual([code, reason, by, deliveries], [1008, "messages were dropped", "gateway", 0]);
  assert.ok(!client.text().includes("id: e:1"), "no position behind the message that was shed");
});

test("an expired token: 4401, by the gateway", async (t) => {
  const { world, http, open, ended } = await create(t);
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
  const { http, open, ended, revoked } = await create(t);
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
    const { http, open, ended } = await create(t);
    const { socket } = await open();
    void end(http);
    await once(socket, "end");
    const line = await ended();
    assert.deepEqual([line.code, line.reason, line.by], [1012, reason, "gateway"]);
  }
});

test("a gateway that stops at once: 1001, by the gateway", async (t) => {
  const { http, open, ended } = await create(t);
  const { socket } = await open();
  http.stop();
  await once(socket, "end");
  const { code, reason, by } = await ended();
  assert.deepEqual([code, reason, by], [1001, "the gateway stops", "gateway"]);
});

test("what came first counts: a stream that the gateway has ended is not one that broke", async (t) => {
  const { http, open, ended } = await create(t);
  const { socket } = await open();
  http.restart("another stream has begun");
  socket.resetAndDestroy();
  const { code, by } = await ended();
  assert.deepEqual([code, by], [1012, "gateway"]);
});
