import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { begin, inSeconds, opened, URL } from "./connect.fixture.ts";
import { connect } from "./connect.ts";

describe("reconnecting", () => {
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
});

describe("token", () => {
  test("the function is called before every connection, and before its token expires", async () => {
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

  test("an expired token that is a plain string ends the client", async () => {
    const { line, client } = await opened([], { token: inSeconds(1) });
    line.socket.end(4401, "token revoked");
    assert.deepEqual([client.status.state, client.status.reason], ["closed", "ended: token revoked"]);
  });

  test("a function that fails or never answers is reported and called again", async () => {
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
    assert.deepEqual(errors.at(-1), { code: "token", message: "no token", channels: [] });
    mode = "work";
    await line.pass(90_000); // After 60 s, a call without an answer counts as failed.
    assert.equal(line.socket.url, `${URL}?auth=t`);
    client.close();
  });

  test("a function that is slower than 10 s is reported, is not called again meanwhile, and connects", async () => {
    for (const seconds of [9, 12, 25, 55]) {
      let running = 0;
      let calls = 0;
      let most = 0;
      const token = (): Promise<string> => {
        calls++;
        most = Math.max(most, ++running);
        return new Promise<string>((resolve) => {
          line.environment.setTimeout(() => {
            running--;
            resolve("slow");
          }, seconds * 1000);
        });
      };
      const { line, client, errors } = begin({ token });
      line.luck = 0.5;
      await line.pass(seconds * 1000);
      client.resume(); // A hasty user does not cause another call.
      await line.pass(25_000);
      assert.equal(line.socket.url, `${URL}?auth=slow`, `${seconds} s`);
      assert.equal(most, 1, `${seconds} s`);
      assert.equal(errors.length > 0, seconds > 10);
      assert.ok(calls <= 3, `${calls}`);
      client.close();
    }
  });

  test("a token that is not used within a minute is not used any more", async () => {
    let calls = 0;
    const { line, client } = begin({ token: async () => `t${++calls}` });
    await line.pass(0);
    client.pause();
    await line.pass(100_000);
    client.resume();
    await line.pass(0);
    assert.equal(line.socket.url, `${URL}?auth=t2`);
    client.close();
  });

  test("a token that is too long for a message is used in the next address", async () => {
    const long = () => `${inSeconds(100)}${"x".repeat(5000)}`;
    const { line } = await opened([], { token: long });
    await line.pass(99_000);
    assert.deepEqual(line.socket.asked, []);
  });
});

describe("dead connections, hidden pages and the network", () => {
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
});
