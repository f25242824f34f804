import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect } from "./connect.ts";
import { FakeLine } from "./fake-line.fixture.ts";
import type { Client, ConnectOptions, Refetch, Status } from "./types.ts";

const URL = "wss://gateway.example/ws";

function begin(options: ConnectOptions = {}, url = URL) {
  const line = new FakeLine();
  const client = connect(url, { ...options, environment: line.environment });
  const told = { refetches: [] as Refetch[], errors: [] as unknown[], states: [] as Status[] };
  client.on("refetch", (refetch) => told.refetches.push(refetch));
  client.on("error", (error) => told.errors.push(error));
  client.on("status", (status) => told.states.push(status));
  return { line, client, ...told };
}

/** A client with these channels live, at offset 10. */
async function opened(channels: string[] = ["A.trade"], options?: ConnectOptions) {
  const all = begin(options);
  const got: number[] = [];
  const leave = all.client.subscribe(channels, ({ offset }) => got.push(offset));
  await all.line.pass(0);
  all.line.socket.welcome(10);
  await all.line.pass(0);
  all.line.socket.acknowledge(channels);
  await all.line.pass(100);
  return { ...all, got, leave };
}

const jwt = (exp: number) => `h.${btoa(JSON.stringify({ exp }))}.s`;
const inSeconds = (seconds: number) => jwt(Math.floor(Date.now() / 1000) + seconds);

describe("what is asked", () => {
  test("all calls of one tick make one request, and a channel is asked for once", async () => {
    const { line, client } = begin();
    const leaves = ["A.trade", "odin.token.A.trade", "B.*"].map((name) => client.subscribe(name, () => {}));
    await line.pass(0);
    line.socket.welcome();
    await line.pass(0);
    assert.deepEqual(line.socket.asked, [{ type: "subscribe", channels: ["A.trade", "B.*"] }]);
    line.socket.acknowledge(["A.trade", "B.*"]);
    leaves[0]?.();
    leaves[0]?.();
    await line.pass(100);
    assert.equal(line.socket.asked.length, 1, "another listener has the channel");
    leaves[1]?.();
    await line.pass(100);
    assert.deepEqual(line.socket.asked[1], { type: "unsubscribe", channels: ["A.trade"] });
  });

  test("left and joined within a tick: nothing is asked", async () => {
    const { line, client, leave } = await opened();
    leave();
    client.subscribe("A.trade", () => {});
    await line.pass(200);
    assert.equal(line.socket.asked.length, 1);
  });

  test("messages stay below 4 KiB, channels at 256, the rate at 20 a second", async () => {
    const { line, client, errors } = begin();
    for (let n = 0; n < 300; n++) {
      client.subscribe(`${"猫".repeat(20)}${n}.trade`, () => {});
      if (n % 10 === 0) await line.pass(0);
    }
    line.socket.welcome();
    const there: string[] = [];
    for (let n = 0; n < 60; n++) {
      // Somebody comes and goes all the time.
      const leave = client.subscribe(`X${n}.trade`, () => {});
      await line.pass(20);
      const last = line.socket.asked.at(-1);
      if (last?.type === "subscribe") {
        there.push(...last.channels.filter((channel) => !there.includes(channel)));
      } else if (last?.type === "unsubscribe") {
        for (const channel of last.channels) there.splice(there.indexOf(channel) >>> 0, 1);
      }
      line.socket.acknowledge(there);
      leave();
    }
    assert.equal(there.length, 256);
    assert.deepEqual(errors.length, 1, "told once that there are too many");
    for (const message of line.socket.sent) {
      assert.ok(Buffer.byteLength(JSON.stringify(message)) <= 4096);
    }
    for (const from of line.socket.sentAt) {
      const count = line.socket.sentAt.filter((at) => at >= from && at < from + 1000).length;
      assert.ok(count <= 20, `${count} messages within a second`);
    }
  });

  test("a channel that is refused does not take the others with it, and a fresh token may allow it", async () => {
    let count = 0;
    const token = () => inSeconds(100 + count++);
    const { line, client, errors } = begin({ token });
    client.subscribe(["A.trade", "B.trade", "C.trade", "SECRET.trade"], () => {});
    await line.pass(0);
    line.socket.welcome();
    const there = new Set<string>();
    const serve = async (forbidden: string) => {
      for (let done = line.socket.asked.length - 1; done < line.socket.asked.length; done++) {
        const last = line.socket.asked.at(-1);
        if (last?.type === "subscribe") {
          if (last.channels.includes(forbidden))
            line.socket.say({ type: "error", code: "forbidden_channel", message: "no" });
          else {
            for (const channel of last.channels) there.add(channel);
            line.socket.acknowledge([...there]);
          }
        }
        await line.pass(100);
      }
    };
    await line.pass(0);
    await serve("SECRET.trade");
    assert.deepEqual([...there].sort(), ["A.trade", "B.trade", "C.trade"]);
    assert.deepEqual(errors, [{ code: "forbidden_channel", message: "no", channels: ["SECRET.trade"] }]);
    await line.pass(85_000);
    assert.equal(line.socket.asked.at(-1)?.type, "auth");
    line.socket.acknowledge([...there]);
    await line.pass(100);
    await serve("");
    assert.ok(there.has("SECRET.trade"));
  });
});

