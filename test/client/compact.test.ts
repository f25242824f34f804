/** The client in the compact encoding against real gateways, with faults and changes of the gateway. */

import { strict as assert } from "node:assert";
import { before, describe, type TestContext, test } from "node:test";
import { compact } from "@odin-ws/client/compact";
import { STREAM_DEFAULTS } from "@odin-ws/protocol";
import { startFeed } from "../harness/feed.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { suiteOwner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";
import { type FaultProxy, startProxy } from "./fault-proxy.ts";
import { assertExact, startWitness } from "./witness.ts";

const ENV = { WS_MAX_NATS_RATE: "0", WS_MAX_BROADCAST_RATE: "0" };

/** Node's WebSocket, which counts the binary messages of each connection. */
function countingSockets() {
  const opened: { url: string; binary: number }[] = [];
  const open = (url: string) => {
    const socket = new WebSocket(url);
    const count = { url, binary: 0 };
    opened.push(count);
    socket.addEventListener("message", ({ data }) => {
      if (typeof data !== "string") count.binary++;
    });
    return socket;
  };
  return { opened, open: open as never };
}

/** The login `some` may not use the stream with the dictionaries. */
const CONFIG = `authorization { users: [
  { user: all, password: all },
  { user: some, password: some, permissions: { publish: { deny: ["$JS.API.STREAM.*.ODIN_TOKENS_DICTIONARIES"] } } }
] }`;

const sentBytes = async (gateway: Gateway, encoding: string) =>
  (await gateway.metrics()).sum("ws_bytes_sent_total", { encoding });

