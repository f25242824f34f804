import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LogSender, levelOf } from "./log-sender.ts";

interface Stream {
  stream: Record<string, string>;
  values: [string, string][];
}

/** A fake Loki that keeps the pushed streams and answers with `answer.status`. */
async function fakeLoki(t: TestContext) {
  const pushes: Stream[][] = [];
  const answer = { status: 204 };
  const server = createServer(async (request, response) => {
    assert.equal(`${request.method} ${request.url}`, "POST /loki/api/v1/push");
    const { streams } = JSON.parse(await text(request)) as { streams: Stream[] };
    if (answer.status !== 503) pushes.push(streams);
    response.writeHead(answer.status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const lokiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { answer, pushes, sender: new LogSender({ lokiUrl, host: "gateway-1" }) };
}

const line = (severity: string, message: string) => JSON.stringify({ severity, message });

test("lines arrive complete and in order, with the labels of the log shipper", async (t) => {
  const { pushes, sender } = await fakeLoki(t);
  const [one, two, three] = [line("INFO", "one"), line("WARNING", "two"), line("INFO", "three")];
  sender.add(`${one}\n${two.slice(0, 5)}`);
  sender.add(`${two.slice(5)}\n\n${three}`);
  await sender.close();
  const labels = { host: "gateway-1", role: "gateway", container: "gateway" };
  const streams = pushes.flat();
  assert.deepEqual(
    streams.map(({ stream, values }) => [stream, values.map(([, text]) => text)]),
    [
      [{ ...labels, level: "info" }, [one, three]],
      [{ ...labels, level: "warning" }, [two]],
    ],
  );
  const times = streams.flatMap(({ values }) => values.map(([time]) => time));
  assert.equal(new Set(times).size, 3, "all records have different times");
  for (const time of times) assert.ok(Math.abs(Number(time) / 1e6 - Date.now()) < 60_000, time);
});

test("indented lines belong to the line before, even if they arrive in pieces before and after a push", {
  timeout: 10_000,
}, async (t) => {
  // The sender's clock is mocked, so that pushes happen at exact times.
  t.mock.timers.enable({ apis: ["setInterval", "Date"], now: Date.now() });
  const { pushes, sender } = await fakeLoki(t);
  const [one, two] = [line("INFO", "one"), line("INFO", "two")];
  const head = "[15:20:01.123] ERROR: failed";
  const rest = ["    err: {", '      "type": "Error"', "    }"].join("\n");
  t.mock.timers.tick(450);
  sender.add(`    without a head\n${one}\n${head}\n${rest.slice(0, 5)}`);
  t.mock.timers.tick(50); // pushes the complete records
  while (pushes.length < 1 && !t.signal.aborted) await sleep(5);
  sender.add(`${rest.slice(5)}\n`);
  t.mock.timers.tick(500); // pushes the record to which no more lines were added
  while (pushes.length < 2 && !t.signal.aborted) await sleep(5);
  sender.add(`${two}\n`);
  await sender.close();
  const sent = pushes.map((streams) =>
    streams.flatMap(({ stream, values }) => values.map(([, text]) => [stream.level, text])),
  );
  assert.deepEqual(sent, [
    [
      [undefined, "    without a head"],
      ["info", one],
    ],
    [["error", `${head}\n${rest}`]],
    [["info", two]],
  ]);
});

test("a record that is too long is cut into several records without loss", async (t) => {
  const { pushes, sender } = await fakeLoki(t);
  const more = ` ${"x".repeat(9_999)}`;
  sender.add(`head\n${`${more}\n`.repeat(20)}`);
  await sender.close();
  const texts = pushes.flat().flatMap(({ values }) => values.map(([, text]) => text));
  assert.ok(texts.length > 3 && texts.every((text) => text.length <= 60_000), `${texts.length} records`);
  assert.equal(texts.join("\n"), ["head", ...Array(20).fill(more)].join("\n"));
});

test("records are sent again after a temporary error, and dropped when Loki refuses them for good", async (t) => {
  const { answer, pushes, sender } = await fakeLoki(t);
  answer.status = 503;
  sender.add(`${line("INFO", "early")}\n`);
  await sleep(700); // longer than a period
  answer.status = 400;
  await sleep(700);
  assert.equal(pushes.length, 1);
  answer.status = 204;
  sender.add(`${line("INFO", "late")}\n`);
  await sender.close();
  assert.deepEqual(
    pushes.slice(1).flatMap((streams) => streams.flatMap(({ values }) => values.map(([, text]) => text))),
    [line("INFO", "late")],
  );
});

test("an unreachable Loki causes no error", async () => {
  const sender = new LogSender({ lokiUrl: "http://127.0.0.1:1", host: "gateway-1" });
  sender.add("a line\n");
  await sender.close();
});

test("the level is read from JSON lines and from pretty lines", () => {
  for (const [text, level] of [
    [line("ERROR", "x"), "error"],
    ['{"severity":"CRITICAL","time":"…"}', "critical"],
    ["[15:20:01.123] WARN: NATS connection lost", "warning"],
    ["[15:20:01.123] \u001b[32mINFO\u001b[39m: up", "info"],
    ["> odin-ws@0.1.0 start", undefined],
    ["    at Object.run (file.ts:1:1)", undefined],
    ['{"message":"severity is no field here"}', undefined],
  ] as const) {
    assert.equal(levelOf(text), level, text);
  }
});
