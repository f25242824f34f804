import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Registry } from "prom-client";
import { steadyClock } from "../clock.ts";
import { type Config, readConfig } from "../config.ts";
import type { Message } from "../delivery/message.ts";
import { Admission, type Closure } from "../entrance/admission.ts";
import type { Log } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import { type Downstream, Hub } from "./hub.ts";
import type { Usage } from "./overload.ts";

class FakeDownstream implements Downstream {
  readonly events: unknown[] = [];
  closure: Closure | undefined;
  begin(epoch: string, offset: number): void {
    this.events.push(["begin", epoch, offset]);
  }
  message({ offset, channel }: Message, shed: boolean): void {
    this.events.push([shed ? "shed" : "message", offset, channel]);
  }
  dictionary(): void {}
  lastValues(messages: readonly Message[]): void {
    for (const { offset, channel } of messages) this.events.push(["last", offset, channel]);
  }
  skip(offset: number): void {
    this.events.push(["skip", offset]);
  }
  lose(offset: number): void {
    this.events.push(["lose", offset]);
  }
  revoke(): void {}
  setClosure(closure: Closure | undefined): void {
    this.closure = closure;
  }
  count(kind: string): number {
    return this.events.filter((event) => (event as unknown[])[0] === kind).length;
  }
}

function start(t: TestContext, env: NodeJS.ProcessEnv = {}) {
  t.mock.timers.enable({ apis: ["Date", "setInterval"], now: 1_000_000 });
  t.mock.method(steadyClock, "now", () => Date.now());
  const config: Config = readConfig({ AUTH_MODE: "none", NATS_URL: "nats://n", ...env });
  const registry = new Registry();
  t.after(() => registry.clear());
  const warnings: [object, string][] = [];
  const ignore = () => {};
  const warn = (fields: object, text: string) => void warnings.push([fields, text]);
  const log = { debug: ignore, info: ignore, warn, error: ignore } as unknown as Log;
  const downstream = new FakeDownstream();
  const admission = new Admission({
    maxConnections: config.WS_MAX_CONNECTIONS,
    maxPerUser: config.WS_MAX_CONNECTIONS_PER_USER,
    maxPerIpPerSecond: config.WS_MAX_CONNECTS_PER_IP_PER_SECOND,
  });
  const metrics = createMetrics(registry);
  const hub = new Hub({ config, admission, downstream, metrics, log, now: Date.now });
  let offset = 0;
  const send = (subject: string, body: string | Uint8Array = "{}", priority?: string) =>
    hub.message({ subject, offset: ++offset, ts: Date.now(), body: Buffer.from(body), priority });
  const value = async (line: string) =>
    Number(
      (await registry.metrics())
        .split("\n")
        .find((one) => one.startsWith(`${line} `))
        ?.slice(line.length + 1),
    );
  const tick = (ms: number) => t.mock.timers.tick(ms);
  return { hub, admission, downstream, send, warnings, value, tick };
}

test("passes the stream's messages on in order", (t) => {
  const { hub, downstream, send } = start(t);
  hub.begin("e", 0);
  const old = { subject: "odin.token.BTC.trade", offset: 1, ts: 0, body: Buffer.from("{}") };
  hub.lastValues([{ ...old, body: Buffer.from("{") }, { ...old, subject: "other" }, old]);
  send("odin.token.BTC.trade");
  send("odin.global.trending");
  hub.status({ connected: true, warm: true });
  hub.lose(9);
  assert.deepEqual(downstream.events, [
    ["begin", "e", 0],
    ["last", 1, "BTC.trade"],
    ["message", 1, "BTC.trade"],
    ["message", 2, "global.trending"],
    ["lose", 9],
  ]);
  assert.deepEqual(
    [hub.stats.epoch, hub.stats.offset, hub.stats.messages_in, hub.stats.dropped],
    ["e", 9, 2, 7],
  );
});

test("a payload that is not JSON in UTF-8 is counted, logged once a minute and never delivered", async (t) => {
  const { hub, downstream, send, warnings, value, tick } = start(t);
  hub.begin("e", 0);
  const bad = [
    "",
    "{",
    "undefined",
    "{'a':1}",
    "\ufeff{}",
    Buffer.from([0x22, 0xff, 0x22]),
    Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
  ];
  for (const body of bad) send("odin.token.BTC.trade", body);
  assert.equal(downstream.count("message"), 0);
  assert.equal(downstream.count("skip"), bad.length);
  assert.equal(warnings.length, 1);
  tick(60_000);
  send("odin.token.BTC.trade", "{");
  assert.equal(warnings.length, 2);
  assert.deepEqual(warnings[1]?.[0], { subject: "odin.token.BTC.trade", count: bad.length });
  assert.equal(hub.stats.dropped, bad.length + 1);
  assert.equal(
    await value('ws_messages_dropped_total{reason="invalid_json",priority="medium"}'),
    bad.length + 1,
  );
  for (const body of ["null", "1", '"x"', " [1] "]) send("odin.token.BTC.trade", body);
  assert.equal(downstream.count("message"), 4);
});

