/** The endpoints of channels over HTTP on a real port, with the lines of their log. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { Registry } from "prom-client";
import { ConnectionRecords } from "../connection/connection-records.ts";
import { SeatedClients } from "../connection/seated-clients.ts";
import { World } from "../connection/world.fixture.ts";
import type { HttpEndpoint } from "../entrance/clients.ts";
import { createMetrics } from "../metrics.ts";
import { HttpEndpoints } from "./http-endpoints.ts";

/** Seconds from the opening until the token of a stream expires. */
export const TOKEN_SECONDS = 60;

interface Client {
  socket: Socket;
  /** Everything that has arrived. */
  text: () => string;
  until: (part: string) => Promise<void>;
}

/** A server that takes everybody for the user `ann`. The clock stands until `world.pass`. */
export async function serveHttp(t: TestContext) {
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
  const server = createServer((request, response) => {
    response.shouldKeepAlive = false; // as the entrance does
    const url = new URL(request.url ?? "", "http://gateway");
    const identity = { user: "ann", expiresAt: world.second + TOKEN_SECONDS, channels: undefined };
    const { serve } = http.endpoints.get(url.pathname) as HttpEndpoint;
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
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
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
  return { world, http, address, open, ended, revoked, lines };
}
