import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log.ts";
import { type CloudMonitoringOptions, isGoogleCloud, startCloudMonitoring } from "./cloud-monitoring.ts";

const VM = { project_id: "odin-test", instance_id: "1234567890123456789", zone: "us-central1-b" };
const API_PATH = `/v3/projects/${VM.project_id}/timeSeries`;

/** A fake of the metadata server and of the Monitoring API, both on one host. */
class FakeGoogle {
  points: unknown[] = [];
  problems: string[] = [];
  api: "ok" | "hang" | 500 | 403 = "ok";
  metadata: "ok" | "hang" | "gone" = "ok";
  metadataCalls = 0;
  /** Requests to the API so far. */
  calls = 0;
  /** Requests to the API at present. */
  open = 0;
  /** Largest number of requests at the same time. */
  mostOpen = 0;
  /** Tokens that were issued. */
  tokens = 0;
  /** Life of a token, seconds. The client asks for a new token 300 s before the end. */
  tokenLife = 3600;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async listen(t: TestContext): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    t.after(() => {
      this.#server.closeAllConnections();
      this.#server.close();
    });
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "", "http://fake");
    if (pathname.startsWith("/computeMetadata/v1/")) this.#answerMetadata(pathname, request, response);
    else await this.#answerApi(pathname, request, response);
  }

  #answerMetadata(pathname: string, request: IncomingMessage, response: ServerResponse): void {
    this.metadataCalls++;
    if (this.metadata === "gone") request.socket.destroy();
    if (this.metadata !== "ok") return;
    if (request.headers["metadata-flavor"] !== "Google") {
      this.problems.push(`${pathname} was requested without Metadata-Flavor`);
      response.writeHead(403).end();
      return;
    }
    response.setHeader("Metadata-Flavor", "Google");
    switch (pathname.slice("/computeMetadata/v1/".length)) {
      case "project/project-id":
        response.end(VM.project_id);
        break;
      case "instance/id":
        response.end(VM.instance_id);
        break;
      case "instance/zone":
        response.end(`projects/123456/zones/${VM.zone}`);
        break;
      case "instance/service-accounts/default/token": {
        this.tokens++;
        const token = {
          access_token: `token-${this.tokens}`,
          expires_in: this.tokenLife,
          token_type: "Bearer",
        };
        response.setHeader("Content-Type", "application/json").end(JSON.stringify(token));
        break;
      }
      default:
        response.writeHead(404).end();
    }
  }

  async #answerApi(pathname: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.calls++;
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    response.on("close", () => this.open--);
    const body = (await request.toArray()).join("");
    const expected = `POST ${API_PATH} Bearer token-${this.tokens}`;
    const actual = `${request.method} ${pathname} ${request.headers.authorization}`;
    if (actual !== expected) this.problems.push(`${actual}, not ${expected}`);
    if (this.api === "hang") return;
    response.setHeader("Content-Type", "application/json");
    if (this.api !== "ok") {
      const error = { code: this.api, message: `fake ${this.api}`, status: "PERMISSION_DENIED" };
      response.writeHead(this.api).end(JSON.stringify({ error }));
      return;
    }
    this.points.push(JSON.parse(body));
    response.end("{}");
  }
}

async function fakeGoogle(t: TestContext): Promise<FakeGoogle> {
  const fake = new FakeGoogle();
  await fake.listen(t);
  process.env.GCE_METADATA_HOST = fake.host; // read by Google's library
  return fake;
}

function recordingLog(): Log & { lines: [level: string, fields: Record<string, unknown>, text: string][] } {
  const lines: [string, Record<string, unknown>, string][] = [];
  const at = (level: string) => (fields: object, text: string) =>
    void lines.push([level, fields as Record<string, unknown>, text]);
  const log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), lines };
  return log as unknown as Log & { lines: typeof lines };
}

