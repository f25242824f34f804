import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parseSubject } from "@odin-ws/protocol";
import { type SimulatorOptions, simulatorSource } from "./simulator.ts";
import type { Intake, SourceStatus } from "./source.ts";

function read(t: TestContext, options: SimulatorOptions) {
  const begun: [epoch: string, offset: number][] = [];
  const changes: Partial<SourceStatus>[] = [];
  const messages: { subject: string; ts: number; offset: number; data: unknown }[] = [];
  const gate: { ready: Promise<void> | undefined; asked: number } = { ready: undefined, asked: 0 };
  const intake: Intake = {
    begin: (epoch, offset) => void begun.push([epoch, offset]),
    message: ({ subject, ts, offset, body }) =>
      void messages.push({ subject, ts, offset, data: JSON.parse(Buffer.from(body).toString()) }),
    lastValues: () => assert.fail("a market that has just begun has no last values"),
    lose: () => assert.fail("nothing is lost"),
    ready: () => {
      gate.asked++;
      return gate.ready;
    },
    status: (change) => void changes.push(change),
  };
  const controller = new AbortController();
  const ended = simulatorSource(options)(intake, controller.signal);
  t.after(() => {
    controller.abort();
    return ended;
  });
  return { begun, changes, messages, gate, controller, ended };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition(); await sleep(5)) {
    if (Date.now() > deadline) assert.fail(`not within 10 s: ${what}`);
  }
}

test("runs a market from the start: trades and trending, each with the next offset", async (t) => {
  const { begun, changes, messages } = read(t, { rate: 500, tokens: 20, trendingSeconds: 0.1 });
  assert.deepEqual(changes, [{ connected: true, warm: true, lag: 0 }]);
  assert.equal(begun[0]?.[1], 0);
  const events = () => new Set(messages.map(({ subject }) => parseSubject(subject)?.event));
  await until(
    "trades and trending",
    () => events().has("trade") && events().has("trending") && messages.length > 50,
  );
  assert.ok(!events().has(undefined), "every subject is known");
  for (const [index, { offset, ts, data }] of messages.entries()) {
    assert.equal(offset, index + 1);
    assert.ok(Math.abs(Date.now() - ts) < 20_000);
    assert.ok(typeof data === "object" && data !== null);
  }
  assert.equal(begun.length, 1);
  assert.notEqual(read(t, { rate: 1 }).begun[0]?.[0], begun[0]?.[0], "each start has its own epoch");
});

test("drops events while no message is wanted, then continues with new events", async (t) => {
  const { messages, gate } = read(t, { rate: 500, tokens: 20 });
  await until("messages", () => messages.length > 5);
  const { promise, resolve } = Promise.withResolvers<void>();
  const asked = gate.asked;
  gate.ready = promise;
  await until("a question to the intake", () => gate.asked > asked);
  const [before, last] = [messages.length, gate.asked];
  await sleep(100); // time for about 50 events
  assert.deepEqual([messages.length, gate.asked], [before, last], "asks once and waits for the answer");
  gate.ready = undefined;
  const opened = Date.now();
  resolve();
  await until("messages again", () => messages.length > before + 5);
  const next = messages[before];
  assert.equal(next?.offset, before + 1);
  assert.ok(next.ts >= opened, "dropped events are not delivered later");
});

test("ends with its signal", async (t) => {
  const { messages, controller, ended } = read(t, { rate: 500, tokens: 20 });
  await until("a message", () => messages.length > 0);
  controller.abort();
  await ended;
  const count = messages.length;
  await sleep(50); // time for about 25 events
  assert.equal(messages.length, count);
  const late = read(t, { rate: 500 });
  late.controller.abort();
  await late.ended;
});
