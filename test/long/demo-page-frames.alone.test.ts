/**
 * What a browser needs for the compact encoding: CPU to decode a message, and CPU of the demo page's main
 * thread for each frame at 200 messages a second.
 *
 * CPU is compared, or the fastest of several passes, and not the time between frames: other programs share
 * the cores of the machine, and a frame that waits for a core says nothing about the page.
 */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { WebSocket } from "ws";
import { ARGS, findBrowser, openPage, withoutBrowser } from "../harness/browser.ts";
import { type Demo, PATIENCE_MS, ROW, startDemo } from "../harness/demo.ts";
import { suiteOwner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";

const RATE = 200; // messages a second
const MAX_DECODE_MICROS = 50; // µs a message
const MAX_FRAME_MS = 16; // ms of CPU of the main thread
/** Long enough for two lists of 100 tokens, which come every 5 s. */
const TRACED_MS = 10_000; // 10 s
/**
 * When other programs keep the page from the CPU, its messages pile up, and the next frame has the work of
 * several. Work that the page itself does too long is in each trace.
 */
const TRACES = 3;
const DECODED = 2000; // messages
const PASSES = 10;

const COMPACT = fileURLToPath(new URL("../../client/src/compact.ts", import.meta.url));

/** Binary messages of a connection in the compact encoding that gets every message, in their order. */
function record({ ws }: Demo, count: number): Promise<Buffer[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer[]>();
  const messages: Buffer[] = [];
  const socket = new WebSocket(`${ws}?encoding=compact`);
  socket.on("error", reject);
  socket.on("open", () => socket.send('{"type":"subscribe","channels":["*.*"]}'));
  socket.on("message", (data: Buffer, isBinary) => {
    if (isBinary) messages.push(data);
    if (messages.length < count) return;
    socket.terminate();
    resolve(messages);
  });
  return promise;
}

/** The client's decoder as a script that defines `odinCompact.Decoder`. */
async function decoderScript(): Promise<string> {
  const built = await build({
    entryPoints: [COMPACT],
    bundle: true,
    minify: true,
    format: "iife",
    globalName: "odinCompact",
    write: false,
  });
  return built.outputFiles[0]?.text ?? "";
}

/** Runs in the page: µs a message, for each pass over all messages. */
const DECODE = `(encoded, passes) => {
  const messages = encoded.map((text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer);
  const times = [];
  let envelopes = 0;
  for (let pass = 0; pass < passes; pass++) {
    const decoder = new odinCompact.Decoder();
    decoder.begin();
    const begin = performance.now();
    for (const message of messages) {
      const text = decoder.decode(message);
      if (text === "") throw new Error("a message cannot be decoded");
      if (text !== undefined) envelopes++;
    }
    times.push(((performance.now() - begin) * 1000) / messages.length);
  }
  return { times, envelopes: envelopes / passes };
}`;

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  /** Begin, µs. */
  ts: number;
  /** CPU of the thread, µs. */
  tdur?: number;
  args: { name?: string };
}

const CATEGORIES = [
  "disabled-by-default-devtools.timeline",
  "disabled-by-default-devtools.timeline.frame",
  "__metadata",
];

/**
 * CPU of the page's main thread from each frame to the next, ms: scripts, decoding, React, styles, layout and
 * painting, and everything else that this thread did.
 */
function cpuOfFrames(events: readonly TraceEvent[]): number[] {
  const threads = events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const frames = (pid: number, tid: number) =>
    events
      .filter((event) => event.name === "BeginMainThreadFrame" && event.pid === pid && event.tid === tid)
      .map(({ ts }) => ts)
      .sort((a, b) => a - b);
  const all = threads.map(({ pid, tid }) => ({ pid, tid, starts: frames(pid, tid) }));
  // The thread with most frames is the page's.
  const [page] = all.sort((a, b) => b.starts.length - a.starts.length);
  assert.ok(page !== undefined && page.starts.length > 0, "the trace has frames");
  const { pid, tid, starts } = page;
  const cpu = new Array<number>(starts.length).fill(0);
  const tasks = events.filter(
    (event) => event.name === "RunTask" && event.ph === "X" && event.pid === pid && event.tid === tid,
  );
  assert.ok(
    tasks.some(({ tdur }) => tdur !== undefined),
    "the trace has CPU times",
  );
  let at = 0;
  for (const { ts, tdur = 0 } of tasks.sort((a, b) => a.ts - b.ts)) {
    while (at + 1 < starts.length && (starts[at + 1] ?? 0) <= ts) at++;
    if (ts >= (starts[0] ?? 0)) cpu[at] = (cpu[at] ?? 0) + tdur / 1000;
  }
  return cpu.slice(0, -1).sort((a, b) => a - b); // the last frame was not traced to its end
}

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

