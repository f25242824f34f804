/** The sources other than JetStream: the simulator and polling. */

import { strict as assert } from "node:assert";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { eventually } from "../harness/wait.ts";

interface Item {
  subject: string;
  ts: number;
  data: unknown;
}

// A backend for polling. It answers with the items after `since`; a test sets `answer` to make it misbehave.
class Backend {
  readonly items: Item[] = [];
  readonly asked: number[] = [];
  answer: ((response: ServerResponse) => void) | undefined;
  #ts = Date.now();

  add(subject: string, data: unknown): Item {
    // Times rise strictly, because `since` would otherwise skip the second of two items with one time.
    this.#ts = Math.max(this.#ts + 1, Date.now());
    const item = { subject, ts: this.#ts, data };
    this.items.push(item);
    return item;
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { searchParams } = new URL(request.url ?? "/", "http://localhost");
    const since = Number(searchParams.get("since"));
    this.asked.push(since);
    if (this.answer) {
      this.answer(response);
      return;
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(this.items.filter(({ ts }) => ts > since)));
  };
}

async function serve(owner: Owner): Promise<{ backend: Backend; url: string }> {
  const backend = new Backend();
  const server = createServer(backend.handle);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { backend, url: `http://127.0.0.1:${port}/events` };
}

const poll = (url: string) => ({ env: { SOURCE: "poll", POLL_URL: url, POLL_INTERVAL_MS: "20" } });

describe("other sources", { concurrency: true }, () => {
  test("the simulator is the source when NATS_URL is not set", async (t) => {
    const gateway = await startGateway(t);
    const client = await connect(t, gateway);
    await client.subscribe(["*.*"]);
    await client.receive(100, 30_000);
    await client.until(
      "trending",
      () => client.envelopes.find(({ channel }) => channel === "global.trending"),
      15_000,
    );
    const { envelopes } = client;
    assert.ok(envelopes.some(({ type, channel }) => type === "price:update" && channel.endsWith(".trade")));
    for (const [index, { seq, offset }] of envelopes.entries()) {
      assert.equal(seq, index + 1);
      assert.equal(
        offset,
        (envelopes[0]?.offset ?? 0) + index,
        "offsets must have no gap, because the client subscribed to all channels",
      );
    }
    const trending = envelopes.find(({ channel }) => channel === "global.trending")?.data;
    assert.match(JSON.stringify(trending), /^[[{]/);
    // The simulator's history answers `since`, as JetStream's history does.
    const again = await connect(t, gateway);
    const ack = await again.subscribe(["*.*"], {
      epoch: again.welcome.epoch,
      offset: envelopes[9]?.offset ?? 0,
    });
    assert.equal(ack.recovered, true);
    assert.equal((await again.receive(1))[0]?.offset, envelopes[10]?.offset);
  });

  test("each process with a simulator has its own epoch", async (t) => {
    const [one, other] = [await startGateway(t), await startGateway(t, { env: { SOURCE: "simulator" } })];
    assert.notEqual((await one.stats()).epoch, (await other.stats()).epoch);
  });

  test("polling delivers each item once, in order and with the item's time", async (t) => {
    const { backend, url } = await serve(t);
    const gateway = await startGateway(t, poll(url));
    const client = await connect(t, gateway);
    await client.subscribe(["POLL.*", "global.trending"]);
    const items: Item[] = [];
    for (let n = 0; n < 50; n++) {
      items.push(backend.add(`odin.token.POLL.${n % 2 === 0 ? "trade" : "update"}`, { n, text: "é😀" }));
      if (n % 10 === 0) await client.receive(items.length);
    }
    items.push(backend.add("odin.global.trending", [1, 2, 3]));
    const got = await client.receive(items.length);
    assert.deepEqual(
      got.map(({ channel, ts, data }) => ({ channel, ts, data })),
      items.map(({ subject, ts, data }) => ({ channel: subject.replace(/^odin\.(token\.)?/, ""), ts, data })),
    );
    for (const [index, { seq }] of got.entries()) assert.equal(seq, index + 1);
    // The gateway keeps polling with later times, and no item arrives twice.
    const polls = backend.asked.length;
    await eventually("more polls", () => backend.asked.length > polls + 5);
    assert.ok((backend.asked.at(-1) ?? 0) > (items[0]?.ts ?? 0));
    assert.equal((await client.ask({ type: "heartbeat" }, "heartbeat_ack")).seq, items.length);
  });

  test("polling continues after every kind of failure of the backend", async (t) => {
    const { backend, url } = await serve(t);
    const gateway = await startGateway(t, poll(url));
    const client = await connect(t, gateway);
    await client.subscribe(["FAIL.trade"]);
    const failures: ((response: ServerResponse) => void)[] = [
      (response) => response.writeHead(500).end("[]"),
      (response) => response.end("not json"),
      (response) => response.end("{}"),
      (response) => response.end('[{"subject":1},null,7,{"subject":"odin.token.FAIL.trade"}]'),
      (response) => response.destroy(),
      (response) => response.writeHead(302, { location: "/loop" }).end(),
    ];
    let count = 0;
    for (const failure of failures) {
      const polls = backend.asked.length;
      backend.answer = failure;
      await eventually("polls that fail", () => backend.asked.length > polls + 1, 20_000);
      backend.answer = undefined;
      const item = backend.add("odin.token.FAIL.trade", { count });
      await client.until(
        "the next good answer",
        () => client.envelopes.find(({ ts }) => ts === item.ts),
        20_000,
      );
      count++;
    }
    await gateway.assertAlive();
    assert.equal(client.envelopes.length, count);
  });

  test("poll is healthy again after answers that were too large, and delivers", async (t) => {
    const { backend, url } = await serve(t);
    const gateway = await startGateway(t, poll(url));
    const { epoch } = await gateway.stats();
    const large = `[${" ".repeat(17 * 1024 * 1024)}]`;
    backend.answer = (response) => response.end(large);
    const polls = backend.asked.length;
    await eventually("polls that fail", () => backend.asked.length > polls + 4, 20_000);
    backend.answer = undefined;
    await eventually("another epoch", async () => (await gateway.stats()).epoch !== epoch, 20_000);
    await gateway.health(200);
    const client = await connect(t, gateway);
    await client.subscribe(["LARGE.trade"]);
    backend.add("odin.token.LARGE.trade", {});
    await client.receive(1);
  });

  test("a gateway that starts without its backend is alive but not healthy, and recovers when the backend starts", async (t) => {
    const port = await freePort();
    const gateway = await startGateway(t, { ...poll(`http://127.0.0.1:${port}/events`), until: "live" });
    const { body } = await gateway.health(503);
    assert.match(JSON.stringify(JSON.parse(body)), /source|poll|connect|warm/i);
    const backend = new Backend();
    const server = createServer(backend.handle);
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    await gateway.health(200, 20_000);
    const client = await connect(t, gateway);
    await client.subscribe(["LATE.trade"]);
    backend.add("odin.token.LATE.trade", {});
    await client.receive(1);
  });
});
