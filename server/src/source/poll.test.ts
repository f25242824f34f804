import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log.ts";
import { type PollOptions, pollSource } from "./poll.ts";
import type { Intake, SourceStatus } from "./source.ts";

type Answer = (response: ServerResponse, since: number) => void;

/** A backend with events and with failures. */
class Backend {
  readonly server = createServer((request, response) => this.#serve(request, response));
  events: { subject: string; ts: number; data: unknown }[] = [];
  inclusive = false;
  /** Replaces the correct answer. */
  answer: Answer | undefined;
  requests: { url: string; at: number; authorization: string | undefined }[] = [];
  connections = 0;
  open = 0;
  mostOpen = 0;

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Answers with the events since `since`. */
  readonly correct: Answer = (response, since) => {
    const start = this.inclusive ? since : since + 1;
    response.end(JSON.stringify(this.events.filter(({ ts }) => ts >= start)));
  };

  /** Difference of the backend's clock from this machine's, ms. */
  clock = 0;
  now(): number {
    return Date.now() + this.clock;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader("date", new Date(this.now()).toUTCString());
    const url = request.url ?? "";
    this.requests.push({ url, at: performance.now(), authorization: request.headers.authorization });
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    response.on("close", () => this.open--);
    (this.answer ?? this.correct)(response, Number(new URL(url, this.origin).searchParams.get("since")));
  }
}

async function backend(t: TestContext): Promise<Backend> {
  const started = new Backend();
  started.server.on("connection", () => started.connections++);
  started.server.listen(0, "127.0.0.1");
  await once(started.server, "listening");
  t.after(() => {
    started.server.closeAllConnections();
    started.server.close();
  });
  return started;
}

/** Polls `from` and records the messages. */
function read(t: TestContext, from: Backend, options: Partial<PollOptions> = {}) {
  const begun: [epoch: string, offset: number][] = [];
  const messages: { subject: string; ts: number; offset: number; body: string }[] = [];
  /** Changes of the status, each with the number of messages before it. */
  const changes: [change: Partial<SourceStatus>, messages: number][] = [];
  const lines: [level: string, fields: Record<string, unknown>, text: string][] = [];
  const at = (level: string) => (fields: object, text: string) =>
    void lines.push([level, fields as Record<string, unknown>, text]);
  const log = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  } as unknown as Log;
  const gate: { ready: Promise<void> | undefined } = { ready: undefined };
  const intake: Intake = {
    begin: (epoch, offset) => void begun.push([epoch, offset]),
    message: ({ body, subject, ts, offset }) => {
      assert.ok(begun.length > 0, "begin comes before the first message");
      messages.push({ subject, ts, offset, body: Buffer.from(body).toString() });
    },
    lastValues: () => assert.fail("a backend that is polled has no last values of its own"),
    lose: () => assert.fail("the source counts the offsets itself, so none is missing"),
    ready: () => gate.ready,
    status: (change) => void changes.push([change, messages.length]),
  };
  const controller = new AbortController();
  const source = pollSource({ url: `${from.origin}/events`, intervalMs: 10, log, ...options });
  const ended = source(intake, controller.signal);
  t.after(() => {
    controller.abort();
    return ended;
  });
  const bodies = () => messages.map(({ body }) => body);
  const states = () => changes.flatMap(([{ connected }]) => connected ?? []);
  return { begun, messages, changes, lines, gate, controller, ended, bodies, states };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !condition(); await sleep(2)) {
    if (Date.now() > deadline) assert.fail(`not within 20 s: ${what}`);
  }
}

const event = (data: unknown, ts = Date.now()) => ({ subject: "odin.token.BTC.trade", ts, data });

