import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, opened } from "./connect.fixture.ts";
import { connect } from "./connect.ts";

test("the client first resumes from the last message", async () => {
  const { line, client, got } = await opened();
  line.socket.publish("A.trade", 15);
  line.socket.end(1006);
  assert.equal(client.status.state, "waiting");
  await line.pass(500);
  line.socket.welcome(20);
  await line.pass(100);
  const since = { epoch: "e", offset: 15 };
  assert.deepEqual(line.socket.asked, [{ type: "subscribe", channels: ["A.trade"], since }]);
  line.socket.acknowledge(["A.trade"], { recovered: true, replayed: 1 });
  line.socket.publish("A.trade", 18);
  assert.deepEqual(got, [15, 18]);
});

test("the wait grows with every failure; a gateway that announces a restart sets the wait", async () => {
  const { line, client } = await opened([], undefined);
  const waits: number[] = [];
  line.luck = 1;
  line.socket.say({ type: "reconnect", in_ms: 123, reason: "" });
  line.socket.end(1012);
  for (let n = 0; n < 9; n++) {
    waits.push(Math.round((client.status.retryAt ?? 0) - Date.now()));
    await line.pass((waits[n] ?? 0) + 100);
    line.socket.end(1006);
  }
  // The last connection was short, so there are no quick attempts.
  const expected = [123, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000];
  for (const [index, wait] of expected.entries()) {
    // `retryAt` uses the real clock, so some milliseconds may have passed.
    assert.ok(Math.abs((waits[index] ?? 0) - wait) < 100, `${waits}`);
  }
});

test("behind a connection that lasted, attempts follow each other quickly, and then the waits grow", async () => {
  const { line, client } = await opened();
  line.luck = 1;
  await line.pass(60_000);
  line.socket.end(1006);
  const waits: number[] = [];
  for (let n = 0; n < 14; n++) {
    waits.push(Math.round(((client.status.retryAt ?? 0) - Date.now()) / 100) * 100);
    await line.pass((waits[n] ?? 0) + 100);
    line.socket.end(1006);
  }
  assert.deepEqual(waits, [1000, ...Array(9).fill(500), 1000, 2000, 4000, 8000]);
  client.close();
});

test("an attempt shortly behind a loss waits 5 s for the welcome, later ones 10 s", async () => {
  const { line, client } = await opened();
  line.luck = 1;
  await line.pass(60_000);
  line.socket.end(1006);
  const begun: number[] = [];
  for (let ms = 0; ms < 90_000; ms += 100) {
    if (line.sockets.length > begun.length + 1) begun.push(ms);
    await line.pass(100);
  }
  // The first wait is the gateway's, here 1 s; then 5 s of patience and 0.5 s, twice.
  const later = Array.from({ length: 8 }, (_, n) => 12_000 + n * 10_500);
  // From the third attempt on, 10 s of patience.
  assert.deepEqual(begun, [1_000, 6_500, ...later]);
  client.close();
});

test("a client that notices silence itself connects again within a quarter of the window", async () => {
  const { line, client } = await opened();
  line.luck = 1;
  line.socket.offset = undefined; // The gateway no longer answers heartbeats.
  await line.pass(9_000);
  line.socket.publish("A.trade", 11);
  line.socket.offset = undefined;
  const { length } = line.sockets;
  while (client.status.state === "open") await line.pass(100);
  assert.equal(client.status.reason, "silent");
  await line.pass(500);
  assert.equal(line.sockets.length, length + 1);
  client.close();
});

