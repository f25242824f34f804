import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { test } from "node:test";
import { atMostEvery } from "./log.ts";

function reports(intervalMs: number) {
  const reported: number[] = [];
  const clock = { now: 5000 };
  const report = atMostEvery(
    intervalMs,
    (count) => reported.push(count),
    () => clock.now,
  );
  return { reported, clock, report };
}

test("reports the first call at once, then at most once in the interval, with the number of calls", () => {
  const { reported, clock, report } = reports(1000);
  report();
  assert.deepEqual(reported, [1]);
  for (let i = 0; i < 10; i++) report();
  clock.now += 999;
  report();
  assert.deepEqual(reported, [1]);
  clock.now += 1;
  report();
  assert.deepEqual(reported, [1, 12]);
  clock.now += 1000;
  report();
  assert.deepEqual(reported, [1, 12, 1]);
});

test("two reporters do not affect each other", () => {
  const [one, other] = [reports(1000), reports(1000)];
  one.report();
  other.report();
  assert.deepEqual([one.reported, other.reported], [[1], [1]]);
});

/** Runs a process that logs and is killed at once. Returns its stdout. */
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

test("JSON lines have the fields of Cloud Logging, and no line is lost when the process dies", () => {
  const lines = output({ level: "info", format: "json" }).trim().split("\n");
  assert.equal(lines.length, 2);
  const [up, trouble] = lines.map((line) => JSON.parse(line));
  assert.deepEqual([up.severity, up.message, up.port], ["INFO", "up", 3004]);
  assert.match(up.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.equal(trouble.severity, "WARNING");
  assert.equal(trouble.err.message, "broken pipe");
});

test("with a full disk behind stdout, lines are lost but the process continues", {
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

test("pretty lines are readable for people", () => {
  const text = output({ level: "info", format: "pretty" });
  assert.match(text, /INFO.*up/);
  assert.match(text, /WARN.*trouble/);
  assert.doesNotMatch(text, /hidden|^\{/m);
});
