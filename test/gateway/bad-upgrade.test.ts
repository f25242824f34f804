/** Requests that must not become a WebSocket connection. */

import { strict as assert } from "node:assert";
import { before, describe, test } from "node:test";
import { connect, refusal } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { get } from "../harness/http.ts";
import { suiteOwner } from "../harness/owner.ts";
import { type RawClient, rawConnect, rawUpgrade, upgradeRequest } from "../harness/raw.ts";
import { eventually, pause, within } from "../harness/wait.ts";

/** Longest time that a handshake may take. A browser's whole handshake fits into one packet. */
const HANDSHAKE_MS = 30_000; // 30 s

describe("bad upgrade", () => {
  const owner = suiteOwner();
  let gateway: Gateway;
  const slow: RawClient[] = [];
  let dripping: NodeJS.Timeout | undefined;

  before(async () => {
    gateway = await startGateway(owner, {
      env: { WS_ALLOWED_ORIGINS: "https://app.example,https://beta.example" },
    });
    // These clients start first, so that the other tests run while these clients wait until the gateway cuts
    // them off. 100 send their headers byte by byte, 100 send nothing, and 100 never finish their headers.
    const request = upgradeRequest({ headers: { "X-Pad": "x".repeat(2000) } });
    for (let n = 0; n < 300; n++) slow.push(rawConnect(owner, gateway));
    for (const client of slow.slice(200)) client.write(request.slice(0, 100));
    let sent = 0;
    dripping = setInterval(() => {
      for (const client of slow.slice(0, 100)) client.write(request.slice(sent, sent + 1));
      sent++;
    }, 200);
    owner.after(() => clearInterval(dripping));
  });

  test("an upgrade on another path is refused with 404", async (t) => {
    for (const path of ["/", "/w", "/ws/", "/wss", "/metrics", "/health", "/ws/../ws2", "/%77s2", "//ws"]) {
      assert.equal((await refusal(t, gateway, { path })).status, 404, path);
    }
    assert.equal((await get(`http://127.0.0.1:${gateway.wsPort}/metrics`)).status, 404);
  });

  test("a request without an upgrade gets 426 and the name of the protocol", async () => {
    const answer = await get(`http://127.0.0.1:${gateway.wsPort}/ws`);
    assert.equal(answer.status, 426);
    assert.equal(answer.headers.upgrade?.toLowerCase(), "websocket");
  });

  test("an upgrade from an origin that is not allowed is refused with 403", async (t) => {
    for (const origin of [
      "https://evil.example",
      "http://app.example",
      "https://app.example.evil.example",
      "https://app.example:8443",
      "null",
    ]) {
      assert.equal((await refusal(t, gateway, { headers: { origin } })).status, 403, origin);
    }
    for (const origin of ["https://app.example", "https://beta.example"]) {
      await connect(t, gateway, { headers: { origin } });
    }
    const rejected = await gateway.metrics();
    assert.ok(rejected.sum("ws_connections_rejected_total") >= 5);
  });

  test("a malformed handshake gets an HTTP error, and the gateway keeps running", async (t) => {
    for (const headers of [
      { "Sec-WebSocket-Key": "short" },
      { "Sec-WebSocket-Key": "" },
      { "Sec-WebSocket-Version": "7" },
      { "Sec-WebSocket-Version": "" },
      { Upgrade: "h2c" },
    ]) {
      const client = await rawUpgrade(t, gateway, {
        headers: { Origin: "https://app.example", ...headers },
      });
      assert.ok(client.status >= 400 && client.status < 500, `${JSON.stringify(headers)}: ${client.head}`);
      await within("end of the connection", client.closed);
    }
    await gateway.assertAlive();
  });

  test("a client whose bytes are not valid HTTP is cut off, and the gateway keeps running", async (t) => {
    const inputs = [
      Buffer.from("GET /ws HTTP/9.9\r\n\r\n"),
      Buffer.from(`GET /ws HTTP/1.1\r\n${"A: b\r\n".repeat(20_000)}\r\n`),
      Buffer.from(`GET /ws?auth=${"x".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`),
      Buffer.from(
        "GET http://[::bad/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      ),
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
      Buffer.alloc(5000, 0),
    ];
    for (const input of inputs) {
      const client = rawConnect(t, gateway);
      client.write(input);
      await within(`end after ${input.toString("latin1", 0, 40)}`, client.closed);
      assert.notEqual(client.status, 101);
      await gateway.assertAlive();
    }
  });

  test("clients that disconnect during the handshake leave no connection behind", async (t) => {
    for (let n = 0; n < 100; n++) {
      const client = rawConnect(t, gateway);
      client.write(upgradeRequest({ headers: { Origin: "https://app.example" } }));
      if (n % 2 === 0) client.socket.resetAndDestroy();
      else client.socket.destroy();
    }
    await pause(50);
    await gateway.metric("ws_connections_current", {}, (value) => value <= 2);
    await gateway.assertAlive();
  });

  test("slow handshakes are cut off in time, and other clients are served meanwhile", async (t) => {
    await connect(t, gateway, { headers: { origin: "https://app.example" } });
    const open = () => slow.filter(({ closedAt }) => closedAt === undefined);
    await eventually(
      () => `${open().length} of 300 still open`,
      () => open().length === 0,
      HANDSHAKE_MS + 5000,
    );
    const longest = Math.max(...slow.map(({ openedAt, closedAt = 0 }) => closedAt - openedAt));
    assert.ok(longest <= HANDSHAKE_MS, `the longest handshake lasted ${longest} ms`);
    assert.ok(slow.every(({ status }) => status !== 101));
    await gateway.assertAlive();
  });
});
