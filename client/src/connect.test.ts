import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { begin, inSeconds, opened } from "./connect.fixture.ts";
import type { Client } from "./types.ts";

describe("requests", () => {
  test("all calls of one tick make one request, and a channel is requested once", async () => {
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
    assert.equal(line.socket.asked.length, 1, "another listener uses the channel");
    leaves[1]?.();
    await line.pass(100);
    assert.deepEqual(line.socket.asked[1], { type: "unsubscribe", channels: ["A.trade"] });
  });

  test("a channel that is left and joined within a tick causes no request", async () => {
    const { line, client, leave } = await opened();
    leave();
    client.subscribe("A.trade", () => {});
    await line.pass(200);
    assert.equal(line.socket.asked.length, 1);
  });

  test("messages stay below 4 KiB, channels at most 256, the rate at most 20 a second", async () => {
    const { line, client, errors } = begin();
    for (let n = 0; n < 300; n++) {
      client.subscribe(`${"猫".repeat(20)}${n}.trade`, () => {});
      if (n % 10 === 0) await line.pass(0);
    }
    line.socket.welcome();
    const there: string[] = [];
    for (let n = 0; n < 60; n++) {
      // A listener is added and removed again and again.
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
    assert.deepEqual(errors.length, 1, "too many channels are reported once");
    for (const message of line.socket.sent) {
      assert.ok(Buffer.byteLength(JSON.stringify(message)) <= 4096);
    }
    for (const from of line.socket.sentAt) {
      const count = line.socket.sentAt.filter((at) => at >= from && at < from + 1000).length;
      assert.ok(count <= 20, `${count} messages within a second`);
    }
  });

  test("a refused channel does not affect the others, and a fresh token may allow the channel", async () => {
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
  test("a listener that throws does not stop the others, and its error is reported", async (t) => {
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

  test("listeners may subscribe, unsubscribe themselves and each other, and close the client", async () => {
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
    assert.deepEqual([got, second], [[11], []], "a new listener gets the next message first");
    for (const offset of [12, 13, 14]) line.socket.publish("A.trade", offset);
    assert.deepEqual([got, second], [[11], [12, 13]]);
    await line.pass(0);
    assert.equal(line.left, 0);
  });

  test("an invalid channel throws", () => {
    const { client } = begin();
    for (const name of ["BTC", "a.b.c", "", "a b.trade"]) {
      assert.throws(() => client.subscribe(["A.trade", name], () => {}), TypeError);
    }
    client.close();
  });
});

describe("requests that the gateway did not read", () => {
  test("a replay that the gateway did not read is requested again", async () => {
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

  test("after a request that the gateway did not read, the client reconnects", async () => {
    const { line, client } = await opened();
    client.subscribe("B.trade", () => {});
    await line.pass(100);
    assert.equal(client.status.state, "open");
    await line.pass(5_000); // The gateway answers the next heartbeat, but not the request.
    assert.equal(client.status.reason, "rate_limited");
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
      line.page.fire();
    },
    paused: ({ client }) => client.pause(),
  };
  for (const [name, until] of Object.entries(moments)) {
    test(`${name}: no timer, socket or event listener is left, and nothing restarts`, async () => {
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