describe("the compact encoding in Chromium", { skip: withoutBrowser(), timeout: 240_000 }, () => {
  const owner = suiteOwner();
  let demo: Demo;
  before(async () => {
    demo = await startDemo(owner, { SIMULATOR_RATE: String(RATE), WS_MAX_BROADCAST_RATE: "0" });
  });

  test(`decoding takes at most ${MAX_DECODE_MICROS} µs a message`, async (t) => {
    const messages = await record(demo, DECODED);
    const { page } = await openPage(t, "about:blank");
    await page.addScriptTag({ content: await decoderScript() });
    const encoded = messages.map((message) => message.toString("base64"));
    const { times, envelopes } = (await page.evaluate(
      `(${DECODE})(${JSON.stringify(encoded)}, ${PASSES})`,
    )) as { times: number[]; envelopes: number };
    times.sort((a, b) => a - b);
    t.diagnostic(
      `µs a message: ${(times[0] ?? 0).toFixed(1)} in the fastest of ${PASSES} passes, ${quantile(times, 0.5).toFixed(1)} in the median`,
    );
    assert.ok(envelopes > DECODED * 0.98, `${envelopes} envelopes`);
    // The fastest pass is the one that other programs disturbed least.
    assert.ok((times[0] ?? Infinity) <= MAX_DECODE_MICROS, `${times}`);
  });

  test(`at ${RATE} messages a second, no frame of the demo page needs more than ${MAX_FRAME_MS} ms of CPU`, async (t) => {
    const longest: number[] = [];
    const trace = await tracer(t, demo);
    while (longest.length < TRACES && !longest.some((ms) => ms <= MAX_FRAME_MS)) {
      const cpu = cpuOfFrames(await trace());
      t.diagnostic(
        `${cpu.length} frames, ms of CPU: ${quantile(cpu, 0.5).toFixed(1)} in the median, p99 ${quantile(cpu, 0.99).toFixed(1)}, at most ${(cpu.at(-1) ?? 0).toFixed(1)}`,
      );
      assert.ok(cpu.length > 50, `${cpu.length} frames`);
      assert.ok(quantile(cpu, 0.5) <= MAX_FRAME_MS / 2, "half of the frames leave half of the time");
      longest.push(cpu.at(-1) ?? 0);
    }
    assert.ok(
      longest.some((ms) => ms <= MAX_FRAME_MS),
      `the longest frame of each trace: ${longest} ms`,
    );
  });
});

/** Opens the page, waits until it gets all messages, and returns a function that traces it. */
async function tracer(t: TestContext, { url }: Demo): Promise<() => Promise<TraceEvent[]>> {
  const folder = await mkdtemp(join(tmpdir(), "odin-trace-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const browser = await chromium.launch({ executablePath: findBrowser() ?? "", args: ARGS });
  t.after(() => browser.close());
  const page = await (await browser.newContext()).newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(url);
  await page.locator(ROW).first().waitFor({ timeout: PATIENCE_MS });
  await page.getByRole("button", { name: "All messages" }).click();
  const figure = page.locator(".connection .figures div", { hasText: "Messages/s" }).locator("dd");
  let rate = 0;
  await eventually(
    () => `${RATE} messages a second, but ${rate}`,
    async () => {
      rate = Number((await figure.innerText()).replace(",", ""));
      return rate >= RATE * 0.8;
    },
    PATIENCE_MS,
  );
  await page.waitForTimeout(3000); // lets the browser compile what it uses
  const path = join(folder, "trace.json");
  return async () => {
    await browser.startTracing(page, { path, categories: CATEGORIES });
    await page.waitForTimeout(TRACED_MS);
    await browser.stopTracing();
    assert.deepEqual(errors, []);
    const { traceEvents } = JSON.parse(readFileSync(path, "utf8")) as { traceEvents: TraceEvent[] };
    return traceEvents;
  };
}
