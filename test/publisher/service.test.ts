/** The publisher as a service: its HTTP port, its rate, and what happens while NATS is away. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Answer, get } from "../harness/http.ts";
import { Metrics } from "../harness/metrics.ts";
import { type Nats, STREAM, startNats, withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually, LATER_SIGNAL_MS, pause, within } from "../harness/wait.ts";

const MAIN = fileURLToPath(new URL("../../publisher/src/programs/service.ts", import.meta.url));
const START_MS = 30_000; // 30 s

interface Stats {
  rate: number;
  temporary: { seconds_left: number; rate_after: number } | null;
  published: number;
  stored: number;
  waiting: number;
  seconds: number;
  connected: boolean;
}

class Service {
  readonly process: ProcessGroup;
  readonly #url: string;

  constructor(port: number, env: Record<string, string>) {
    this.#url = `http://127.0.0.1:${port}`;
    const all = { PATH: process.env.PATH ?? "", PUBLISHER_PORT: String(port), ...env };
    this.process = new ProcessGroup(process.execPath, [MAIN], all);
  }

  ask(path: string, method = "GET"): Promise<Answer> {
    return get(this.#url + path, { method });
  }

  async stats(): Promise<Stats> {
    return JSON.parse((await this.ask("/stats")).body) as Stats;
  }

  async metrics(): Promise<Metrics> {
    const { status, headers, body } = await this.ask("/metrics");
    assert.equal(status, 200, body);
    assert.match(headers["content-type"] ?? "", /^text\/plain; version=0\.0\.4/);
    return new Metrics(body);
  }

  /** Sends this body to `/rate`: a string unchanged, any other value as JSON. */
  async setRate(
    body: unknown,
    method = "PUT",
  ): Promise<{ status: number; body: Stats & { error?: string } }> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(`${this.#url}/rate`, { method, body: text });
    return { status: response.status, body: (await response.json()) as Stats & { error?: string } };
  }

  /** Waits until `/health` answers with this status and returns the reasons. */
  async health(status: 200 | 503): Promise<string[]> {
    const { body } = await eventually(
      () => `/health ${status}:\n${this.process.tail()}`,
      async () => {
        if (this.process.exit !== undefined) throw new Error("the service has ended");
        const answer = await this.ask("/health");
        return answer.status === status && answer;
      },
      START_MS,
    );
    return (JSON.parse(body) as { reasons: string[] }).reasons;
  }

  /** Measures the published events per second, over `ms` milliseconds. */
  async measured(ms = 2000): Promise<number> {
    const [before, start] = [await this.stats(), performance.now()];
    await pause(ms);
    const after = await this.stats();
    return ((after.published - before.published) * 1000) / (performance.now() - start);
  }
}

async function startService(t: Owner, env: Record<string, string>): Promise<Service> {
  const service = new Service(await freePort(), env);
  t.after(() => service.process.dispose());
  return service;
}

async function setUp(t: Owner, env: Record<string, string> = {}): Promise<{ nats: Nats; service: Service }> {
  const nats = await startNats(t);
  const service = await startService(t, { NATS_URL: nats.url, ...env });
  await service.health(200);
  return { nats, service };
}

/**
 * Asserts that the measured rate is near `rate`. The allowance covers the trending list, published every 5 s.
 */
function assertNear(measured: number, rate: number): void {
  assert.ok(measured > rate * 0.8 && measured < rate * 1.2 + 1, `${measured} events/s instead of ${rate}`);
}