describe("client in the compact encoding", { skip: withoutNats() }, () => {
  const owner = suiteOwner();
  let nats: Nats;
  let older: Gateway;
  /** Uses the dictionaries of `older`. */
  let sharing: Gateway;
  /** Makes dictionaries of its own, from later messages. */
  let newer: Gateway;
  let json: Gateway;

  before(async () => {
    nats = await startNats(owner, { config: CONFIG, login: { user: "all", pass: "all" } });
    const env = { ...ENV, NATS_URL: login("all") };
    older = await startGateway(owner, { env });
    const first = startFeed(owner, nats, ["OLD.trade", "OLD.update", "OLD.social"], 3);
    await eventually("messages", () => first.count > 200);
    await first.stop();
    // The other gateways do not see the messages from which the first one has made its dictionaries.
    await nats.jsm.streams.purge(STREAM_DEFAULTS.name);
    [sharing, newer, json] = await Promise.all([
      startGateway(owner, { env }),
      startGateway(owner, { env: { ...ENV, NATS_URL: login("some") } }),
      startGateway(owner, { env: { ...env, WS_COMPACT: "false" } }),
    ]);
    // From then on, the gateway uses each dictionary at once that it makes.
    await eventually("dictionaries of its own", () =>
      newer.process.output.includes("cannot share the dictionaries"),
    );
  });

  const login = (user: string) => nats.url.replace("//", `//${user}:${user}@`);

  const startClient = async (t: TestContext, gateway: Gateway) => {
    const proxy = await startProxy(t, gateway.wsPort);
    const sockets = countingSockets();
    const environment = { open: sockets.open };
    const witness = startWitness(t, proxy.url, { encoding: compact, environment });
    return { proxy, witness, ...sockets };
  };
  const moveTo = async (proxy: FaultProxy, gateway: Gateway) => {
    const { accepted } = proxy;
    proxy.target = gateway.wsPort;
    proxy.cutAfter(31);
    await eventually("a new connection", () => proxy.accepted > accepted);
  };

  test("a client that moves between gateways with different dictionaries gets every message once", async (t) => {
    const { proxy, witness, opened } = await startClient(t, older);
    const channels = ["MOVE.trade", "MOVE.update", "MOVE.social"];
    const book = await witness.listen(...channels);
    const feed = startFeed(t, nats, channels, 3);
    for (let round = 0; round < 4; round++) {
      const { length } = book.got;
      await eventually("messages", () => book.got.length > length + 100);
      await moveTo(proxy, round % 2 === 0 ? newer : older);
    }
    const { length } = book.got;
    await eventually("messages", () => book.got.length > length + 100);
    await assertExact(book, await feed.stop());
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
    assert.deepEqual(
      witness.states.filter(({ reason }) => reason === "not understood"),
      [],
    );
    assert.ok(opened.length >= 5 && opened.every(({ binary }) => binary > 0), JSON.stringify(opened));
    const known = opened.map(({ url }) => /dictionaries=(.*)/.exec(url)?.[1]?.split(",").length ?? 0);
    assert.deepEqual(known.slice(0, 3), [0, 3, 6], "three of each gateway");
  });

  test("gateways that read the same stream use the same dictionaries, although one has started later", async (t) => {
    const { proxy, witness, opened } = await startClient(t, older);
    const channels = ["SAME.trade", "SAME.update", "SAME.social"];
    const book = await witness.listen(...channels);
    const feed = startFeed(t, nats, channels, 3);
    for (const gateway of [sharing, older]) {
      const { length } = book.got;
      await eventually("messages", () => book.got.length > length + 100);
      await moveTo(proxy, gateway);
    }
    const { length } = book.got;
    await eventually("messages", () => book.got.length > length + 100);
    await assertExact(book, await feed.stop());
    const named = opened.map(({ url }) => /dictionaries=(.*)/.exec(url)?.[1]?.split(",").sort().join());
    assert.equal(named[1]?.split(",").length, 3);
    assert.equal(named[2], named[1], "the second gateway has defined no other dictionary");
    assert.deepEqual(
      [older, sharing].map(({ process }) => process.tail().includes("cannot share the dictionaries")),
      [false, false],
    );
    assert.match(newer.process.tail(), /cannot share the dictionaries/);
  });

  test("a client that comes to a gateway without the encoding gets JSON from then on", async (t) => {
    const { proxy, witness, opened } = await startClient(t, newer);
    const book = await witness.listen("BACK.trade");
    const feed = startFeed(t, nats, ["BACK.trade"], 1);
    await eventually("messages", () => book.got.length > 20);
    for (const gateway of [json, newer]) {
      await moveTo(proxy, gateway);
      const { length } = book.got;
      await eventually("messages", () => book.got.length > length + 20);
    }
    await assertExact(book, await feed.stop());
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
    assert.ok(opened[0]?.binary, "binary messages at first");
    assert.deepEqual(
      opened.slice(1).map(({ binary, url }) => [binary, url.includes("encoding=compact")]),
      [
        [0, true],
        [0, false],
      ],
    );
  });

  test("messages that are changed between gateway and client never arrive changed", async (t) => {
    const { proxy, witness } = await startClient(t, newer);
    const book = await witness.listen("DAMAGE.trade", "DAMAGE.update");
    const feed = startFeed(t, nats, ["DAMAGE.trade", "DAMAGE.update"], 2);
    await eventually("messages", () => book.got.length > 50);
    proxy.damage();
    await eventually("the damage is noticed", () =>
      witness.states.some(({ state, reason }) => state === "waiting" && reason === "not understood"),
    );
    const { length } = book.got;
    await eventually("messages", () => book.got.length > length + 20);
    await assertExact(book, await feed.stop());
    for (const [n, { data }] of book.got.entries()) assert.deepEqual(data, { n });
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
  });

  test("a client that does not ask gets no binary message", async (t) => {
    const proxy = await startProxy(t, newer.wsPort);
    const sockets = countingSockets();
    const witness = startWitness(t, proxy.url, { environment: { open: sockets.open } });
    const book = await witness.listen("PLAIN.trade");
    const before = await sentBytes(newer, "compact");
    const feed = startFeed(t, nats, ["PLAIN.trade"], 1);
    await eventually("messages", () => book.got.length > 20);
    await assertExact(book, await feed.stop());
    assert.equal(sockets.opened[0]?.binary, 0);
    assert.equal(await sentBytes(newer, "compact"), before);
  });
});