test("a loss is reported once for all channels, even if that connection ends at once", async () => {
  const { line, refetches, got } = await opened(["A.trade", "B.trade"]);
  for (const [offset, recovered] of [
    [900, false],
    [950, false],
    [1000, true],
  ] as const) {
    line.socket.end(1006);
    await line.pass(2000);
    line.socket.welcome(offset);
    const { socket } = line;
    if (offset === 900) socket.offset = undefined; // The gateway no longer answers heartbeats.
    await line.pass(100);
    const [asked] = socket.asked;
    const since = asked?.type === "subscribe" ? asked.since?.offset : undefined;
    assert.equal(since, { 900: 10, 950: 10, 1000: 950 }[offset]);
    socket.acknowledge(["A.trade", "B.trade"], { recovered, replayed: 0 });
    await line.pass(100);
    assert.equal(refetches.length, offset === 900 ? 0 : 1);
  }
  line.socket.publish("B.trade", 1001);
  assert.deepEqual(refetches, [{ channels: ["A.trade", "B.trade"], reason: "history" }]);
  assert.deepEqual(got, [1001]);
});

test("a new epoch is reported once, and the new stream's messages arrive", async () => {
  const { line, refetches, got } = await opened();
  line.socket.publish("A.trade", 15);
  line.socket.end(1006);
  await line.pass(500);
  line.socket.welcome(3, "f");
  await line.pass(100);
  // The client resumes from the new stream's position: what is published after the refetch is not lost.
  const since = { epoch: "f", offset: 3 };
  assert.deepEqual(line.socket.asked, [{ type: "subscribe", channels: ["A.trade"], since }]);
  line.socket.acknowledge(["A.trade"], { recovered: true, replayed: 1 });
  line.socket.publish("A.trade", 4);
  await line.pass(100);
  assert.deepEqual(refetches, [{ channels: ["A.trade"], reason: "epoch" }]);
  assert.deepEqual(got, [15, 4]);
});

test("a client that a refetch listener closes or pauses stays closed or paused", async () => {
  for (const how of ["close", "pause"] as const) {
    const { line, client } = await opened();
    client.on("refetch", () => client[how]());
    line.socket.end(1006);
    await line.pass(500);
    line.socket.welcome(3, "f");
    assert.equal(client.status.state, `${how}d`);
    assert.deepEqual(line.socket.sent, []);
    assert.ok(line.socket.closed);
    client.close();
    assert.equal(line.left, 0);
  }
});

test("a client that a status listener resumes opens only one socket", async () => {
  const { line, client } = begin();
  let hurried = false;
  client.on("status", ({ state }) => {
    if (state !== "connecting" || hurried) return;
    hurried = true;
    client.pause();
    client.resume();
  });
  await line.pass(0);
  line.socket.end(1006);
  await line.pass(400);
  assert.equal(line.sockets.length, 1);
  await line.pass(100);
  assert.equal(line.sockets.length, 2);
  client.close();
});

test("an attempt without a welcome ends after 10 s", async () => {
  const { line, client } = begin();
  await line.pass(0);
  const { socket } = line;
  await line.pass(9_999);
  assert.equal(client.status.state, "connecting");
  await line.pass(1);
  assert.deepEqual([client.status.state, client.status.reason], ["waiting", "no welcome"]);
  assert.ok(socket.closed);
  socket.welcome();
  assert.equal(client.status.state, "waiting", "the client drops the socket");
});

test("close codes for protocol errors and an invalid address end the client", async () => {
  for (const code of [1002, 1007, 1009]) {
    const { line, client } = await opened();
    line.socket.end(code);
    assert.deepEqual([client.status.state, client.status.code, line.left], ["closed", code, 0]);
  }
  const { line, client } = begin();
  line.environment.open = () => {
    throw new SyntaxError("no such scheme");
  };
  const other = connect("x", { environment: line.environment });
  await line.pass(0);
  assert.deepEqual([other.status.state, other.status.reason], ["closed", "SyntaxError: no such scheme"]);
  client.close();
});

test("a client whose seat another connection of the user took does not fight for the seat", async () => {
  const { line, client } = await opened();
  line.socket.end(4409);
  await line.pass(60_000);
  assert.deepEqual([client.status.state, client.status.code, line.left], ["closed", 4409, 0]);
});

test("an invalid message ends the connection and throws nothing", async () => {
  const { line, client } = await opened();
  line.socket.say("null");
  assert.deepEqual([client.status.state, client.status.reason], ["waiting", "not understood"]);
});
