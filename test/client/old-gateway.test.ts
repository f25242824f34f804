/** The client, with everything that it can ask for, at a gateway of a version that knows none of it. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import type { Envelope } from "@odin-ws/client";
import { compact } from "@odin-ws/client/compact";
import { WebSocket, WebSocketServer } from "ws";
import { startFeed } from "../harness/feed.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { eventually } from "../harness/wait.ts";
import { assertExact, startWitness } from "./witness.ts";

/** What the first version of the gateway reads. It ignores all other fields and parameters. */
const KNOWN_FIELDS = new Set(["type", "channels", "since", "epoch", "offset", "from_seq", "to_seq", "token"]);
const KNOWN_PARAMETERS = ["auth"];

const asOldGatewayReads = (text: string): string =>
  JSON.stringify(
    JSON.parse(text, function (this: unknown, key, value) {
      return Array.isArray(this) || key === "" || KNOWN_FIELDS.has(key) ? value : undefined;
    }),
  );

/**
 * A gateway that behaves like the first version: everything that this version does not read is removed before
 * it reaches the gateway.
 */
async function startOldGateway(owner: Owner, gateway: Gateway) {
  const port = await freePort();
  const server = new WebSocketServer({ port, host: "127.0.0.1" });
  /** What clients have asked for, before anything was removed. */
  const asked: { type: string; last?: boolean; max_rate?: number }[] = [];
  const opened: URL[] = [];
  server.on("connection", (client, { url = "" }) => {
    const given = new URL(url, gateway.url);
    opened.push(given);
    const address = new URL(gateway.url);
    for (const [name, value] of given.searchParams)
      if (KNOWN_PARAMETERS.includes(name)) address.searchParams.set(name, value);
    const upstream = new WebSocket(address);
    upstream.on("message", (data, binary) => client.send(data, { binary }));
    // A client sends nothing before the welcome, so `upstream` is open by then.
    client.on("message", (data) => {
      asked.push(JSON.parse(String(data)));
      upstream.send(asOldGatewayReads(String(data)));
    });
    upstream.on("error", () => {});
    upstream.on("close", () => client.terminate());
    client.on("close", () => upstream.terminate());
  });
  const cut = () => {
    for (const client of server.clients) client.terminate();
  };
  owner.after(() => {
    cut();
    server.close();
  });
  return { url: `ws://127.0.0.1:${port}/ws`, asked, opened, cut };
}

describe("client at an older gateway", { skip: withoutNats() }, () => {
  test("requests for a rate, for last values and for the compact encoding are ignored: every message comes once", async (t) => {
    const nats = await startNats(t);
    const env = { WS_MAX_NATS_RATE: "0", WS_MAX_BROADCAST_RATE: "0" };
    const gateway = await startGateway(t, { nats, env });
    const old = await startOldGateway(t, gateway);
    const channels = ["OLD.trade", "OLD.update"];
    // A gateway that knows last values would send this one.
    const offset = await nats.publish("odin.token.OLD.trade", { n: -1 });
    await eventually("the message", async () => (await gateway.stats()).offset >= offset);

    const witness = startWitness(t, old.url, { encoding: compact });
    const book = { channels, got: [] as Envelope[], late: [] as Envelope[], leave: () => {} };
    let live = 0;
    witness.client.on("subscribed", (event) => {
      live += event.channels.length;
    });
    const options = { maxRate: 1, last: true };
    witness.client.subscribe(
      channels,
      (message, { late }) => (late ? book.late : book.got).push(message),
      options,
    );
    await eventually("live channels", () => live === channels.length);
    const feed = startFeed(t, nats, channels, 2);
    for (let round = 0; round < 2; round++) {
      const { length } = book.got;
      await eventually("messages", () => book.got.length > length + 50);
      old.cut();
      await eventually("a new connection", () => old.opened.length === round + 2);
    }
    const { length } = book.got;
    await eventually("messages", () => book.got.length > length + 50);
    await assertExact(book, await feed.stop());
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);

    const subscribes = old.asked.filter(({ type }) => type === "subscribe");
    assert.ok(subscribes.length >= 3, "at the start and after each reconnect");
    for (const { last, max_rate } of subscribes) assert.deepEqual([last, max_rate], [true, 1]);
    assert.deepEqual(
      old.opened.map(({ searchParams }) => searchParams.get("encoding")),
      ["compact", null, null],
      "the client asks once, because this gateway does not answer with the encoding",
    );
    // The newest message is known to the client, so the second listener begins with it, too.
    const second: Envelope[] = [];
    witness.client.subscribe("OLD.trade", (message) => second.push(message), { last: true });
    await eventually("the newest message", () => second.length === 1);
    const newest = book.got.findLast(({ channel }) => channel === "OLD.trade");
    assert.deepEqual(second, [{ ...newest, last: true }]);
  });
});