function start(t: TestContext, fake: FakeGoogle, options: Partial<CloudMonitoringOptions> = {}) {
  const log = recordingLog();
  const results: boolean[] = [];
  const monitoring = startCloudMonitoring({
    mode: "on",
    connections: () => 4711,
    log,
    intervalMs: 20,
    apiEndpoint: `http://${fake.host}`,
    onResult: (ok) => void results.push(ok),
    ...options,
  });
  t.after(() => monitoring.stop());
  return { log, results, monitoring };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !condition(); await sleep(5)) {
    if (Date.now() > deadline) assert.fail(`not within 20 s: ${what}`);
  }
}

const errorsOf = (log: ReturnType<typeof recordingLog>) => log.lines.filter(([level]) => level === "error");

test("a point names the metric, the VM, the time and the value", async (t) => {
  const fake = await fakeGoogle(t);
  const before = Date.now();
  const { results } = start(t, fake);
  await until("two points", () => fake.points.length >= 2);
  const { timeSeries, ...rest } = fake.points[0] as { timeSeries: Record<string, unknown>[] };
  assert.deepEqual(rest, {});
  assert.equal(timeSeries.length, 1);
  const { metric, resource, metricKind, valueType, points } = timeSeries[0] as Record<string, unknown>;
  assert.deepEqual(metric, { type: "custom.googleapis.com/odin_ws/connections", labels: {} });
  assert.deepEqual(resource, { type: "gce_instance", labels: VM });
  // Google's client writes enums as numbers:
  // https://cloud.google.com/monitoring/api/ref_v3/rpc/google.api#metrickind
  assert.deepEqual([metricKind, valueType], [1, 2], "GAUGE and INT64");
  const [point, ...more] = points as { interval: { endTime: string; startTime?: string }; value: unknown }[];
  assert.deepEqual([more, point?.value], [[], { int64Value: "4711" }]);
  assert.equal(point?.interval.startTime, undefined, "the interval of a gauge has only an end");
  const end = Date.parse(point?.interval.endTime ?? "");
  assert.ok(end >= before && end <= Date.now(), `${end} is now`);
  assert.deepEqual(fake.problems, []);
  assert.ok(results.every((ok) => ok));
  assert.equal(fake.tokens, 1, "the token is reused");
});

test("a token that expires is replaced", async (t) => {
  const fake = await fakeGoogle(t);
  fake.tokenLife = 301; // the client uses such a token for one second
  const { log } = start(t, fake);
  await until("a point with each of two tokens", () => fake.tokens >= 2 && fake.points.length >= 2);
  assert.deepEqual(fake.problems, []); // the fake accepts only the last token
  assert.deepEqual(errorsOf(log), []);
});

for (const answer of [500, 403] as const) {
  test(`when the API answers ${answer}, only this point is lost, and the error is logged once a minute`, async (t) => {
    const fake = await fakeGoogle(t);
    fake.api = answer;
    const { log, results } = start(t, fake);
    await until("three failures", () => results.length >= 3);
    assert.ok(results.every((ok) => !ok));
    assert.equal(errorsOf(log).length, 1);
    const [, fields, text] = errorsOf(log)[0] ?? [];
    assert.match(String(fields?.error), new RegExp(`fake ${answer}`));
    if (answer === 403) assert.match(text ?? "", /roles\/monitoring\.metricWriter/);
    fake.api = "ok";
    await until("a point", () => fake.points.length >= 1 && results.at(-1) === true);
  });
}

test("a request that hangs is given up after the deadline, and requests never overlap", async (t) => {
  const fake = await fakeGoogle(t);
  fake.api = "hang";
  const { log, results } = start(t, fake, { deadlineMs: 150 });
  await until("two failures", () => results.length >= 2);
  assert.equal(fake.mostOpen, 1);
  assert.match(String(errorsOf(log)[0]?.[1].error), /no answer within 150 ms/);
  fake.api = "ok";
  await until("a point", () => fake.points.length >= 1);
});