test("an unknown subject is skipped and counted", async (t) => {
  const { hub, downstream, send, value } = start(t);
  hub.begin("e", 0);
  send("odin.token.BTC");
  send("odin.token.BTC.trade");
  assert.deepEqual(downstream.events.slice(1), [
    ["skip", 1],
    ["message", 2, "BTC.trade"],
  ]);
  assert.equal(await value('ws_messages_dropped_total{reason="invalid_subject",priority="medium"}'), 1);
});

test("unknown events pass and share one label in the metrics", async (t) => {
  const { hub, downstream, send, value } = start(t);
  hub.begin("e", 0);
  send("odin.token.BTC.trade");
  for (let i = 0; i < 20; i++) send(`odin.token.BTC.made_up_${i}`);
  assert.equal(downstream.count("message"), 21);
  assert.equal(await value('ws_stream_messages_total{event="trade"}'), 1);
  assert.equal(await value('ws_stream_messages_total{event="other"}'), 20);
});

test("messages are counted by token, each once, and those that are not delivered are not counted", async (t) => {
  const { hub, send, value } = start(t);
  hub.begin("e", 0);
  for (const event of ["trade", "trade", "update", "made_up"]) send(`odin.token.BTC.${event}`);
  send("odin.token.ETH.trade");
  send("odin.token.ETH.trade", "{");
  send("odin.global.trending");
  assert.equal(await value('ws_busiest_token_messages{token="BTC"}'), 4);
  assert.equal(await value('ws_busiest_token_messages{token="ETH"}'), 1);
  assert.ok(Number.isNaN(await value('ws_busiest_token_messages{token="global"}')));
});

test("above the broadcast rate the lowest priority is shed, but not while the history is warmed", (t) => {
  const { hub, downstream, send } = start(t, { WS_MAX_BROADCAST_RATE: "10" });
  hub.begin("e", 0);
  for (let i = 0; i < 50; i++) send("odin.token.BTC.metadata");
  assert.equal(downstream.count("shed"), 0);
  hub.status({ connected: true, warm: true });
  downstream.events.length = 0;
  for (let i = 0; i < 20; i++) send("odin.token.BTC.metadata");
  const low = downstream.count("message");
  assert.ok(low >= 4 && low <= 6, `${low} low messages of a burst of 10`);
  for (let i = 0; i < 20; i++) send("odin.token.BTC.trade");
  assert.equal(downstream.count("message"), 10);
  for (let i = 0; i < 20; i++) send("odin.token.BTC.balances");
  assert.equal(downstream.count("message"), 30, "critical messages always pass");
  assert.equal(downstream.count("shed"), 30);
});

test("rate 0 sheds and slows nothing", (t) => {
  const { hub, downstream, send } = start(t, { WS_MAX_BROADCAST_RATE: "0", WS_MAX_NATS_RATE: "0" });
  hub.begin("e", 0);
  hub.status({ connected: true, warm: true });
  for (let i = 0; i < 5000; i++) {
    send("odin.token.BTC.metadata");
    assert.equal(hub.ready(), undefined);
  }
  assert.equal(downstream.count("shed"), 0);
});

test("the read rate slows the reading, and no message is lost", async (t) => {
  const { hub, downstream, send, tick } = start(t, { WS_MAX_NATS_RATE: "100", WS_MAX_BROADCAST_RATE: "0" });
  hub.begin("e", 0);
  hub.status({ connected: true, warm: true });
  const startedAt = Date.now();
  for (let i = 0; i < 300; i++) {
    send("odin.token.BTC.trade");
    const wanted = hub.ready();
    if (wanted === undefined) continue;
    let free = false;
    void wanted.then(() => {
      free = true;
    });
    while (!free) {
      tick(10);
      await Promise.resolve();
      await Promise.resolve();
    }
  }
  const seconds = (Date.now() - startedAt) / 1000;
  assert.equal(downstream.count("message"), 300);
  assert.ok(seconds > 2.5 && seconds < 3.5, `300 messages took ${seconds} s`);
});

/**
 * Takes a sample each second of one process that uses this many cores of 1.9. Returns its CPU microseconds.
 */
function busy(
  hub: Hub,
  tick: (ms: number) => void,
  cores: number,
  seconds: number,
  from = 0,
  rssBytes = 1,
): number {
  for (let i = 1; i <= seconds; i++) {
    tick(1000);
    hub.sample(new Map<number, Usage>([[1, { cpuMicros: from + cores * i * 1e6, rssBytes }]]));
  }
  return from + cores * seconds * 1e6;
}

