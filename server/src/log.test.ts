import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { test } from "node:test";
import { atMostEvery } from "./log.ts";

function complaints(intervalMs: number) {
  const said: number[] = [];
  const clock = { now: 5000 };
  const complain = atMostEvery(
    intervalMs,
    (count) => said.push(count),
    () => clock.now,
  );
  return { said, clock, complain };
}

test("says it the first time at once, then at most once in the interval with how often it happened", () => {
  const { said, clock, complain } = complaints(1000);
  complain();
  assert.deepEqual(said, [1]);
  for (let i = 0; i < 10; i++) complain();
  clock.now += 999;
  complain();
  assert.deepEqual(said, [1]);
  clock.now += 1;
  complain();
  assert.deepEqual(said, [1, 12]);
  clock.now += 1000;
  complain();
  assert.deepEqual(said, [1, 12, 1]);
});

test("two complaints do not silence each other", () => {
  const [one, other] = [complaints(1000), complaints(1000)];
  one.complain();
  other.complain();
  assert.deepEqual([one.said, other.said], [[1], [1]]);
});

/** What a process that logs and dies at once writes to stdout. */
function output(options: object): string {
  const script = `
    import { createLog } from ${JSON.stringify(new URL("./log.ts", import.meta.url).href)};
    const log = createLog(${JSON.stringify(options)});
    log.debug("hidden");
    log.info({ port: 3004 }, "up");
    log.warn({ err: new Error("broken pipe") }, "trouble");
    process.kill(process.pid, "SIGKILL");`;
  const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "-e", script]);
  assert.equal(signal, "SIGKILL");
  return stdout.toString();
}

test("JSON lines are what Cloud Logging reads, and none is lost when the process dies", () => {
  const lines = output({ level: "info", format: "json" }).trim().split("\n");
  assert.equal(lines.length, 2);
  const [up, trouble] = lines.map((line) => JSON.parse(line));
  assert.deepEqual([up.severity, up.message, up.port], ["INFO", "up", 3004]);
  assert.match(up.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.equal(trouble.severity, "WARNING");
  assert.equal(trouble.err.message, "broken pipe");
});

test("a full disk behind stdout costs lines, not the process", {
  skip: !existsSync("/dev/full") && "needs /dev/full",
}, () => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL("./log.ts", import.meta.url).href)};
    const log = createLog({ level: "info", format: process.argv[1] });
    for (let i = 0; i < 20_000; i++) log.info({ i, text: "x".repeat(1000) }, "line");
    process.stderr.write(String(process.memoryUsage().rss < 200e6));`;
  for (const format of ["json", "pretty"]) {
    const full = openSync("/dev/full", "w");
    const args = ["--input-type=module", "-e", script, format];
    const { stderr, status } = spawnSync(process.execPath, args, { stdio: ["ignore", full, "pipe"] });
    closeSync(full);
    assert.deepEqual([status, stderr.toString()], [0, "true"], format);
  }
});

test("pretty lines are for people", () => {
  const text = output({ level: "info", format: "pretty" });
  assert.match(text, /INFO.*up/);
  assert.match(text, /WARN.*trouble/);
  assert.doesNotMatch(text, /hidden|^\{/m);
});
