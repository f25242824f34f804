/**
 * The client against real gateways with network faults in between: order, each message once, and when to
 * refetch.
 */

import { strict as assert } from "node:assert";
import { before, describe, test } from "node:test";
import { startFeed } from "../harness/feed.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { suiteOwner } from "../harness/owner.ts";
import { eventually, pause } from "../harness/wait.ts";
import { startProxy } from "./fault-proxy.ts";
import { assertExact, startWitness } from "./witness.ts";

const LONG = 60_000; // The client notices a dead connection within 20 s.

describe("client and faults", { skip: withoutNats(), concurrency: 4 }, () => {
  const owner = suiteOwner();
  let nats: Nats;
  let first: Gateway;
  let second: Gateway;

  before(async () => {
    nats = await startNats(owner);
    const env = { WS_MAX_NATS_RATE: "0", WS_MAX_BROADCAST_RATE: "0" };
    [first, second] = await Promise.all([
      startGateway(owner, { nats, env }),
      startGateway(owner, { nats, env }),
    ]);
  });

  test("repeated cuts, also in the middle of a message, with a change of the gateway", async (t) => {
    const proxy = await startProxy(t, first.wsPort);
    const witness = startWitness(t, proxy.url);
    const channels = ["CUT1.trade", "CUT2.trade", "CUT1.update"];
    const exact = await witness.listen(...channels);
    const pattern = await witness.listen("CUT1.*", "*.cut", "CUT1.trade");
    const feed = startFeed(t, nats, channels, 3);
    for (let round = 0; round < 6; round++) {
      const count = exact.got.length;
      await eventually("messages", () => exact.got.length > count + 50);
      proxy.target = (round % 2 === 0 ? second : first).wsPort;
      const { accepted } = proxy;
      if (round % 3 === 0) proxy.cut();
      else proxy.cutAfter(37 + round);
      await eventually("a new connection", () => proxy.accepted > accepted);
    }
    const count = exact.got.length;
    await eventually("messages", () => exact.got.length > count + 50);
    const published = await feed.stop();
    await assertExact(exact, published);
    await assertExact(pattern, published);
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
    assert.ok(witness.states.some(({ state, code }) => state === "waiting" && code === 1006));
  });

  test("after 10 s without a connection everything arrives, without a refetch", async (t) => {
    const proxy = await startProxy(t, first.wsPort);
    const witness = startWitness(t, proxy.url);
    const book = await witness.listen("AWAY1.trade", "AWAY2.*");
    // A silent channel too: the client's position must stay recent without messages.
    const silent = await witness.listen("AWAY3.trade");
    const feed = startFeed(t, nats, ["AWAY1.trade", "AWAY2.social"], 2);
    await eventually("messages", () => book.got.length > 50);
    proxy.refusing = true;
    proxy.cut();
    await witness.until("waiting");
    const late = await nats.publish("odin.token.AWAY3.trade", {});
    await pause(10_000);
    proxy.refusing = false;
    proxy.target = second.wsPort;
    await witness.until("open", LONG);
    await eventually("the message of the silent channel", () => silent.got.length === 1);
    assert.equal(silent.got[0]?.offset, late);
    await assertExact(book, await feed.stop());
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
    assert.ok(witness.states.some(({ reason }) => reason === "refused"));
  });

  test("a stalled connection is given up in time to resume", { timeout: LONG }, async (t) => {
    const proxy = await startProxy(t, first.wsPort);
    const witness = startWitness(t, proxy.url);
    const book = await witness.listen("DEAD.trade");
    const feed = startFeed(t, nats, ["DEAD.trade"], 1);
    await eventually("messages", () => book.got.length > 20);
    const from = Date.now();
    proxy.stall();
    await witness.until("waiting", LONG);
    assert.match(witness.client.status.reason, /silent/);
    assert.ok(Date.now() - from < 22_000, `noticed after ${Date.now() - from} ms`);
    await witness.until("open");
    await assertExact(book, await feed.stop());
    assert.deepEqual(witness.refetches, []);
  });

  test("after an absence longer than the history: one refetch, then live messages in order", async (t) => {
    const own = await startNats(t);
    const gateway = await startGateway(t, { nats: own, env: { JS_STREAM_MAX_AGE: "2s" } });
    const proxy = await startProxy(t, gateway.wsPort);
    const witness = startWitness(t, proxy.url);
    const book = await witness.listen("GONE.trade", "GONE.update");
    await own.publish("odin.token.GONE.trade", { n: 1 });
    await eventually("the first message", () => book.got.length === 1);
    proxy.refusing = true;
    proxy.cut();
    await witness.until("waiting");
    for (let n = 0; n < 5; n++) await own.publish("odin.token.GONE.trade", { n: 2 });
    await pause(4_000);
    // The gateway trims its history when it adds a message.
    await own.publish("odin.token.OTHER.trade", {});
    proxy.refusing = false;
    await witness.until("open", LONG);
    const feed = startFeed(t, own, ["GONE.trade", "GONE.update"], 1);
    await eventually("messages", () => book.got.length > 20);
    book.got.shift();
    await assertExact(book, await feed.stop());
    assert.equal(witness.refetches.length, 1, JSON.stringify(witness.refetches));
    assert.deepEqual([...(witness.refetches[0]?.channels ?? [])].sort(), ["GONE.trade", "GONE.update"]);
    assert.equal(witness.refetches[0]?.reason, "history");
  });

  for (const filtering of ["true", "false"]) {
    test(`a loss is reported before the first message behind it, with ENABLE_SUBSCRIPTION_FILTERING=${filtering}`, async (t) => {
      const own = await startNats(t);
      const env = { JS_STREAM_MAX_AGE: "1s", ENABLE_SUBSCRIPTION_FILTERING: filtering };
      const gateway = await startGateway(t, { nats: own, env });
      const proxy = await startProxy(t, gateway.wsPort);
      const witness = startWitness(t, proxy.url);
      const book = await witness.listen("BEHIND.trade");
      // Number of messages that the application had at each refetch.
      const before: number[] = [];
      witness.client.on("refetch", () => before.push(book.got.length));
      startFeed(t, own, ["BEHIND.trade"], 3);
      for (let round = 1; round <= 2; round++) {
        const count = book.got.length;
        await eventually("messages", () => book.got.length > count);
        proxy.refusing = true;
        proxy.cut();
        await witness.until("waiting");
        const had = book.got.length;
        await pause(2_000);
        proxy.refusing = false;
        await witness.until("open", LONG);
        await eventually("messages after the loss", () => book.got.length > had + 20);
        assert.deepEqual(before.slice(round - 1), [had], "no message came before the refetch");
        const offsets = book.got.slice(had).map(({ offset }) => offset);
        assert.deepEqual(
          offsets,
          offsets.map((_, n) => (offsets[0] ?? 0) + n),
          "the messages behind the loss are complete",
        );
      }
    });
  }

  test("the stream is replaced while connected: one refetch, then the new stream's messages", async (t) => {
    const own = await startNats(t);
    const gateway = await startGateway(t, { nats: own });
    const witness = startWitness(t, gateway.url);
    const book = await witness.listen("NEW.trade");
    await own.publishAll("odin.token.NEW.trade", [1, 2, 3]);
    await eventually("three messages", () => book.got.length === 3);
    await own.recreateStream();
    await eventually("a refetch", () => witness.refetches.length > 0);
    assert.deepEqual(witness.refetches, [{ channels: ["NEW.trade"], reason: "epoch" }]);
    const offsets = await own.publishAll("odin.token.NEW.trade", [4, 5]);
    await eventually("two more messages", () => book.got.length === 5);
    assert.deepEqual(
      book.got.slice(3).map(({ offset }) => offset),
      offsets,
    );
  });

  test("drain: the client reconnects in the announced time and continues at another gateway", async (t) => {
    const leaving = await startGateway(t, { nats, env: { WS_DRAIN_SECONDS: "1" } });
    const proxy = await startProxy(t, leaving.wsPort);
    const witness = startWitness(t, proxy.url);
    const book = await witness.listen("DRAIN.*");
    const feed = startFeed(t, nats, ["DRAIN.trade", "DRAIN.social"], 2);
    await eventually("messages", () => book.got.length > 20);
    proxy.target = second.wsPort;
    leaving.process.signal("SIGTERM");
    await witness.until("waiting");
    assert.equal(witness.client.status.code, 1012);
    assert.ok(
      (witness.client.status.retryAt ?? 0) - Date.now() <= 1000,
      "the wait is within the announced time",
    );
    await witness.until("open");
    await eventually("messages", () => book.got.length > 100);
    await assertExact(book, await feed.stop());
    assert.deepEqual(witness.refetches, []);
  });
});
