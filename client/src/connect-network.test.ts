import assert from "node:assert/strict";
import { test } from "node:test";
import { opened } from "./connect.fixture.ts";

test("a silent connection is given up within 10 s", async () => {
  const { line, client, got } = await opened();
  await line.pass(60_000);
  assert.equal(client.status.state, "open", "heartbeats are answered");
  assert.equal(typeof client.status.latencyMs, "number");
  line.socket.offset = undefined;
  await line.pass(4_000);
  line.socket.publish("A.trade", 11); // This message ends the silence.
  line.socket.offset = undefined;
  await line.pass(4_900);
  assert.equal(client.status.state, "open");
  await line.pass(5_100);
  assert.equal(line.sockets[0]?.closed, true);
  assert.ok(["waiting", "connecting"].includes(client.status.state));
  assert.deepEqual(got, [11]);
});

test("when the network is back or the page is visible, the client checks the connection once", async () => {
  const { line, client } = await opened();
  line.socket.offset = undefined;
  const before = line.socket.sent.length;
  for (let n = 0; n < 50; n++) client.resume();
  line.window.fire();
  assert.equal(line.socket.sent.length, before + 1);
  await line.pass(5_000);
  assert.equal(client.status.reason, "silent");
});

test("a page that is hidden for five minutes disconnects, and resumes when it is visible", async () => {
  const { line, client } = await opened();
  line.page.hidden = true;
  line.page.fire();
  await line.pass(299_000);
  assert.equal(client.status.state, "open");
  await line.pass(1_000);
  assert.deepEqual([client.status.state, client.status.reason], ["paused", "hidden"]);
  assert.ok(line.socket.closed);
  await line.pass(600_000);
  assert.equal(line.sockets.length, 1);
  line.page.hidden = false;
  line.page.fire();
  await line.pass(0);
  line.socket.welcome(12);
  await line.pass(100);
  const [asked] = line.socket.asked;
  assert.deepEqual(asked?.type === "subscribe" && asked.since, { epoch: "e", offset: 10 });
});

test("with pauseHiddenAfter Infinity a hidden page never disconnects", async () => {
  const { line, client } = await opened([], { pauseHiddenAfter: Number.POSITIVE_INFINITY });
  line.page.hidden = true;
  line.page.fire();
  await line.pass(3_600_000);
  assert.equal(client.status.state, "open");
  client.close();
});

test("an event of the network does not end a connection that works", async () => {
  const { line, client, got } = await opened();
  line.navigator.onLine = false;
  line.window.fire();
  await line.pass(60_000);
  line.socket.publish("A.trade", 11);
  assert.deepEqual([client.status.state, line.sockets.length, got], ["open", 1, [11]]);
  await line.pass(1);
  line.socket.offset = undefined; // Now the network is really away.
  line.window.fire();
  await line.pass(5_000);
  assert.deepEqual([client.status.state, client.status.reason], ["offline", "silent"]);
  client.close();
});

test("while the browser reports no network, the client still tries, and at once when the network is back", async () => {
  const { line, client } = await opened();
  line.navigator.onLine = false;
  line.socket.end(1006);
  assert.equal(client.status.state, "offline");
  assert.ok(client.status.retryAt);
  for (let n = 2; n < 10; n++) {
    await line.pass(20_000);
    assert.ok(line.sockets.length >= n, `${line.sockets.length} attempts`);
    line.socket.end(1006);
  }
  const { length } = line.sockets;
  client.resume();
  await line.pass(0);
  assert.equal(line.sockets.length, length + 1, "resume() tries at once");
  line.socket.end(1006);
  line.navigator.onLine = true;
  line.window.fire();
  await line.pass(0);
  assert.equal(line.sockets.length, length + 2);
  line.socket.welcome(12);
  assert.equal(client.status.state, "open");
  client.close();
});

test("a gateway that announces a far restart, or a long first wait, is asked again after five minutes", async () => {
  for (const reconnect of [undefined, { min_ms: 2 ** 40, max_ms: 2 ** 41 }]) {
    const { line, client } = await opened();
    if (!reconnect) line.socket.say({ type: "reconnect", in_ms: 2 ** 40, reason: "" });
    else {
      line.socket.end(1006);
      await line.pass(1_000);
      const welcome = {
        connection: "c",
        instance: "g",
        epoch: "e",
        offset: 10,
        heartbeat_seconds: 25,
        reconnect,
      };
      line.socket.say({ type: "welcome", ...welcome });
    }
    const { length } = line.sockets;
    line.socket.end(1006);
    await line.pass(300_000);
    assert.equal(line.sockets.length, length + 1);
    if (!reconnect) {
      line.socket.end(1006);
      await line.pass(1_000);
      assert.equal(line.sockets.length, length + 2, "later waits are short again");
    }
    client.close();
  }
});

test("the client stays paused until the application resumes it, whatever else happens", async () => {
  const { line, client } = await opened();
  client.pause();
  line.window.fire();
  line.page.fire();
  await line.pass(60_000);
  assert.deepEqual([client.status.state, line.sockets.length], ["paused", 1]);
  client.resume();
  await line.pass(0);
  assert.deepEqual([client.status.state, line.sockets.length], ["connecting", 2]);
  client.close();
});