for (const inclusive of [false, true]) {
  test(`from a server that treats since as ${inclusive ? ">=" : ">"}, every event is read once, in order`, async (t) => {
    const from = await backend(t);
    from.inclusive = inclusive;
    const { messages, bodies, begun } = read(t, from);
    // Several events have the same millisecond, and some of them appear after the poll that returned the
    // others.
    for (let n = 0; n < 400; n++) {
      from.events.push(event(n));
      if (n % 7 === 0) await sleep(1);
    }
    await until("all events", () => messages.length >= 400);
    const polls = from.requests.length;
    await until("many polls more", () => from.requests.length >= polls + 20);
    assert.deepEqual(
      bodies(),
      from.events.map(({ data }) => String(data)),
    );
    assert.deepEqual(
      messages.map(({ offset }) => offset),
      from.events.map((_, index) => index + 1),
    );
    const { subject, ts } = from.events[0] ?? event(0);
    assert.deepEqual(messages[0], { subject, ts, offset: 1, body: "0" });
    assert.deepEqual([begun.length, begun[0]?.[1]], [1, 0]);
    assert.equal(from.mostOpen, 1);
    assert.ok(from.connections <= 3, `${from.requests.length} polls over ${from.connections} connections`);
  });
}

test("starts with the last 30 s, and is warm when they have been delivered", async (t) => {
  const from = await backend(t);
  const now = Date.now();
  from.events = [event("old", now - 40_000), event("new", now - 1000), event("middle", now - 20_000)];
  const url = `${from.origin}/a%20b/events?key=x%20y&flag`;
  const { bodies, changes } = read(t, from, { url });
  await until("warm", () => changes.some(([change]) => change.warm));
  assert.deepEqual(bodies(), ['"middle"', '"new"']);
  assert.deepEqual(changes.flat(), [{ connected: true, lag: 0 }, 0, { warm: true }, 2]);
  await until("polls", () => from.requests.length >= 3);
  const asked = from.requests.map(
    ({ url }) => /^\/a%20b\/events\?key=x%20y&flag&since=(\d+)$/.exec(url)?.[1],
  );
  assert.ok(Math.abs(Number(asked[0]) - (now - 30_000)) < 5000, `${asked[0]} is 30 s ago`);
  assert.deepEqual(asked.slice(1, 3), [String(now - 1001), String(now - 1001)]);
  assert.equal(changes.length, 2);
});

test("each start has its own epoch, and credentials are sent in a header", async (t) => {
  const from = await backend(t);
  const url = `${from.origin.replace("//", "//us%40er:se:cret@")}/`;
  const [one, other] = [read(t, from, { url }), read(t, from, { url })];
  await until("both began", () => one.begun.length > 0 && other.begun.length > 0);
  assert.notEqual(one.begun[0]?.[0], other.begun[0]?.[0]);
  assert.equal(from.requests[0]?.authorization, `Basic ${Buffer.from("us@er:se:cret").toString("base64")}`);
  assert.doesNotMatch(JSON.stringify(one.lines), /cret/);
});

test("a slow server gets the next request only after its answer", async (t) => {
  const from = await backend(t);
  from.answer = (response, since) => void setTimeout(() => from.correct(response, since), 50);
  read(t, from);
  await until("five polls", () => from.requests.length >= 5);
  assert.equal(from.mostOpen, 1);
});

test("invalid entries are skipped, counted and logged once; the others are read, with numbers as written", async (t) => {
  const from = await backend(t);
  const ts = Date.now();
  from.answer = (response) =>
    void response.end(
      `[null, {"subject":"s","ts":${ts},"data":{"p":1.10}}, {"subject":"s","ts":"x","data":1}]`,
    );
  const { messages, lines, states } = read(t, from);
  await until("three polls", () => from.requests.length >= 3 && messages.length > 0);
  assert.deepEqual(messages, [{ subject: "s", ts, offset: 1, body: '{"p":1.10}' }]);
  const warnings = lines.filter(([level]) => level === "warn");
  assert.equal(warnings.length, 1);
  assert.match(String(warnings[0]?.[1].mistake), /entry 0: not an object but null/);
  assert.deepEqual(states(), [true]);
});

const FAULTS: Record<string, [answer: Answer, message: RegExp]> = {
  "status 503": [(response) => response.writeHead(503).end("[]"), /status 503, not 200/],
  "no array": [(response) => response.end('{"error":"x"}'), /not an array but {"error":"x"}/],
  "no JSON": [(response) => response.end("<html>"), /not valid JSON/],
  "too much": [(response) => response.end(`["${"x".repeat(5000)}"]`), /more than 4096 bytes/],
  "endless body": [(response) => response.write("["), /not within 400 ms/],
  "no answer": [() => {}, /not within 400 ms/],
  "cut connection": [(response) => response.destroy(), /fetch failed \(.+\)/],
};

