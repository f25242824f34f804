/** A client whose proxy breaks WebSockets gets its messages over HTTP, and comes back to the WebSocket. */

import { strict as assert } from "node:assert";
import { createServer, request as send } from "node:http";
import { connect as connectTcp } from "node:net";
import { describe, test } from "node:test";
import { fallback } from "@odin-ws/client/fallback";
import { startFeed } from "../harness/feed.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { issue } from "../harness/tokens.ts";
import { eventually } from "../harness/wait.ts";
import { assertExact, startWitness } from "./witness.ts";

const SECRET = "a secret of the identity service";
const CHANNELS = ["FB1.trade", "FB2.trade"];

/** A proxy that passes plain requests, and WebSockets only while `upgrades` is true. */
async function startProxy(owner: Owner, gateway: Gateway) {
  const state = { upgrades: false, refused: 0, polls: 0, url: "" };
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/poll")) state.polls++;
    const { method = "GET", url = "/", headers } = request;
    const forwarded = send({ port: gateway.wsPort, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
  server.on("upgrade", (request, socket) => {
    if (!state.upgrades) {
      state.refused++;
      socket.destroy();
      return;
    }
    const upstream = connectTcp(gateway.wsPort, "127.0.0.1");
    const { rawHeaders: raw } = request;
    const lines = raw.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${raw[index + 1]}`] : []));
    upstream.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
    owner.after(() => {
      upstream.destroy();
    });
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.close();
    server.closeAllConnections();
  });
  state.url = `ws://127.0.0.1:${port}/ws`;
  return state;
}

describe("the client's fallback to HTTP", { skip: withoutNats(), concurrency: true }, () => {
  test("where WebSockets fail the client polls, gets each message once and in order, and comes back", async (t) => {
    const nats = await startNats(t);
    const env = { AUTH_MODE: "jwt", JWT_SECRET: SECRET };
    const gateway = await startGateway(t, { nats, env });
    const proxy = await startProxy(t, gateway);
    const environment = fallback({ pollMs: 100, returnAfterMs: 2000 });
    const token = () => issue(SECRET, { sub: "ann" });
    const witness = startWitness(t, proxy.url, { token, environment });
    const book = await witness.listen(...CHANNELS);
    assert.equal(witness.client.status.gateway, "http");
    assert.equal(proxy.refused, 2, "two attempts before the fallback");
    const feed = startFeed(t, nats, CHANNELS, 2);
    await eventually("messages over HTTP", () => book.got.length > 50);
    // The client tries the WebSocket again, and polls again after one failure.
    await eventually("another attempt", () => proxy.refused > 2 && witness.client.status.state === "open");
    const added = await witness.listen("FB1.*");
    const count = book.got.length;
    await eventually("messages over HTTP", () => book.got.length > count + 50);
    proxy.upgrades = true;
    await eventually(
      () => `a WebSocket: ${JSON.stringify(witness.states.at(-1))}`,
      async () => (await gateway.stats()).connections === 1 && witness.client.status.state === "open",
      15_000,
    );
    const { polls } = proxy;
    const before = book.got.length;
    await eventually("messages over the WebSocket", () => book.got.length > before + 50);
    assert.ok(proxy.polls <= polls + 1, "the client no longer polls");
    const published = await feed.stop();
    await assertExact(book, published);
    assert.ok(added.got.length > 50);
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
  });

  test("a rollout moves a stable share of the users to the WebSocket", async (t) => {
    const gateway = await startGateway(t);
    const proxy = await startProxy(t, gateway);
    proxy.upgrades = true;
    const overSocket = async (percent: number, key: string) => {
      const environment = fallback({ rollout: { percent, key }, pollMs: 100, returnAfterMs: 1 });
      const witness = startWitness(t, proxy.url, { environment });
      await witness.listen("global.trending");
      const { gateway: name } = witness.client.status;
      witness.client.close();
      return name !== "http";
    };
    const keys = Array.from({ length: 20 }, (_, index) => `user-${index}`);
    const chosen = async (percent: number) =>
      (await Promise.all(keys.map(async (key) => ((await overSocket(percent, key)) ? key : "")))).filter(
        Boolean,
      );
    assert.deepEqual(await chosen(0), []);
    const half = await chosen(50);
    assert.ok(half.length >= 4 && half.length <= 16, `${half.length} of 20`);
    assert.deepEqual(await chosen(50), half);
    const more = await chosen(70);
    assert.ok(
      half.every((key) => more.includes(key)),
      "a higher percentage only adds users",
    );
    assert.deepEqual(await chosen(100), keys);
  });

  test("when the client was away for longer than the history, or the stream was replaced, it reports the loss", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: { JS_STREAM_MAX_AGE: "2s" } });
    const proxy = await startProxy(t, gateway);
    const environment = fallback({ pollMs: 100, rollout: { percent: 0, key: "ann" } });
    const witness = startWitness(t, proxy.url, { environment });
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
