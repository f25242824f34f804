/** `GET /poll` and `GET /events` of a gateway that reads a real NATS. */

import { strict as assert } from "node:assert";
import { before, describe, test } from "node:test";
import { revoke } from "@odin-ws/publisher";
import { connect } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { suiteOwner } from "../harness/owner.ts";
import { issue } from "../harness/tokens.ts";
import { eventually, within } from "../harness/wait.ts";

const SECRET = "a secret of the identity service";
const ORIGIN = "https://app.example.com";

interface Poll {
  epoch: string;
  offset: number;
  recovered: boolean;
  messages: { offset: number; channel: string; data: unknown; seq?: number }[];
}

interface Event {
  id: string;
  name: string;
  data: Record<string, unknown>;
}

/** Reads a stream of server-sent events. */
class Events {
  readonly all: Event[] = [];
  readonly ended: Promise<void>;
  /** Ids of events without data. */
  readonly positions: string[] = [];

  constructor(body: ReadableStream<Uint8Array>) {
    this.ended = this.#read(body).catch(() => {});
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let text = "";
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) this.#take(block);
    }
  }

  #take(block: string): void {
    const fields = new Map(
      block.split("\n").map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
      }),
    );
    const data = fields.get("data");
    const [id = "", name = "message"] = [fields.get("id"), fields.get("event")];
    if (data === undefined && id !== "") this.positions.push(id);
    if (data === undefined) return;
    this.all.push({ id, name, data: JSON.parse(data) as Event["data"] });
  }

  async until(count: number): Promise<Event[]> {
    await eventually(`${count} events, have ${this.all.length}`, () => this.all.length >= count);
    return this.all;
  }
}