for (const [name, [answer, message]] of Object.entries(FAULTS)) {
  test(`${name}: the source disconnects, logs once, retries and connects again`, async (t) => {
    const from = await backend(t);
    const limits = { timeoutMs: 400, maxBytes: 4096, maxBackoffMs: 40 };
    const { bodies, lines, states } = read(t, from, limits);
    from.events = [event("before")];
    await until("a message", () => bodies().length === 1);
    from.answer = answer;
    await until("disconnected", () => states().length === 2);
    const polls = from.requests.length;
    await until("more requests", () => from.requests.length >= polls + 2);
    const errors = () => lines.filter(([level]) => level === "error");
    assert.equal(errors().length, 1);
    assert.match(errors()[0]?.[2] ?? "", message);
    from.events.push(event("after"));
    from.answer = undefined;
    await until("the next message", () => bodies().length === 2);
    assert.deepEqual(bodies(), ['"before"', '"after"']);
    assert.deepEqual(states(), [true, false, true]);
  });
}

test("pauses grow after failures, up to a limit", async (t) => {
  const from = await backend(t);
  from.answer = FAULTS["status 503"]?.[0];
  read(t, from, { intervalMs: 10, maxBackoffMs: 160 });
  await until("ten polls", () => from.requests.length >= 10);
  const after = (polls: number) => (from.requests[polls - 1]?.at ?? 0) - (from.requests[0]?.at ?? 0);
  // The pauses are 20, 40, 80, 160, 160, … ms, minus up to a quarter. Without growth they would be 10 ms
  // each, without a limit 10 s in total.
  assert.ok(after(6) > 200, `six polls took ${after(6)} ms`);
  assert.ok(after(10) < 5000, `ten polls took ${after(10)} ms`);
});

test("after a few answers that are too large, nothing is lost", async (t) => {
  const from = await backend(t);
  const { bodies, begun } = read(t, from, { maxBytes: 4096, maxBackoffMs: 10 });
  await until("a poll", () => from.requests.length > 0);
  let accidents = 2;
  from.answer = (response, since) => {
    if (accidents-- > 0) response.end(" ".repeat(9000));
    else from.correct(response, since);
  };
  from.events = [event("kept", Date.now() - 20_000)];
  await until("the message", () => bodies().length === 1);
  assert.equal(begun.length, 1);
});

test("events that never fit into one answer are skipped, and a new stream begins", async (t) => {
  const from = await backend(t);
  const { bodies, begun, messages } = read(t, from, { maxBytes: 8192, maxBackoffMs: 10 });
  from.events = [event("before")];
  await until("a message", () => bodies().length === 1);
  const ts = Date.now();
  from.answer = (response, since) =>
    since < ts + 100 ? void response.end(" ".repeat(9000)) : from.correct(response, since);
  await until("another stream", () => begun.length === 2);
  from.events.push(event("after", Date.now() + 50));
  await until("the next message", () => bodies().length === 2);
  assert.notEqual(begun[1]?.[0], begun[0]?.[0]);
  assert.deepEqual([messages[1]?.body, messages[1]?.offset], ['"after"', 1]);
});

test("waits until the next message is wanted", async (t) => {
  const from = await backend(t);
  from.events = [event(1), event(2)];
  const { gate, bodies, changes, begun } = read(t, from);
  const { promise, resolve } = Promise.withResolvers<void>();
  gate.ready = promise;
  await until("it waits", () => changes.some(([{ lag }]) => lag === 2));
  const polls = from.requests.length;
  await sleep(50); // five intervals
  assert.deepEqual([bodies(), begun.length, from.requests.length], [[], 1, polls]);
  gate.ready = undefined;
  resolve();
  await until("both", () => bodies().length === 2);
  await until("warm", () => changes.some(([change]) => change.warm));
  assert.deepEqual(
    changes.map(([change]) => change),
    [{ connected: true, lag: 0 }, { lag: 2 }, { lag: 0 }, { warm: true }],
  );
});