describe("publisher service", { skip: withoutNats(), concurrency: true }, () => {
  test("the service publishes at its rate, at a temporary rate for the given time, and nothing at rate 0", async (t) => {
    const { nats, service } = await setUp(t, { RATE: "40" });
    assertNear(await service.measured(), 40);
    const set = await service.setRate({ rate: 200 });
    assert.deepEqual([set.status, set.body.rate, set.body.temporary], [200, 200, null]);
    assertNear(await service.measured(), 200);

    const burst = await service.setRate({ rate: 500, seconds: 2 }, "POST");
    assert.equal(burst.body.rate, 500);
    assert.equal(burst.body.temporary?.rate_after, 200);
    assertNear(await service.measured(1500), 500);
    await eventually("the earlier rate", async () => (await service.stats()).rate === 200);
    assertNear(await service.measured(), 200);

    assert.equal((await service.setRate({ rate: 0 })).body.rate, 0);
    assert.equal(await service.measured(1000), 0);
    const { published, stored, waiting, connected, seconds } = await service.stats();
    assert.deepEqual({ stored, waiting, connected }, { stored: published, waiting: 0, connected: true });
    assert.ok(seconds > 5);
    assert.equal((await nats.jsm.streams.info(STREAM)).state.last_seq, stored);
  });

  test("a lasting rate ends a temporary one, and after two temporary rates the lasting rate returns", async (t) => {
    const { service } = await setUp(t);
    await service.setRate({ rate: 90, seconds: 60 });
    const second = await service.setRate({ rate: 80, seconds: 0.3 });
    assert.equal(second.body.temporary?.rate_after, 12);
    await eventually("the lasting rate", async () => (await service.stats()).rate === 12);
    await service.setRate({ rate: 90, seconds: 0.3 });
    await service.setRate({ rate: 5 });
    await pause(600);
    const { rate, temporary } = await service.stats();
    assert.deepEqual([rate, temporary], [5, null]);
  });

  test("with AUTOSTART=false the service publishes nothing until a rate is set", async (t) => {
    const { service } = await setUp(t, { AUTOSTART: "false" });
    assert.equal(await service.measured(500), 0);
    await service.setRate({ rate: 100 });
    assertNear(await service.measured(1000), 100);
  });

  test("a wrong request changes nothing, and the answer says what was expected", async (t) => {
    const { service } = await setUp(t, { AUTOSTART: "false" });
    for (const [body, pattern] of [
      ["", /not JSON.*"rate": 30/],
      ["{", /not JSON/],
      ["[]", /must be an object/],
      [null, /must be an object/],
      [{}, /^rate must be a number from 0 to 100000/],
      [{ rate: "30" }, /^rate must be/],
      [{ rate: -1 }, /^rate must be a number from 0 to 100000/],
      [{ rate: 100_001 }, /^rate must be/],
      ['{"rate": 1e999}', /^rate must be/],
      [{ rate: 30, seconds: 0 }, /^seconds must be a number from 0\.1 to 86400/],
      [{ rate: "x", seconds: "y" }, /^rate must be .*; seconds must be/],
      [{ rate: 30, second: 5 }, /"second" is not a known field/],
    ] as const) {
      const { status, body: answer } = await service.setRate(body);
      assert.equal(status, 400, JSON.stringify(body));
      assert.match(answer.error ?? "", pattern);
    }
    assert.equal((await service.setRate(`{"rate": ${" ".repeat(2000)}30}`)).status, 413);
    const wrongMethod = await service.ask("/rate");
    assert.deepEqual([wrongMethod.status, wrongMethod.headers.allow], [405, "PUT, POST"]);
    assert.equal((await service.ask("/stats", "DELETE")).status, 405);
    const unknown = await service.ask("/metric");
    assert.equal(unknown.status, 404);
    assert.match(unknown.body, /\/health, \/stats, \/metrics, \/rate/);
    assert.equal((await service.stats()).rate, 0);
  });

  test("while NATS is away, /health says so, and events are stored when NATS is back", async (t) => {
    const nats = await startNats(t, { down: true });
    const service = await startService(t, { NATS_URL: nats.url.replace("//", "//me:hunter2@"), RATE: "50" });
    assert.match((await service.health(503)).join(), /not connected to NATS/);
    await nats.start();
    assert.deepEqual(await service.health(200), []);
    await nats.kill();
    assert.match((await service.health(503)).join(), /not connected to NATS at 127\.0\.0\.1/);
    const { published, waiting, connected } = await service.stats();
    assert.equal(connected, false);
    await eventually("events that wait", async () => (await service.stats()).waiting > waiting + 10);
    await nats.start();
    await service.health(200);
    await eventually("all events stored", async () => {
      const { stored, waiting: left } = await service.stats();
      return stored > published && left < 10;
    });
    assert.ok(!service.process.output.includes("hunter2"));
  });

  test("/metrics has the counts of /stats, and how long each event took until the stream had stored it", async (t) => {
    const { nats, service } = await setUp(t, { AUTOSTART: "false" });
    await service.setRate({ rate: 40 });
    assert.equal((await service.metrics()).sum("publisher_rate"), 40);
    const settled = async (least: number) => {
      await eventually("stored events", async () => (await service.stats()).stored >= least);
      await service.setRate({ rate: 0 });
      await eventually("the end of the queue", async () => (await service.stats()).waiting === 0);
      const [stats, metrics] = [await service.stats(), await service.metrics()];
      assert.equal(metrics.sum("publisher_events_published_total"), stats.published);
      assert.equal(metrics.sum("publisher_events_stored_total"), stats.stored);
      assert.equal(
        metrics.sum("publisher_store_seconds_count"),
        stats.stored,
        "each stored event is measured",
      );
      for (const name of ["publisher_rate", "publisher_events_waiting", "publisher_events_in_flight"])
        assert.equal(metrics.sum(name), 0, name);
      assert.equal(metrics.sum("publisher_nats_connected"), 1);
      return metrics;
    };
    const slow = (metrics: Metrics) =>
      metrics.sum("publisher_store_seconds_count") -
      metrics.sum("publisher_store_seconds_bucket", { le: "0.25" });
    const before = await settled(20);
    assert.equal(before.types.get("publisher_store_seconds"), "histogram");
    assert.ok(before.sum("publisher_store_seconds_sum") > 0);
    assert.ok(slow(before) < before.sum("publisher_store_seconds_count"), "most events are stored at once");

    await nats.kill();
    await service.health(503);
    await service.setRate({ rate: 100 });
    const away = await eventually("events that wait", async () => {
      const metrics = await service.metrics();
      return metrics.sum("publisher_events_waiting") > 50 && metrics;
    });
    assert.equal(away.sum("publisher_nats_connected"), 0);
    assert.ok(away.sum("publisher_waiting_bytes") > 50 * 20);
    await nats.start();
    await service.health(200);
    const after = await settled(before.sum("publisher_events_stored_total") + 50);
    // The first events have waited for the others, which came at 100 a second.
    assert.ok(slow(after) - slow(before) >= 10, `${slow(after)} slow events, ${slow(before)} before`);
  });

  test("SIGTERM stores the waiting events and ends the service, and the log is JSON lines", async (t) => {
    const { nats, service } = await setUp(t, { RATE: "300" });
    await eventually("some events", async () => (await service.stats()).stored > 100);
    service.process.signal("SIGTERM");
    const { code } = await within(() => `end:\n${service.process.tail()}`, service.process.exited);
    assert.equal(code, 0, service.process.tail());
    const lines = service.process.output.trim().split("\n");
    const last = lines.map((line) => JSON.parse(line) as { message: string } & Stats).at(-1);
    assert.equal(last?.message, "publisher has ended");
    assert.deepEqual([last?.waiting, last?.stored], [0, last?.published]);
    assert.equal((await nats.jsm.streams.info(STREAM)).state.last_seq, last?.stored);
  });

  test("SIGTERM while NATS is away ends the service and reports unstored events, and a second SIGTERM ends it at once", async (t) => {
    const env = { NATS_URL: `nats://127.0.0.1:${await freePort()}`, RATE: "50" };
    const [patient, hasty] = [await startService(t, env), await startService(t, env)];
    for (const service of [patient, hasty]) {
      await service.health(503);
      await eventually("events that wait", async () => (await service.stats()).waiting > 5);
    }
    // Two signals within a moment are one. The kernel keeps both, because they are different ones.
    patient.process.signal("SIGTERM");
    patient.process.signal("SIGINT");
    hasty.process.signal("SIGTERM");
    await eventually("the first signal", () => /"ending"/.test(hasty.process.output));
    assert.deepEqual(await hasty.health(503), ["ending"]);
    await pause(LATER_SIGNAL_MS);
    hasty.process.signal("SIGTERM");
    // Without this signal, the service ends later, and with exit code 1.
    assert.equal((await within("end of the second", hasty.process.exited)).code, 143);
    assert.equal((await within("end", patient.process.exited)).code, 1);
    assert.match(patient.process.output, /\d+ accepted events are not known to be stored/);
  });
});

describe("settings of the publisher service", () => {
  test("wrong settings stop the start with a line for each, and so does a port in use", async (t) => {
    const run = async (env: Record<string, string>) => {
      const service = await startService(t, env);
      const { code } = await within("end", service.process.exited, START_MS);
      return { code, output: service.process.output };
    };
    const wrong = await run({ RATE: "fast", TOKENS: "none", NATS_URL: "http://me:hunter2@a" });
    assert.equal(wrong.code, 1);
    assert.deepEqual(
      wrong.output
        .trim()
        .split("\n")
        .map((line) => line.match(/^odin-ws publisher: ([A-Z_]+) must be /)?.[1])
        .toSorted(),
      ["NATS_URL", "RATE", "TOKENS"],
    );
    assert.doesNotMatch(wrong.output, /hunter2/);
    const port = String(await freePort());
    const first = new Service(Number(port), {});
    t.after(() => first.process.dispose());
    await first.health(503);
    const { code, output } = await run({ PUBLISHER_PORT: port });
    assert.equal(code, 1);
    assert.match(output, new RegExp(`PUBLISHER_PORT: port ${port} is already in use`));
  });
});