describe("channels over HTTP", { skip: withoutNats() }, () => {
  const owner = suiteOwner();
  // A program that is no page sends no origin, and WS_ALLOWED_ORIGINS refuses it. So every request has one.
  const from = { origin: ORIGIN };
  let nats: Nats;
  let gateway: Gateway;
  let token: string;
  /** A stream of a silent channel, from the beginning. */
  let silent: Events;
  const get = (path: string, headers: Record<string, string> = {}, signal?: AbortSignal) =>
    fetch(`http://127.0.0.1:${gateway.wsPort}${path}`, {
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(signal && { signal }),
    });
  const open = async (path: string, headers: Record<string, string> = {}) => {
    const end = new AbortController();
    owner.after(() => end.abort());
    const answer = await get(path, headers, end.signal);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/);
    return { events: new Events(answer.body as ReadableStream<Uint8Array>), leave: () => end.abort() };
  };

  before(async () => {
    nats = await startNats(owner);
    gateway = await startGateway(owner, {
      nats,
      env: { AUTH_MODE: "jwt", JWT_SECRET: SECRET, WS_ALLOWED_ORIGINS: ORIGIN, WS_WORKER_POOL_SIZE: "2" },
    });
    token = await issue(SECRET, { sub: "ann" });
    silent = (await open("/events?channels=SILENT.trade", from)).events;
  });

  test("a poll gets what its channels carried since the last one, as the WebSocket sends it", async (t) => {
    const client = await connect(t, gateway, { token, headers: from });
    await client.subscribe(["POLL.trade"]);
    const ask = async (query: string) => (await (await get(`/poll?${query}`, from)).json()) as Poll;
    const { epoch, offset, messages } = await ask("channels=POLL.trade");
    assert.deepEqual(messages, []);
    const sent = await nats.publishAll("odin.token.POLL.trade", [{ price: 1.0 }, { text: "ü" }, 3]);
    await nats.publish("odin.token.OTHER.trade", {});
    const found = await eventually("the messages", async () => {
      const answer = await ask(`channels=POLL.trade&since=${epoch}:${offset}`);
      return answer.messages.length === 3 && answer;
    });
    assert.deepEqual(
      found.messages.map((message) => message.offset),
      sent,
    );
    const overSocket = (await client.receive(3)).map(({ seq: _, ...envelope }) => envelope);
    assert.deepEqual(found.messages, overSocket);
    assert.equal(found.recovered, true);
    const next = await ask(`channels=POLL.trade&since=${epoch}:${found.offset}`);
    assert.deepEqual([next.messages, next.recovered], [[], true]);
    const lost = await ask(`channels=POLL.trade&since=other:${found.offset}`);
    assert.equal(lost.recovered, false);
  });

  test("a poll without news is answered with 304, and long answers are compressed", async () => {
    const { epoch, offset } = (await (await get("/poll?channels=ETAG.trade", from)).json()) as Poll;
    const path = `/poll?channels=ETAG.trade&since=${epoch}:${offset}`;
    const first = await get(path, from);
    const etag = first.headers.get("etag") ?? "";
    assert.match(etag, /^".+"$/);
    assert.equal(first.headers.get("cache-control"), "private, no-cache");
    // Every 10 s the ETag changes, because the client needs a newer position.
    await eventually("304", async () => {
      const known = (await get(path, from)).headers.get("etag") ?? "";
      return (await get(path, { ...from, "if-none-match": known })).status === 304;
    });
    await nats.publish("odin.token.ETAG.trade", { text: "x".repeat(2000) });
    const changed = await eventually("the message", async () => {
      const answer = await get(path, { ...from, "if-none-match": etag });
      return answer.status === 200 && ((await answer.clone().json()) as Poll).messages.length > 0 && answer;
    });
    assert.equal(changed.headers.get("content-encoding"), "gzip");
    assert.ok(
      await gateway.metric("ws_messages_received_total", { type: "poll_not_modified" }, (n) => n > 0),
    );
  });

  test("polls and streams need the same tokens, origins, permissions and limits as the WebSocket", async () => {
    const limited = await issue(SECRET, { sub: "bob", channels: ["BTC.*"] });
    const cases: [string, Record<string, string>, number, string?][] = [
      ["channels=BTC.trade", { authorization: "" }, 401, "token"],
      ["channels=BTC.trade", { authorization: "Bearer nonsense" }, 401, "token"],
      ["channels=BTC.trade", { origin: "https://evil.example.com" }, 403, "origin"],
      ["channels=ETH.trade", { authorization: `Bearer ${limited}` }, 403, "forbidden_channel"],
      ["channels=BTC.trade,a.b.c", {}, 400, "invalid_channel"],
      [`channels=${Array.from({ length: 300 }, (_, n) => `T${n}.trade`)}`, {}, 400, "too_many_channels"],
      ["channels=BTC.trade&since=nonsense", {}, 400, "invalid_message"],
    ];
    for (const path of ["/poll", "/events"])
      for (const [query, headers, status, error] of cases) {
        const answer = await get(`${path}?${query}`, { ...from, ...headers });
        const body = (await answer.json()) as { error: string };
        assert.deepEqual([answer.status, body.error], [status, error], `${path}?${query}`);
        // The next request of a client that was refused may reach another gateway.
        if (error === "token" || error === "origin") assert.equal(answer.headers.get("connection"), "close");
      }
    const inQuery = await get(`/poll?channels=BTC.trade&auth=${limited}`, { ...from, authorization: "" });
    assert.equal(inQuery.status, 200);
    assert.equal(inQuery.headers.get("access-control-allow-origin"), ORIGIN);
    const url = `http://127.0.0.1:${gateway.wsPort}/poll`;
    const preflight = await fetch(url, { method: "OPTIONS", headers: from });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /Authorization/);
    assert.equal((await fetch(url, { method: "POST", headers: from })).status, 405);
  });

  test("a stream carries live messages, and the next one continues behind the last event", async () => {
    const { events, leave } = await open("/events?channels=SSE.trade,SSE.*", from);
    const [welcome] = await events.until(1);
    assert.equal(welcome?.name, "welcome");
    assert.equal(welcome.data.recovered, true);
    const sent = await nats.publishAll("odin.token.SSE.trade", [1, 2]);
    const [, one, two] = await events.until(3);
    assert.deepEqual([one?.data.data, two?.data.data], [1, 2]);
    assert.deepEqual([one?.data.offset, two?.data.offset], sent);
    assert.equal(one?.id, `${welcome.data.epoch}:${sent[0]}`);
    leave();
    sent.push(await nats.publish("odin.token.SSE.trade", 3));
    const again = await open("/events?channels=SSE.trade", { ...from, "last-event-id": one?.id ?? "" });
    const resumed = await again.events.until(3);
    assert.equal(resumed[0]?.data.recovered, true);
    assert.deepEqual(
      resumed.slice(1).map(({ data }) => data.data),
      [2, 3],
    );
    await nats.publish("odin.token.SSE.trade", 4);
    assert.equal((await again.events.until(4))[3]?.data.data, 4);
    again.leave();
    const lost = await open("/events?channels=SSE.trade", { ...from, "last-event-id": "other:5" });
    assert.equal((await lost.events.until(1))[0]?.data.recovered, false);
    lost.leave();
  });

  test("a stream takes a seat of its user, is counted, and ends when its token is revoked or expires", async () => {
    const dan = await issue(SECRET, { sub: "dan" });
    const as = { ...from, authorization: `Bearer ${dan}` };
    const streams = await Promise.all([1, 2, 3].map(() => open("/events?channels=X.trade", as)));
    assert.equal((await get("/events?channels=X.trade", as)).status, 429);
    await gateway.metric("ws_connections_current", {}, (value) => value >= 3);
    assert.ok((await gateway.stats()).connections >= 3);
    await revoke({ user: "dan" }, { servers: nats.url, seconds: 60 });
    await within("the end of the streams", Promise.all(streams.map(({ events }) => events.ended)));
    await gateway.metric("ws_disconnects_total", { code: "4401" }, (value) => value === 3);
    assert.equal((await get("/poll?channels=X.trade", as)).status, 401);
    const short = await issue(SECRET, { sub: "eve", expiresIn: 2 });
    const { events } = await open("/events?channels=X.trade", { ...from, authorization: `Bearer ${short}` });
    await within("the end of the stream", events.ended);
  });

  test("polls share connections, and a drain ends the streams", async (t) => {
    const other = await startGateway(t, { nats, env: { WS_DRAIN_SECONDS: "1" } });
    const url = `http://127.0.0.1:${other.wsPort}`;
    for (let n = 0; n < 3; n++) {
      const answer = await fetch(`${url}/poll?channels=A.trade`);
      assert.equal(answer.headers.get("connection"), "keep-alive");
      await answer.text();
    }
    const proxied = await fetch(`${url}/poll?channels=A.trade`, { headers: { via: "1.1 google" } });
    assert.equal(proxied.headers.get("connection"), "close");
    const stream = new Events((await fetch(`${url}/events?channels=A.trade`)).body as never);
    await stream.until(1);
    const stopped = other.stop();
    await within("the end of the stream", stream.ended);
    assert.equal((await stopped).code, 0);
    // A stream is no WebSocket, and the drain waits for it nevertheless.
    assert.match(
      other.process.output,
      /"code":1012,"reason":"this gateway is being replaced","by":"gateway"/,
    );
  });

  test("a stream of a silent channel gets its position every 10 s, so that it does not leave the history", async () => {
    const offset = await nats.publish("odin.token.OTHER.trade", {});
    const { epoch } = await gateway.stats();
    await eventually(
      () => `a position from ${offset}, have ${silent.positions}`,
      () => silent.positions.some((id) => id.startsWith(`${epoch}:`) && Number(id.split(":")[1]) >= offset),
      12_000,
    );
    assert.deepEqual(
      silent.all.map(({ name }) => name),
      ["welcome"],
    );
  });
});
