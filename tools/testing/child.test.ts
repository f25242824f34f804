import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning } from "../fake-machine.fixture.ts";
import { runChild } from "./child.ts";

const WAIT_MS = 15_000; // ms for a process to be gone on a busy machine

/**
 * The id of a process that the script started in the background and printed. The process is killed after the
 * test.
 */
function startedBy(output: string, t: TestContext): number {
  const pid = Number(output.trim());
  assert.ok(pid > 1, `the script printed no process id: ${output}`);
  t.after(() => {
    if (isRunning(pid)) process.kill(pid, "SIGKILL");
  });
  return pid;
}

async function assertGone(pid: number): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (isRunning(pid)) {
    assert.ok(performance.now() < deadline, `process ${pid} is still there`);
    await sleep(20);
  }
}

test("a command gets the given environment, and its exit code and whole output are returned", async () => {
  const script = "echo out $WHAT; echo err >&2; exit 3";
  const { code, output, leftBehind } = await runChild("/bin/sh", ["-c", script], {
    capture: true,
    env: { WHAT: "for" },
  });
  assert.equal(code, 3);
  assert.deepEqual(output.split("\n").sort(), ["", "err", "out for"]);
  assert.deepEqual(leftBehind, []);
  assert.equal((await runChild("/bin/sh", ["-c", "kill -9 $$"])).code, 137);
});

test("a command that is not there is an error that names it", async () => {
  await assert.rejects(runChild("no-such-command-here", []), {
    message: "no-such-command-here: command not found",
  });
});

test("what a command leaves running is killed and reported", async (t) => {
  const { code, output, leftBehind } = await runChild("/bin/sh", ["-c", "sleep 321 & echo $!"], {
    capture: true,
  });
  const pid = startedBy(output, t);
  assert.equal(code, 0);
  assert.deepEqual(leftBehind, ["sleep 321"]);
  await assertGone(pid);
});

/** Runs a script and stops it as soon as it has made the file $READY. */
async function stopWhenReady(script: string, t: TestContext): ReturnType<typeof runChild> {
  const folder = mkdtempSync(join(tmpdir(), "odin-child-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const ready = join(folder, "ready");
  const stop = new AbortController();
  const env = { ...process.env, READY: ready };
  const running = runChild("/bin/sh", ["-c", script], { capture: true, env, signal: stop.signal });
  const deadline = performance.now() + WAIT_MS;
  while (!existsSync(ready) && performance.now() < deadline) await sleep(20);
  stop.abort();
  return running;
}

test("a stop sends SIGTERM first, so that a process that the command started can end by itself", async (t) => {
  const script = `sh -c 'trap "echo bye; exit" TERM; touch "$READY"; while :; do sleep 0.1; done' & wait`;
  const { code, output } = await stopWhenReady(script, t);
  assert.equal(code, 143);
  assert.match(output, /^bye$/m);
});

test("a stop ends the command and all processes that it started, also one that ignores SIGTERM", async (t) => {
  // The inner shell ignores SIGTERM, so only SIGKILL ends it and its sleep.
  const script = `sh -c 'trap "" TERM; touch "$READY"; sleep 322 & wait; wait' & echo $!; wait`;
  const { code, output, leftBehind } = await stopWhenReady(script, t);
  const pid = startedBy(output, t);
  assert.equal(code, 143);
  assert.deepEqual(leftBehind, [], "a process that was stopped was not left behind");
  await assertGone(pid);
});

test("a command is not started when its signal has already aborted", async () => {
  const { code, output } = await runChild("/bin/sh", ["-c", "echo ran"], {
    capture: true,
    signal: AbortSignal.abort(),
  });
  assert.deepEqual([code, output], [143, ""]);
});
