import assert from "node:assert/strict";
import { test } from "node:test";
import { Message } from "../delivery/message.ts";
import { type QueuedWriter, Writes, type WritesOptions } from "./writes.ts";

const message = (ts: number): Message => {
  const body = Buffer.from("{}");
  return Message.from({ subject: "odin.token.A.trade", offset: 1, ts, body }) as Message;
};

/** Records what is observed. The end of the turn and of the delay is called by the test. */
function setUp(delayMs = 0, now = () => 0) {
  const latencies: [seconds: number, deliveries: number][] = [];
  const durations: number[] = [];
  let counted = 0;
  const pending: Record<"turn" | "delay", (() => void)[]> = { turn: [], delay: [] };
  const waits: number[] = [];
  const metrics = {
    messageLatency: { observe: (seconds: number, weight: number) => latencies.push([seconds, weight]) },
    broadcastDuration: { observe: (seconds: number) => durations.push(seconds) },
    writes: { inc: (by: number) => (counted += by) },
  } as unknown as WritesOptions["metrics"];
  const writes = new Writes({
    metrics,
    sendBufferBytes: 1e6,
    delayMs,
    atTurnEnd: (flush) => pending.turn.push(flush),
    after: (flush, ms) => {
      waits.push(ms);
      pending.delay.push(flush);
    },
    now,
  });
  const end = (what: "turn" | "delay") => {
    for (const flush of pending[what].splice(0)) flush();
  };
  return { writes, latencies, durations, pending, waits, end, counted: () => counted };
}

const writer = (writes: Writes, log: string[], messages: Message[] = []): QueuedWriter => ({
  writeQueued(queue) {
    log.push(queue);
    for (const one of messages) writes.delivered(one);
    writes.wrote();
  },
});

test("one callback ends a turn for all writers, and one ends the delay", () => {
  const { writes, pending, end } = setUp(10);
  const log: string[] = [];
  for (let i = 0; i < 3; i++) writes.queueSoon(writer(writes, log));
  for (let i = 0; i < 2; i++) writes.queueLater(writer(writes, log));
  assert.deepEqual([pending.turn.length, pending.delay.length], [1, 1]);
  end("turn");
  assert.deepEqual(log, ["soon", "soon", "soon"]);
  end("delay");
  assert.deepEqual(log.slice(3), ["later", "later"]);
  writes.queueSoon(writer(writes, log));
  assert.equal(pending.turn.length, 1);
});

test("after writes that take long, messages wait for a pause; after short ones they do not", () => {
  let now = 0;
  const { writes, pending, waits, end } = setUp(0, () => now);
  const send = (writingMs: number) => writes.queueLater({ writeQueued: () => (now += writingMs) });
  send(0.3);
  assert.equal(pending.turn.length, 1, "the first message leaves at the end of its turn");
  end("turn");
  send(0.5);
  assert.equal(pending.turn.length, 1, "0.3 ms of writing are not worth a pause");
  end("turn");
  send(0);
  assert.deepEqual([pending.turn.length, waits], [0, [2]], "1.5 ms after 0.5 ms of writing");
  writes.queueSoon({ writeQueued: () => {} });
  assert.equal(pending.turn.length, 1, "what is urgent leaves in its turn");
  end("turn");
  now += 1.5;
  end("delay");
  send(50);
  end("turn");
  send(0);
  assert.deepEqual(waits, [2, 2], "a pause is 2 ms at most");
  now += 2;
  end("delay");
  send(50);
  end("turn");
  writes.queueSoon({ writeQueued: () => {} });
  end("turn");
  send(0);
  assert.deepEqual(waits, [2, 2, 2], "an answer in between does not end the pause");
  now += 2;
  end("delay");
  send(0);
  assert.equal(pending.turn.length, 1, "the pause is over");
});

test("a writer that is queued while others write gets the next turn", () => {
  const { writes, pending, end } = setUp();
  const log: string[] = [];
  writes.queueSoon({ writeQueued: () => writes.queueSoon(writer(writes, log)) });
  end("turn");
  assert.deepEqual([log.length, pending.turn.length], [0, 1]);
  end("turn");
  assert.deepEqual(log, ["soon"]);
});

test("counts writes, and the latency of every delivery when it is written", (t) => {
  const { writes, latencies, durations, end, counted } = setUp();
  let now = 1000;
  t.mock.method(Date, "now", () => (now += 10));
  const [one, two] = [message(0), message(500)];
  writes.published(0.25);
  writes.published(0.5);
  for (let i = 0; i < 100; i++) writes.queueSoon(writer(writes, [], i === 99 ? [one] : [one, two]));
  assert.deepEqual(latencies, [], "nothing was written yet");
  end("turn");
  // The clock is read after 64 writes and at the end.
  assert.deepEqual(latencies, [
    [1.01, 64],
    [0.51, 64],
    [1.02, 36],
    [0.52, 35],
  ]);
  assert.equal(counted(), 100);
  assert.equal(durations.length, 2, "one for each message");
  assert.ok(durations.every((seconds) => seconds >= 0.75));
});
