import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SAME_SIGNAL_MS } from "./signals.ts";

const SIGNALS = new URL("signals.ts", import.meta.url).href;

/** A process that ends in good order 2 s after the first signal, with exit code 0. */
async function start(t: TestContext, { busyMs = 0, hangUp = false } = {}) {
  const script = `
    import { exitCodeOf, untilSignal } from ${JSON.stringify(SIGNALS)};
    const request = untilSignal({ endAtOnce: (signal) => process.exit(exitCodeOf(signal)), hangUp: ${hangUp} });
    setInterval(() => {}, 1000);
    process.stdout.write("ready ");
    process.stdout.write("first " + await request.signal + " ");
    if (!request.aborted.aborted) throw new Error("not aborted");
    const end = performance.now() + ${busyMs};
    while (performance.now() < end);
    setTimeout(() => process.exit(0), 2000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const exited = once(child, "exit");
  while (!output.includes("ready")) await sleep(10);
  return { child, output: () => output, exited };
}

test("a signal that is doubled within a moment is one signal", async (t) => {
  const { child, output, exited } = await start(t);
  for (const signal of ["SIGTERM", "SIGTERM", "SIGINT"] as const) {
    child.kill(signal);
    await sleep(20);
  }
  assert.deepEqual(await exited, [0, null]);
  assert.equal(output(), "ready first SIGTERM ");
});

test("a later second signal ends the process at once", async (t) => {
  for (const [signal, code] of [
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const) {
    const { child, exited } = await start(t);
    child.kill("SIGINT");
    await sleep(2 * SAME_SIGNAL_MS);
    child.kill(signal);
    assert.deepEqual(await exited, [code, null]);
  }
});

test("a doubled signal that had to wait for a busy process is still one signal", async (t) => {
  const { child, output, exited } = await start(t, { busyMs: 2 * SAME_SIGNAL_MS });
  child.kill("SIGTERM");
  while (!output().includes("first")) await sleep(10);
  child.kill("SIGTERM"); // The process is busy until long after SAME_SIGNAL_MS.
  assert.deepEqual(await exited, [0, null]);
});

test("SIGHUP is a signal for programs that ask for it, and ends others", async (t) => {
  const [listening, other] = [await start(t, { hangUp: true }), await start(t)];
  listening.child.kill("SIGHUP");
  other.child.kill("SIGHUP");
  assert.deepEqual(await listening.exited, [0, null]);
  assert.deepEqual(await other.exited, [null, "SIGHUP"]);
});