for (const where of ["request", "pause", "backoff", "wait for the intake"] as const) {
  test(`the signal ends the source at once during a ${where}`, async (t) => {
    const from = await backend(t);
    from.events = [event(1)];
    if (where === "request") from.answer = () => {};
    if (where === "backoff") from.answer = FAULTS["status 503"]?.[0];
    const { gate, controller, ended, changes, lines, bodies } = read(t, from, { intervalMs: 60_000 });
    if (where === "wait for the intake") gate.ready = new Promise(() => {});
    if (where === "request") await until("a request", () => from.open === 1);
    else
      await until("a change after which it waits", () =>
        changes.some(([c]) => "warm" in c || c.lag === 1 || c.connected === false),
      );
    const logged = lines.length;
    const before = performance.now();
    controller.abort();
    await ended;
    assert.ok(performance.now() - before < 1000);
    await until("the end of the request", () => from.open === 0);
    assert.equal(lines.length, logged, "a requested end is not logged as a failure");
    if (where !== "pause") assert.deepEqual(bodies(), []);
  });
}

test("after each new epoch the history counts as warm again", async (t) => {
  const from = await backend(t);
  const { begun, changes, bodies } = read(t, from, { maxBytes: 1000, maxBackoffMs: 20 });
  await until("the first answer", () => changes.some(([{ warm }]) => warm));
  from.answer = (response) => response.end(JSON.stringify([event("x".repeat(2000))]));
  await until("failures", () => from.requests.length > 6);
  from.answer = undefined;
  await until("a new epoch", () => begun.length === 2);
  from.events.push(event("after"));
  await until("the event", () => bodies().includes('"after"'));
  assert.equal(changes.findLast(([{ warm }]) => warm !== undefined)?.[0].warm, true);
  const last = changes.findLastIndex(([{ warm }]) => warm);
  const answered = changes.findLastIndex(([{ connected }]) => connected);
  assert.ok(last > answered, "warm is reported behind the answer that began the epoch");
});

for (const [what, hours] of [
  ["an hour ahead", 1],
  ["an hour behind", -1],
] as const) {
  test(`from a backend whose clock is ${what}, the last 30 s and all new events come once`, async (t) => {
    const from = await backend(t);
    from.clock = hours * 3_600_000;
    from.events.push(event("too old", from.now() - 60_000), event("recent", from.now() - 5_000));
    const { bodies, begun, changes } = read(t, from);
    await until("warm", () => changes.some(([{ warm }]) => warm));
    for (let n = 0; n < 20; n++) {
      from.events.push(event(n, from.now()));
      await until("the event", () => bodies().includes(String(n)));
    }
    assert.deepEqual(bodies(), ['"recent"', ...Array.from({ length: 20 }, (_, n) => String(n))]);
    assert.equal(begun.length, 1);
    // The requests follow the backend's clock, so that answers stay short.
    await until("a request about the last seconds", () => {
      const since = Number(new URL(from.requests.at(-1)?.url ?? "", from.origin).searchParams.get("since"));
      return Math.abs(from.now() - since) < 5_000;
    });
  });
}

test("a backend's clock that is set back by an hour is followed, under a new epoch", async (t) => {
  const from = await backend(t);
  const { bodies, begun, lines } = read(t, from);
  from.events.push(event("before", from.now()));
  await until("the event", () => bodies().includes('"before"'));
  from.clock = -3_600_000;
  await until("a new epoch", () => begun.length === 2);
  for (let n = 0; n < 5; n++) {
    from.events.push(event(n, from.now()));
    await until("the event", () => bodies().includes(String(n)));
  }
  assert.ok(lines.some(([level, , text]) => level === "warn" && /set back/.test(text)));
  assert.equal(begun.length, 2);
});

test("a proxy whose clock is always behind changes nothing", async (t) => {
  const from = await backend(t);
  const { bodies, begun, changes } = read(t, from);
  from.clock = -20_000;
  await until("warm", () => changes.some(([{ warm }]) => warm));
  for (let n = 0; n < 5; n++) {
    from.events.push(event(n));
    await until("the event", () => bodies().includes(String(n)));
    const count = from.requests.length;
    await until("quiet polls", () => from.requests.length > count + 15);
  }
  assert.deepEqual([bodies().length, begun.length], [5, 1]);
});