test("mode on outside Google Cloud: logs the reason, continues, and writes when it becomes possible", async (t) => {
  const fake = await fakeGoogle(t);
  fake.metadata = "gone";
  const { log, results } = start(t, fake, { deadlineMs: 200 });
  await until("two failures", () => results.length >= 2);
  assert.equal(errorsOf(log).length, 1);
  assert.match(String(errorsOf(log)[0]?.[1].error), /metadata server did not identify this VM/);
  assert.match(errorsOf(log)[0]?.[2] ?? "", /GCP_METRICS=off/);
  fake.metadata = "ok";
  await until("a point", () => fake.points.length >= 1);
});

test("an error while counting connections does not end the writing", async (t) => {
  const fake = await fakeGoogle(t);
  let fail = true;
  const connections = () => {
    if (fail) throw new Error("no count");
    return 1;
  };
  const { results } = start(t, fake, { connections });
  await until("a failure", () => results.length >= 1);
  fail = false;
  await until("a point", () => fake.points.length >= 1);
});

test("mode auto writes when the firmware's vendor is Google", async (t) => {
  const fake = await fakeGoogle(t);
  const folder = await mkdtemp(join(tmpdir(), "odin-dmi-"));
  t.after(() => rm(folder, { recursive: true }));
  writeFileSync(join(folder, "google"), "Google\n");
  writeFileSync(join(folder, "laptop"), "LENOVO\n");
  assert.equal(isGoogleCloud(join(folder, "laptop")), false);
  assert.equal(isGoogleCloud(join(folder, "absent")), false);
  start(t, fake, { mode: "auto", onGoogleCloud: () => isGoogleCloud(join(folder, "google")) });
  await until("a point", () => fake.points.length >= 1);
});

/** Runs `script` in another process, closes its stdin after `moment`, and returns its output. */
async function run(script: string, fake: FakeGoogle, moment: () => Promise<void>): Promise<string> {
  const code = `
    import { createRequire } from "node:module";
    import { startCloudMonitoring } from ${JSON.stringify(import.meta.resolve("./cloud-monitoring.ts"))};
    const quiet = { debug() {}, info() {}, warn() {}, error: console.error };
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes("google"));
    const moment = () => process.stdin.resume().toArray();
    const base = { connections: () => 1, log: quiet, intervalMs: 20, apiEndpoint: "http://${fake.host}" };
    ${script}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    cwd: import.meta.dirname,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 40_000);
  const ended = Promise.all([child.stdout.toArray(), once(child, "exit")]);
  await Promise.race([moment(), ended]); // when the process ends first, it has failed
  child.stdin.end();
  const [output, [exit, signal]] = await ended;
  clearTimeout(timer);
  assert.equal(exit ?? signal, 0, "the process ends by itself");
  return output.join("").trim();
}

test("mode auto outside Google Cloud and mode off load no library and do not keep the process alive", async (t) => {
  const fake = await fakeGoogle(t);
  const script = `
    for (const mode of ["auto", "off"]) startCloudMonitoring({ ...base, mode, onGoogleCloud: () => false });
    await moment();
    console.log(loaded());`;
  const tenIntervals = () => sleep(200);
  assert.equal(await run(script, fake, tenIntervals), "false");
  assert.deepEqual([fake.calls, fake.metadataCalls], [0, 0]);
});

for (const hanging of ["api", "metadata", undefined] as const) {
  test(`after stop the process ends at once; hanging: ${hanging ?? "nothing"}`, async (t) => {
    const fake = await fakeGoogle(t);
    if (hanging) fake[hanging] = "hang";
    const script = `
      const monitoring = startCloudMonitoring({ ...base, mode: "on" });
      await moment();
      monitoring.stop();
      const stopped = performance.now();
      process.on("exit", () => console.log(loaded(), Math.round(performance.now() - stopped)));`;
    const reached = () => (hanging === "metadata" ? fake.metadataCalls > 0 : fake.calls > 0);
    const output = await run(script, fake, () => until("a request", reached));
    const [loaded, milliseconds] = output.split(" ");
    assert.equal(loaded, "true");
    assert.ok(Number(milliseconds) < 1000, `ended ${milliseconds} ms after stop`);
  });
}
