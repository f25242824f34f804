/** A client whose proxy breaks WebSockets gets its messages over HTTP, and comes back to the WebSocket. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { compact } from "@odin-ws/client/compact";
import { type FallbackOptions, fallback } from "@odin-ws/client/fallback";
import { startFeed } from "../harness/feed.ts";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { issue } from "../harness/tokens.ts";
import { eventually } from "../harness/wait.ts";
import { startHttpProxy } from "./http-proxy.ts";
import { assertExact, startWitness } from "./witness.ts";

const SECRET = "a secret of the identity service";
const CHANNELS = ["FB1.trade", "FB2.trade"];

describe("the client's fallback to HTTP", { skip: withoutNats(), concurrency: true }, () => {
  test("where WebSockets fail the client falls back by itself, and receives server-sent events", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats });
    const proxy = await startHttpProxy(t, gateway);
    const witness = startWitness(t, proxy.url);
    const book = await witness.listen(...CHANNELS);
    assert.equal(witness.client.status.gateway, "http");
    assert.equal(proxy.count.upgrades, 2, "one attempt before the fallback is loaded, and one with it");
    const feed = startFeed(t, nats, CHANNELS, 2);
    const added = await witness.listen("FB1.*");
    await eventually("messages", () => added.got.length > 300);
    // The stream has replaced the polls.
    const { polls } = proxy.count;
    const { length } = book.got;
    await eventually("more messages", () => book.got.length > length + 600, 10_000);
    assert.ok(proxy.count.polls <= polls + 1, `${proxy.count.polls - polls} polls beside the stream`);
    await assertExact(book, await feed.stop());
    assert.equal((await gateway.stats()).connections, 1, "the stream");
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
    witness.client.close();
    await eventually("no stream", async () => (await gateway.stats()).connections === 0);
  });

  test("the client comes back to the WebSocket and to the compact encoding, with a seat for one connection", async (t) => {
    const nats = await startNats(t);
    const env = { AUTH_MODE: "jwt", JWT_SECRET: SECRET, WS_MAX_CONNECTIONS_PER_USER: "1" };
    const gateway = await startGateway(t, { nats, env });
    const proxy = await startHttpProxy(t, gateway);
    const witness = startWitness(t, proxy.url, {
      token: () => issue(SECRET, { sub: "ann" }),
      encoding: compact,
      fallback: fallback({ pollMs: 200, returnAfterMs: 1000 }),
    });
    const book = await witness.listen(...CHANNELS);
    const feed = startFeed(t, nats, CHANNELS, 2);
    // Further attempts fail in the background, and the client keeps its connection.
    await eventually("further attempts", () => proxy.count.upgrades >= 3, 10_000);
    assert.ok(book.got.length > 0);
    assert.equal(witness.states.filter(({ state }) => state === "waiting").length, 0);
    proxy.upgrades = "pass";
    const overSocket = ({ gateway: name, state }: typeof witness.client.status) =>
      state === "open" && name !== "http";
    await eventually("a WebSocket", () => overSocket(witness.client.status), 20_000);
    const { length } = book.got;
    await eventually("messages over the WebSocket", () => book.got.length > length + 100);
    assert.match(proxy.passed.at(-1) ?? "", /encoding=compact/);
    assert.ok(
      await gateway.metric("ws_bytes_sent_total", { encoding: "compact" }, (bytes) => bytes > 0),
      "compact messages",
    );
    await assertExact(book, await feed.stop());
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
    const reasons = witness.states.filter(({ state }) => state === "waiting").map(({ reason }) => reason);
    assert.deepEqual(reasons, ["WebSockets work"]);
  });

  for (const [streams, what] of [
    ["hold", "holds streams back"],
    ["bunch", "passes on streams in bunches"],
  ] as const) {
    test(`behind a proxy that ${what}, and never answers WebSockets, the client polls`, async (t) => {
      const nats = await startNats(t);
      const gateway = await startGateway(t, { nats });
      const proxy = await startHttpProxy(t, gateway);
      Object.assign(proxy, { streams, upgrades: "swallow" });
      const witness = startWitness(t, proxy.url, { fallback: fallback({ pollMs: 100 }) });
      const book = await witness.listen(...CHANNELS);
      let age = 0;
      witness.client.subscribe(CHANNELS, ({ ts }) => {
        age = Math.max(age, Date.now() - ts);
      });
      const feed = startFeed(t, nats, CHANNELS, 1);
      await eventually("a stream", () => proxy.count.streams > 0);
      const { polls } = proxy.count;
      await eventually("polls beside the stream", () => proxy.count.polls > polls + 60, 20_000);
      await assertExact(book, await feed.stop());
      // A poll is late by 0.6 s; a bunch would be late by 2 s.
      assert.ok(age < 1800, `a message was ${age} ms old`);
      assert.deepEqual([witness.refetches, witness.errors], [[], []]);
    });
  }

  test("a rollout moves a stable share of the users to the WebSocket", async (t) => {
    const gateway = await startGateway(t);
    const proxy = await startHttpProxy(t, gateway);
    proxy.upgrades = "pass";
    const overSocket = async (options: FallbackOptions) => {
      const witness = startWitness(t, proxy.url, { fallback: fallback({ returnAfterMs: 1, ...options }) });
      await witness.listen("global.trending");
      const { gateway: name } = witness.client.status;
      witness.client.close();
      return name !== "http";
    };
    const keys = Array.from({ length: 20 }, (_, index) => `user-${index}`);
    const chosen = async (percent: number) => {
      const over = await Promise.all(keys.map((key) => overSocket({ rollout: { percent, key } })));
      return keys.filter((_, index) => over[index]);
    };
    assert.deepEqual(await chosen(0), []);
    assert.equal(proxy.count.upgrades, 0, "users outside of the rollout open no WebSocket");
    const half = await chosen(50);
    assert.ok(half.length >= 4 && half.length <= 16, `${half.length} of 20`);
    assert.deepEqual(await chosen(50), half);
    const more = await chosen(70);
    assert.ok(
      half.every((key) => more.includes(key)),
      "a higher percentage only adds users",
    );
    assert.deepEqual(await chosen(100), keys);
    await overSocket({ rollout: { percent: 0, key: "ann" }, stream: false });
    assert.equal(proxy.count.streams, 0, "these clients have left before their first stream");
  });

  test("users outside of the rollout get each message once and in order, by streams or by polls alone", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats });
    const proxy = await startHttpProxy(t, gateway);
    proxy.upgrades = "pass";
    const rollout = { percent: 0, key: "ann" };
    const witnesses = [true, false].map((stream) =>
      startWitness(t, proxy.url, { fallback: fallback({ rollout, stream, pollMs: 200, returnAfterMs: 1 }) }),
    );
    const books = await Promise.all(witnesses.map((witness) => witness.listen(...CHANNELS)));
    const feed = startFeed(t, nats, CHANNELS, 2);
    await eventually("messages", () => books.every(({ got }) => got.length > 300));
    const published = await feed.stop();
    for (const book of books) await assertExact(book, published);
    assert.equal(proxy.count.streams, 1, "one client has a stream");
    assert.equal(proxy.count.upgrades, 0);
  });

  test("a stream that a drain ends continues at another gateway, and nothing is missing", async (t) => {
    const nats = await startNats(t);
    const [first, second] = await Promise.all([startGateway(t, { nats }), startGateway(t, { nats })]);
    const target = { wsPort: first.wsPort };
    const proxy = await startHttpProxy(t, target);
    const witness = startWitness(t, proxy.url, { fallback: fallback({ pollMs: 200 }) });
    const book = await witness.listen(...CHANNELS);
    const feed = startFeed(t, nats, CHANNELS, 2);
    await eventually("messages", () => book.got.length > 200);
    target.wsPort = second.wsPort;
    await first.stop();
    const { length } = book.got;
    await eventually("messages of the other gateway", () => book.got.length > length + 200);
    await assertExact(book, await feed.stop());
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
  });

  test("polls keep their address while their channels are quiet, so that a browser's cache can answer", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats });
    const proxy = await startHttpProxy(t, gateway);
    const witness = startWitness(t, proxy.url, { fallback: fallback({ pollMs: 100, stream: false }) });
    const book = await witness.listen("FB1.trade");
    const feed = startFeed(t, nats, ["FB2.trade"], 2);
    const polled = async (count: number) => {
      const from = proxy.polled.length;
      await eventually("polls", () => proxy.polled.length >= from + count, 10_000);
      return new Set(proxy.polled.slice(from, from + count)).size;
    };
    assert.ok((await polled(12)) <= 2, "the position moves once in 8 s");
    const before = proxy.polled.at(-1);
    await nats.publishAll("odin.token.FB1.trade", [{ price: 1 }]);
    await eventually("the message", () => book.got.length === 1);
    await eventually("another position", () => proxy.polled.at(-1) !== before);
    await feed.stop();
    await polled(3);
    assert.equal(book.got.length, 1, "once");
  });

  test("fallback: false means only WebSockets", async (t) => {
    const gateway = await startGateway(t);
    const proxy = await startHttpProxy(t, gateway);
    const witness = startWitness(t, proxy.url, { fallback: false });
    await eventually("three attempts", () => proxy.count.upgrades >= 3, 15_000);
    assert.deepEqual([proxy.count.polls, proxy.count.streams], [0, 0]);
    proxy.upgrades = "pass";
    await witness.until("open", 15_000);
  });

  test("when the client was away for longer than the history, or the stream was replaced, it reports the loss", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: { JS_STREAM_MAX_AGE: "2s" } });
    const proxy = await startHttpProxy(t, gateway);
    const rollout = { percent: 0, key: "ann" };
    const witness = startWitness(t, proxy.url, { fallback: fallback({ pollMs: 100, rollout }) });
    const book = await witness.listen("AWAY.trade");
    await nats.publish("odin.token.AWAY.trade", {});
    await eventually("a message", () => book.got.length === 1);
    witness.client.pause();
    for (let n = 0; n < 5; n++) await nats.publish("odin.token.AWAY.trade", n);
    await eventually("a history without these messages", async () => {
      const { epoch } = await gateway.stats();
      const answer = await fetch(`http://127.0.0.1:${gateway.wsPort}/poll?since=${epoch}:1`);
      return ((await answer.json()) as { recovered: boolean }).recovered === false;
    });
    witness.client.resume();
    await eventually("the loss", () => witness.refetches.some(({ reason }) => reason === "history"), 15_000);
    await nats.recreateStream();
    await eventually(
      "the new stream",
      () => witness.refetches.some(({ reason }) => reason === "epoch"),
      20_000,
    );
    await eventually("a message of the new stream", async () => {
      await nats.publish("odin.token.AWAY.trade", { text: "new" }).catch(() => {});
      return book.got.some(({ data }) => (data as { text?: string }).text === "new");
    });
  });
});
