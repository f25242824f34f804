import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CoreWatch } from "./core-watch.ts";

test("a process that computes uses cores, one that waits uses none, and one that has ended is no error", async (t) => {
  const busy = spawn(process.execPath, ["-e", "for (;;);"]);
  const idle = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  const gone = spawn(process.execPath, ["-e", ""]);
  t.after(() => {
    for (const child of [busy, idle]) child.kill("SIGKILL");
  });
  const watch = new CoreWatch(() => ({
    servers: [busy.pid as number],
    clients: [idle.pid as number],
    others: [gone.pid as number],
  }));
  await sleep(2500);
  const { servers, clients } = watch.stop();
  assert.ok(servers > clients && servers > 0.05, `${servers} and ${clients} cores`);
});