describe("listeners", () => {
  test("one that throws does not stop the others, and its error is not lost", async (t) => {
    const { line, client, got } = await opened();
    const order: string[] = [];
    client.subscribe("A.trade", () => {
      order.push("bad");
      throw new Error("mine");
    });
    client.subscribe("A.trade", () => order.push("good"));
    const later: (() => void)[] = [];
    const mock = t.mock.method(globalThis, "setTimeout", ((callback: () => void) =>
      later.push(callback)) as never);
    line.socket.publish("A.trade", 11);
    line.socket.publish("A.trade", 12);
    mock.mock.restore();
    assert.deepEqual(got, [11, 12]);
    assert.deepEqual(order, ["bad", "good", "bad", "good"]);
    assert.equal(later.length, 2);
    assert.throws(() => later[0]?.(), /mine/);
  });

  test("may subscribe, unsubscribe themselves and each other, and close the client", async () => {
    const { line, client, leave, got } = await opened();
    const second: number[] = [];
    const first = client.subscribe("A.trade", ({ offset }) => {
      if (offset > 11) client.close();
      leave();
      first();
      client.subscribe("A.trade", (message) => {
        second.push(message.offset);
        if (message.offset === 13) client.close();
      });
    });
    line.socket.publish("A.trade", 11);
    assert.deepEqual([got, second], [[11], []], "one that begins is called from the next message on");
    for (const offset of [12, 13, 14]) line.socket.publish("A.trade", offset);
    assert.deepEqual([got, second], [[11], [12, 13]]);
    await line.pass(0);
    assert.equal(line.left, 0);
  });

  test("what is no channel throws", () => {
    const { client } = begin();
    for (const name of ["BTC", "a.b.c", "", "a b.trade"]) {
      assert.throws(() => client.subscribe(["A.trade", name], () => {}), TypeError);
    }
    client.close();
  });
});

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

  test("lost for good: told once for all channels, also when the connection that told it ends at once", async () => {
    const { line, refetches, got } = await opened(["A.trade", "B.trade"]);
    line.socket.end(1006);
    await line.pass(500);
    line.socket.welcome(900);
    await line.pass(100);
    const { socket } = line;
    socket.offset = undefined; // No heartbeat is answered.
    socket.acknowledge(["A.trade", "B.trade"], { recovered: false, replayed: 0 });
    assert.deepEqual(refetches, [{ channels: ["A.trade", "B.trade"], reason: "history" }]);
    socket.end(1006);
    await line.pass(2000);
    line.socket.welcome(1000);
    await line.pass(100);
    const [asked] = line.socket.asked;
    assert.deepEqual(asked?.type === "subscribe" && asked.since, { epoch: "e", offset: 900 });
    line.socket.acknowledge(["A.trade", "B.trade"], { recovered: true, replayed: 0 });
    line.socket.publish("B.trade", 1001);
    await line.pass(100);
    assert.equal(refetches.length, 1);
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

  test("an answer that is not JSON ends the connection, not the page", async () => {
    const { line, client } = await opened();
    line.socket.say("<html>");
    assert.equal(client.status.reason, "not understood");
  });
});

describe("limits of the gateway", () => {
  test("a replay that was not read is asked for again", async () => {
    const { line, got } = await opened();
    const { socket } = line;
    socket.seq = 1;
    socket.publish("A.trade", 12);
    await line.pass(100);
    assert.deepEqual(socket.asked.at(-1), { type: "replay", from_seq: 1, to_seq: 1 });
    const before = socket.asked.length;
    socket.say({ type: "error", code: "rate_limited", message: "busy" });
    await line.pass(100);
    assert.deepEqual(socket.asked.slice(before), [{ type: "replay", from_seq: 1, to_seq: 1 }]);
    socket.seq = 0;
    socket.publish("A.trade", 11);
    socket.say({ type: "replay_end", from_seq: 1, to_seq: 1, sent: 1, missing: 0 });
    assert.deepEqual(got, [11, 12]);
  });

  test("a request that was not read is made good by another connection", async () => {
    const { line, client } = await opened();
    client.subscribe("B.trade", () => {});
    await line.pass(100);
    assert.equal(client.status.state, "open");
    await line.pass(10_000); // The next heartbeat is answered, the request is not.
    assert.equal(client.status.reason, "rate_limited");
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

describe("close", () => {
  const moments: Record<string, (all: ReturnType<typeof begin>) => Promise<unknown> | unknown> = {
    "at once": () => {},
    connecting: ({ line }) => line.pass(0),
    open: async ({ line }) => {
      await line.pass(0);
      line.socket.welcome();
      await line.pass(0);
    },
    waiting: async ({ line }) => {
      await line.pass(0);
      line.socket.end(1006);
    },
    hidden: ({ line }) => {
      line.page.hidden = true;
      line.page.tell();
    },
    paused: ({ client }) => client.pause(),
  };
  for (const [name, until] of Object.entries(moments)) {
    test(`${name}: no timer, no socket, no ear is left, and nothing comes back`, async () => {
      const all = begin({ token: () => inSeconds(100) });
      const leave = all.client.subscribe("A.trade", () => {});
      await until(all);
      all.client.close();
      assert.equal(all.client.status.state, "closed");
      assert.equal(all.line.left, 0);
      assert.ok(all.line.sockets.every(({ closed }) => closed));
      const count = all.line.sockets.length;
      call(all.client, leave);
      await all.line.pass(600_000);
      assert.deepEqual([all.line.sockets.length, all.line.left], [count, 0]);
      assert.equal(all.client.status.state, "closed");
    });
  }

  function call(client: Client, leave: () => void): void {
    leave();
    client.subscribe("A.trade", () => {})();
    client.pause();
    client.resume();
    client.close();
  }
});
