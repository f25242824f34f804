import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { runCommand } from "./kill-command.ts";

const never = new AbortController().signal;

describe("command of --kill", { concurrency: 4 }, () => {
  test("reports an exit code other than 0, or a signal", async () => {
    assert.equal(await runCommand("exit 0", 10_000, never), undefined);
    assert.equal(await runCommand("exit 3", 10_000, never), "ended with 3");
    assert.equal(await runCommand("kill -9 $$", 10_000, never), "ended with SIGKILL");
  });

  test("ends a command that takes too long", async () => {
    assert.match((await runCommand("sleep 60", 200, never)) ?? "", /was still running/);
  });

  test("ends the command and its child processes on a stop, even if the command ignores SIGTERM", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "odin-loadtest-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, "pid");
    const stop = new AbortController();
    const run = runCommand(`trap "" TERM; sleep 60 & echo $! > ${file}; wait; wait`, 30_000, stop.signal);
    let pid = 0;
    for (let tries = 0; tries < 200 && !(pid > 0); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      try {
        pid = Number(readFileSync(file, "utf8"));
      } catch {} // not yet
    }
    assert.ok(pid > 0);
    stop.abort();
    assert.equal(await run, undefined);
    // A zombie process keeps its number until its parent has read its exit status.
    const alive = () => {
      try {
        return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
      } catch {
        return false;
      }
    };
    for (let tries = 0; tries < 100 && alive(); tries++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(alive(), false);
    assert.equal(await runCommand("exit 3", 10_000, stop.signal), undefined, "nothing starts after a stop");
  });
});
