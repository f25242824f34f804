import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { begin, inSeconds, opened, URL } from "./connect.fixture.ts";
import { connect } from "./connect.ts";

describe("coming back", () => {
  test("resumes from the last message, before anything else", async () => {
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

  test("waits longer after every failure, and as long as a gateway says that leaves", async () => {
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
    assert.ok(Math.abs((waits[0] ?? 0) - 123) < 50, `${waits}`);
    // A real clock is in it: some milliseconds less.
    for (const [index, wait] of [1000, 2000, 4000, 8000, 16_000, 20_000, 20_000].entries()) {
      assert.ok(Math.abs((waits[index + 1] ?? 0) - wait) < 100, `${waits}`);
    }
  });

  test("lost for good: told once for all channels, also when the connection that knew of it ends at once", async () => {
    const { line, refetches, got } = await opened(["A.trade", "B.trade"]);
    for (const [offset, recovered] of [
      [900, false],
      [950, true],
      [1000, true],
    ] as const) {
      line.socket.end(1006);
      await line.pass(2000);
      line.socket.welcome(offset);
      const { socket } = line;
      if (offset === 900) socket.offset = undefined; // Its heartbeats get no answer.
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

  test("another epoch: told once, and the new stream's messages come", async () => {
    const { line, refetches, got } = await opened();
    line.socket.publish("A.trade", 15);
    line.socket.end(1006);
    await line.pass(500);
    line.socket.welcome(3, "f");
    await line.pass(100);
    assert.deepEqual(line.socket.asked, [{ type: "subscribe", channels: ["A.trade"] }]);
    line.socket.acknowledge(["A.trade"]);
    line.socket.publish("A.trade", 4);
    await line.pass(100);
    assert.deepEqual(refetches, [{ channels: ["A.trade"], reason: "epoch" }]);
    assert.deepEqual(got, [15, 4]);
  });

  test("closed or paused by whom it tells of a loss, it stays so", async () => {
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

  test("hurried by whom it tells of its state, it opens one socket", async () => {
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

  test("an opening that leads nowhere is given up after 10 s", async () => {
    const { line, client } = begin();
    await line.pass(0);
    const { socket } = line;
    await line.pass(9_999);
    assert.equal(client.status.state, "connecting");
    await line.pass(1);
    assert.deepEqual([client.status.state, client.status.reason], ["waiting", "no welcome"]);
    assert.ok(socket.closed);
    socket.welcome();
    assert.equal(client.status.state, "waiting", "it is let go of");
  });

  test("codes that say that this client is wrong end it, and so does an address that is none", async () => {
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

  test("an answer that is no message ends the connection, not the page", async () => {
    const { line, client } = await opened();
    line.socket.say("null");
    assert.deepEqual([client.status.state, client.status.reason], ["waiting", "not understood"]);
  });
});

describe("token", () => {
  test("is asked for before every connection, and renewed before it ends", async () => {
    const given: string[] = [];
    const token = async () => given[given.push(inSeconds(100 + given.length)) - 1] ?? "";
    const { line, client } = begin({ token });
    await line.pass(0);
    assert.equal(line.socket.url, `${URL}?auth=${encodeURIComponent(given[0] ?? "")}`);
    line.socket.welcome();
    await line.pass(75_000);
    assert.equal(given.length, 1);
    await line.pass(10_000);
    assert.deepEqual(line.socket.asked, [{ type: "auth", token: given[1] }]);
    line.socket.end(4401);
    assert.equal(client.status.state, "waiting");
    await line.pass(600);
    assert.equal(line.socket.url, `${URL}?auth=${encodeURIComponent(given[2] ?? "")}`);
    client.close();
  });

  test("a text that has expired ends the client", async () => {
    const { line, client } = await opened([], { token: inSeconds(1) });
    line.socket.end(4401);
    assert.deepEqual([client.status.state, client.status.reason], ["closed", "token expired"]);
  });

  test("a function that fails or never answers: told, and tried again", async () => {
    let mode: "fail" | "hang" | "work" = "fail";
    const token = () => {
      if (mode === "fail") throw new Error("no session");
      return mode === "hang" ? new Promise<string>(() => {}) : "t";
    };
    const { line, client, errors } = begin({ token });
    await line.pass(0);
    assert.deepEqual(errors, [{ code: "token", message: "Error: no session", channels: [] }]);
    assert.equal(client.status.state, "waiting");
    mode = "hang";
    await line.pass(500);
    await line.pass(10_000);
    assert.equal(client.status.state, "waiting");
    mode = "work";
    await line.pass(2000);
    assert.equal(line.socket.url, `${URL}?auth=t`);
    client.close();
  });

  test("one that does not fit into a message goes into the next address", async () => {
    const long = () => `${inSeconds(100)}${"x".repeat(5000)}`;
    const { line } = await opened([], { token: long });
    await line.pass(99_000);
    assert.deepEqual(line.socket.asked, []);
  });
});

describe("whether anybody is there", () => {
  test("a silent line is given up within 20 s", async () => {
    const { line, client, got } = await opened();
    await line.pass(60_000);
    assert.equal(client.status.state, "open", "heartbeats are answered");
    assert.equal(typeof client.status.latencyMs, "number");
    line.socket.offset = undefined;
    await line.pass(10_000);
    line.socket.publish("A.trade", 11); // Not silent.
    line.socket.offset = undefined;
    await line.pass(9_000);
    assert.equal(client.status.state, "open");
    await line.pass(20_000);
    assert.equal(line.sockets[0]?.closed, true);
    assert.ok(["waiting", "connecting"].includes(client.status.state));
    assert.deepEqual(got, [11]);
  });

  test("back on the network or in sight it checks at once, and not more often than needed", async () => {
    const { line, client } = await opened();
    line.socket.offset = undefined;
    const before = line.socket.sent.length;
    for (let n = 0; n < 50; n++) client.resume();
    line.window.tell();
    assert.equal(line.socket.sent.length, before + 1);
    await line.pass(5_000);
    assert.equal(client.status.reason, "silent");
  });

  test("hidden for five minutes it leaves, in sight it resumes", async () => {
    const { line, client } = await opened();
    line.page.hidden = true;
    line.page.tell();
    await line.pass(299_000);
    assert.equal(client.status.state, "open");
    await line.pass(1_000);
    assert.deepEqual([client.status.state, client.status.reason], ["paused", "hidden"]);
    assert.ok(line.socket.closed);
    await line.pass(600_000);
    assert.equal(line.sockets.length, 1);
    line.page.hidden = false;
    line.page.tell();
    await line.pass(0);
    line.socket.welcome(12);
    await line.pass(100);
    const [asked] = line.socket.asked;
    assert.deepEqual(asked?.type === "subscribe" && asked.since, { epoch: "e", offset: 10 });
  });

  test("Infinity: it never leaves because it is hidden", async () => {
    const { line, client } = await opened([], { pauseHiddenAfter: Number.POSITIVE_INFINITY });
    line.page.hidden = true;
    line.page.tell();
    await line.pass(3_600_000);
    assert.equal(client.status.state, "open");
    client.close();
  });

  test("offline until the network is back; this machine needs none", async () => {
    const { line, client } = await opened();
    line.navigator.onLine = false;
    line.window.tell();
    assert.equal(client.status.state, "offline");
    await line.pass(100_000);
    assert.equal(line.sockets.length, 1);
    line.navigator.onLine = true;
    line.window.tell();
    await line.pass(0);
    assert.equal(line.sockets.length, 2);
    for (const host of ["localhost:3004", "127.0.0.1:3004", "[::1]:3004", "localhost"]) {
      const near = begin({}, `ws://${host}/ws`);
      near.line.navigator.onLine = false;
      await near.line.pass(0);
      assert.equal(near.client.status.state, "connecting", host);
      near.client.close();
    }
    const far = begin({}, "ws://localhost.example/ws");
    far.line.navigator.onLine = false;
    await far.line.pass(0);
    assert.equal(far.client.status.state, "offline");
    far.client.close();
    client.close();
  });

  test("paused by the application until it is resumed, whatever else happens", async () => {
    const { line, client } = await opened();
    client.pause();
    line.window.tell();
    line.page.tell();
    await line.pass(60_000);
    assert.deepEqual([client.status.state, line.sockets.length], ["paused", 1]);
    client.resume();
    await line.pass(0);
    assert.deepEqual([client.status.state, line.sockets.length], ["connecting", 2]);
    client.close();
  });
});
