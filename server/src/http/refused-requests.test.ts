/** What the log says about requests over HTTP that are refused, and about clients that poll no longer. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { serveHttp } from "./http-server.fixture.ts";

/** What all lines about the client have in common. */
const ANN = { user: "ann", address: "203.0.113.0" };

test("a client that has not polled for 90 s ends, with what it got", async (t) => {
  const { world, http, address, lines } = await serveHttp(t);
  const first = (await (await fetch(`${address}/poll?channels=BTC.trade`)).json()) as { offset: number };
  world.publish("BTC.trade");
  world.pass(1);
  const answer = await fetch(`${address}/poll?channels=BTC.trade&since=e:${first.offset}`);
  const { length } = await answer.arrayBuffer().then((body) => new Uint8Array(body));
  assert.ok(length > 100);
  const etag = answer.headers.get("etag") ?? "";
  const again = await fetch(`${address}/poll?channels=BTC.trade&since=e:${first.offset}`, {
    headers: { "if-none-match": etag },
  });
  assert.equal(again.status, 304);
  world.pass(89);
  http.tick(world.second);
  assert.deepEqual(
    lines.map(({ text }) => text),
    ["connection opened"],
  );
  world.pass(1);
  http.tick(world.second);
  const { connection, bytes, last_poll, ...closed } = lines.at(-1) ?? {};
  assert.deepEqual(closed, {
    ...{ ...ANN, transport: "poll", code: undefined, reason: "no poll for 90 s", by: "client" },
    ...{ seconds: 1, polls: 3, refused: 0, channels: 1, deliveries: 1, last_answer: "304" },
    text: "connection closed",
  });
  assert.equal(connection, lines[0]?.connection);
  assert.ok((bytes as number) > length, "both answers, and nothing for the 304");
  assert.equal(last_poll, new Date(world.second * 1000 - 90_000).toISOString());
});

test("polls that are too many have one line, with the time of the client's end", async (t) => {
  const { world, http, address, lines } = await serveHttp(t);
  const poll = async () => {
    const answer = await fetch(`${address}/poll?channels=BTC.trade`);
    await answer.arrayBuffer();
    return [answer.status, answer.headers.get("retry-after")];
  };
  assert.deepEqual(await poll(), [200, null]);
  world.context.replayBudget.charge("user ann", 60_000, 0, world.second * 1000);
  assert.deepEqual(await Promise.all([poll(), poll()]), [
    [429, "4"],
    [429, "4"],
  ]);
  const [opened, refused, ...more] = lines;
  assert.deepEqual([opened?.text, more], ["connection opened", []]);
  const { detail, ...line } = refused ?? {};
  const refusal = { ...ANN, transport: "poll", reason: "rate_limited", text: "connection refused" };
  assert.deepEqual(line, refusal);
  assert.match(String(detail), /too many polls/);
  world.pass(90);
  http.tick(world.second);
  assert.deepEqual([lines.at(-1)?.last_answer, lines.at(-1)?.refused], ["429 rate_limited", 2]);
});

test("a stream that is refused has a line, and gives its seat back", async (t) => {
  const { address, lines } = await serveHttp(t);
  const answer = await fetch(`${address}/events?channels=a.b.c`);
  assert.equal(answer.status, 400);
  const { detail, ...line } = lines[0] ?? {};
  assert.deepEqual(line, {
    ...ANN,
    transport: "events",
    reason: "invalid_channel",
    text: "connection refused",
  });
  assert.match(String(detail), /a\.b\.c is not a channel/);
});