test("CPU, memory and drain start a closure, here and downstream; CPU and memory end it again", (t) => {
  const { hub, admission, downstream, tick } = start(t, { WS_MEMORY_LIMIT: "100000000" });
  hub.status({ connected: true, warm: true });
  assert.deepEqual(hub.unhealthy, []);
  let used = busy(hub, tick, 1.9, 20);
  assert.deepEqual([hub.unhealthy, downstream.closure, admission.closure], [["cpu"], "cpu", "cpu"]);
  used = busy(hub, tick, 0.1, 30, used);
  assert.deepEqual([hub.unhealthy, downstream.closure], [[], undefined]);
  used = busy(hub, tick, 0.1, 1, used, 95_000_000);
  assert.deepEqual([hub.unhealthy, downstream.closure], [["memory"], "memory"]);
  busy(hub, tick, 0.1, 1, used, 50_000_000);
  assert.deepEqual([hub.unhealthy, downstream.closure], [[], undefined]);
  hub.startDraining();
  assert.deepEqual([hub.unhealthy, downstream.closure, hub.stats.draining], [["draining"], "draining", true]);
});

test("reading pauses while the CPU is above the pause threshold, for a limited time", async (t) => {
  const { hub, tick } = start(t, { WS_MAX_NATS_RATE: "0" });
  hub.status({ connected: true, warm: true });
  let used = busy(hub, tick, 1.9, 8);
  while (hub.ready() === undefined) used = busy(hub, tick, 1.9, 1, used);
  let free = false;
  void hub.ready()?.then(() => {
    free = true;
  });
  let waited = 0;
  for (; !free && waited < 60; waited++) {
    used = busy(hub, tick, 1.9, 1, used);
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.ok(waited >= 3 && waited <= 8, `${waited} s`);
});

test("a full gateway fails its health check but sends no closure downstream", (t) => {
  const { hub, admission, downstream, tick } = start(t, { WS_MAX_CONNECTIONS: "2" });
  hub.status({ connected: true, warm: true });
  for (const ip of ["a", "b"]) admission.take({ user: undefined, ip }, 1);
  busy(hub, tick, 0.1, 1);
  assert.deepEqual([hub.unhealthy, downstream.closure], [["connections"], undefined]);
});

test("new clients are refused until the history is warm, also after another stream has begun", (t) => {
  const { hub, admission, downstream } = start(t);
  const closures = () => [downstream.closure, admission.closure];
  assert.deepEqual(closures(), ["history", "history"]);
  hub.begin("e", 0);
  hub.status({ connected: true });
  assert.deepEqual(closures(), ["history", "history"]);
  hub.status({ warm: true });
  assert.deepEqual(closures(), [undefined, undefined]);
  hub.status({ connected: false });
  assert.deepEqual(closures(), [undefined, undefined], "clients can resume from the history");
  hub.begin("another", 0);
  assert.deepEqual(closures(), ["history", "history"]);
});

test("holes of the stream count as losses only behind the warm history, and are logged once a minute", (t) => {
  const { hub, downstream, warnings, tick } = start(t);
  hub.begin("e", 0);
  hub.lose(5);
  assert.deepEqual([hub.stats.dropped, warnings.length], [0, 0]);
  hub.status({ connected: true, warm: true });
  for (let offset = 7; offset < 107; offset += 2) hub.lose(offset);
  assert.deepEqual([hub.stats.dropped, warnings.length], [100, 1]);
  tick(60_000);
  hub.lose(107);
  assert.deepEqual(warnings[1]?.[0], { offset: 107, count: 100, times: 50 });
  assert.equal(downstream.count("lose"), 52);
});

test("health: fails until the history is warm, and later when NATS is lost for 10 s", (t) => {
  const { hub, tick } = start(t);
  assert.deepEqual(hub.unhealthy, ["nats_not_connected"]);
  hub.begin("e", 0);
  hub.status({ connected: true });
  assert.deepEqual(hub.unhealthy, ["history_not_warm"]);
  hub.status({ warm: true });
  assert.deepEqual(hub.unhealthy, []);
  hub.status({ connected: false });
  tick(6000);
  hub.status({ connected: false, lag: 5 });
  tick(4000);
  assert.deepEqual(hub.unhealthy, []);
  tick(1);
  assert.deepEqual(hub.unhealthy, ["nats_lost"]);
  hub.status({ connected: true });
  assert.deepEqual(hub.unhealthy, []);
  hub.begin("another", 0);
  assert.deepEqual(hub.unhealthy, ["history_not_warm"]);
});

test("health reports that NATS refused the login, at the start and later", (t) => {
  const { hub, tick } = start(t);
  hub.status({ refused: true });
  assert.deepEqual(hub.unhealthy, ["nats_not_authorized"]);
  hub.begin("e", 0);
  hub.status({ connected: true, refused: false, warm: true });
  assert.deepEqual(hub.unhealthy, []);
  hub.status({ connected: false, refused: true });
  tick(10_001);
  assert.deepEqual(hub.unhealthy, ["nats_not_authorized"]);
  hub.status({ refused: false });
  assert.deepEqual(hub.unhealthy, ["nats_lost"]);
});
