import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { begin, inSeconds, opened } from "./connect.fixture.ts";
import type { Client } from "./types.ts";

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
