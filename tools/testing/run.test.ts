import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fakeProgram, fakeScript, isRunning } from "../fake-machine.fixture.ts";
import { PROGRAMS } from "../programs/table.ts";

const runner = join(import.meta.dirname, "../test.ts");
const WAIT_MS = 10_000; // ms for something to happen on a busy machine

const importTest = 'import { test } from "node:test";\n';
const PASSES = `${importTest}test("passes", () => {});`;
const FAILS = `${importTest}test("fails", () => { throw new Error("broken"); });`;
const SKIPS = `${importTest}test("needs it", { skip: "no such program" }, () => {});`;

/**
 * A repository with these test files, checks that pass, and all programs in the tools cache; `run` is `npm
 * test` there.
 */
function repository(t: TestContext, files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), "odin-repository-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const bin = join(root, "node_modules", ".bin");
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, ODIN_TOOLS: join(root, "tools") };
  for (const check of ["biome", "tsc"]) fakeScript(bin, check, `echo "${check} $*"`);
  for (const { name } of PROGRAMS) fakeProgram(join(root, "tools", "bin"), name, "9999.99.0");
  for (const [name, text] of Object.entries({ "package.json": '{ "type": "module" }', ...files })) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const run = (args: string[] = [], extra: NodeJS.ProcessEnv = {}) => {
    const ended = spawnSync(process.execPath, [runner, ...args], {
      cwd: root,
      encoding: "utf8",
      env: { ...env, ...extra },
    });
    const text = ended.stdout + ended.stderr;
    return { code: ended.status, text, last: ended.stdout.trim().split("\n").at(-1) };
  };
  return { root, bin, env, run };
}

test("checks and every test file run, node's summary stays visible, the counts come last", (t) => {
  const { run } = repository(t, {
    "server/src/a.test.ts": PASSES,
    "test/b.test.ts": PASSES,
    "node_modules/other/c.test.ts": FAILS,
    "server/dist/d.test.ts": FAILS,
    "test/long/e.test.ts": FAILS,
  });
  const { code, text, last } = run();
  assert.equal(code, 0, text);
  assert.match(text, /^biome ci .*\.$/m);
  assert.match(text, /^tsc --noEmit --incremental --tsBuildInfoFile \S+$/m);
  assert.match(text, /^tsc --noEmit --incremental .* --project client\/demo$/m);
  assert.match(text, /✔ passes/);
  assert.match(text, /^ℹ pass 2$/m);
  assert.equal(last, "2 passed, 0 failed");
});

test("a failing test, a file that does not load and a hung test fail the run", (t) => {
  const { run } = repository(t, {
    "a.test.ts": PASSES,
    "b.test.ts": FAILS,
    "c.test.ts": 'import "./not-there.ts";',
    "d.test.ts": `${importTest}test("hangs", () => new Promise(() => {}));`,
  });
  const { code, last } = run(["--test-timeout=1000"]);
  assert.deepEqual([code, last], [1, "1 passed, 3 failed"]);
});

test("a failing check fails the run, and the tests still run", (t) => {
  const { bin, run } = repository(t, { "a.test.ts": PASSES });
  fakeScript(bin, "tsc", "exit 2");
  const { code, text, last } = run();
  // The type check runs twice: the repository, and the demo page, which is for browsers.
  assert.deepEqual([code, last], [1, "1 passed, 2 failed"]);
  assert.match(text, /tsc failed with exit code 2/);
});

test("a skipped test is named, and counts as a failure only under CI=true", (t) => {
  const { run } = repository(t, { "a.test.ts": PASSES, "server/b.test.ts": SKIPS });
  const person = run();
  assert.deepEqual([person.code, person.last], [0, "1 passed, 0 failed, 1 skipped"]);
  assert.match(person.text, /^skipped: server\/b\.test\.ts: needs it \(no such program\)$/m);
  const ci = run([], { CI: "true" });
  assert.deepEqual([ci.code, ci.last], [1, "1 passed, 0 failed, 1 skipped"]);
  assert.match(ci.text, /not allowed under CI=true: skipped: server\/b\.test\.ts: needs it/);
});

test("skipped suites and tests marked as todo are reported too", (t) => {
  const { run } = repository(t, {
    "a.test.ts": `import { describe, test } from "node:test";
    describe.skip("suite", () => { test("inner", () => {}); });
    test("later", { todo: true }, () => { throw new Error("not yet"); });
    test("passes", () => {});`,
  });
  const { code, last } = run([], { CI: "true" });
  assert.deepEqual([code, last], [1, "1 passed, 0 failed, 2 skipped"]);
});

test("a missing program is reported, and counts as a failure only under CI=true", (t) => {
  const { root, run } = repository(t, { "a.test.ts": PASSES, file: "" });
  // The cache is a file, so no program can be downloaded into it, with or without a network.
  const nowhere = { PATH: join(root, "none"), ODIN_TOOLS: join(root, "file") };
  const line = /^nats-server is missing \(.*install nats-server 2\.11 or later by hand/m;
  const person = run([], nowhere);
  assert.deepEqual([person.code, person.last], [0, "1 passed, 0 failed"], person.text);
  assert.match(person.text, line);
  const ci = run([], { ...nowhere, CI: "true" });
  assert.deepEqual([ci.code, ci.last], [1, `1 passed, ${PROGRAMS.length} failed`], ci.text);
  assert.match(ci.text, line);
});

test("tests find the right program on PATH before one that is too old", (t) => {
  const { root, env, run } = repository(t, {
    "a.test.ts": `import assert from "node:assert/strict";
    import { execFileSync } from "node:child_process";
    ${importTest}
    test("version", () => assert.match(execFileSync("nats-server", { encoding: "utf8" }), /99\\.[0-9]/));`,
  });
  fakeProgram(join(root, "old"), "nats-server", "2.9.10");
  const cached = run([], { PATH: `${join(root, "old")}:/usr/bin:/bin` });
  assert.equal(cached.code, 0, cached.text);
  fakeProgram(join(root, "new"), "nats-server", "2.99.1");
  const installed = run([], { PATH: [join(root, "old"), join(root, "new"), env.PATH].join(":") });
  assert.equal(installed.code, 0, installed.text);
});

test("files, folders and a pattern choose the tests", (t) => {
  const { run } = repository(t, {
    "server/a.test.ts": PASSES,
    "client/b.test.ts": FAILS,
    "client/c.test.ts": PASSES,
  });
  assert.equal(run(["server/"]).last, "1 passed, 0 failed");
  assert.equal(run(["server", "client/c.test.ts"]).last, "2 passed, 0 failed");
  const { code, text } = run(["--test-name-pattern=passes"]);
  assert.equal(code, 0);
  assert.match(text, /✔ passes/);
  assert.doesNotMatch(text, /fails/);
  const none = run(["node_modules"]);
  assert.equal(none.code, 1);
  assert.match(none.text, /no \*\.test\.ts below node_modules/);
});

test("a path that does not exist and an unknown option are refused with the usage", (t) => {
  const { run } = repository(t, { "a.test.ts": PASSES });
  for (const [arg, mistake] of [
    ["sever/", /no such file or folder: sever\/\n\nUsage: npm test/],
    ["--chnged", /Unknown option '--chnged'[\s\S]*Usage: npm test/],
    ["--test-timeout=soon", /--test-timeout must be a number of milliseconds .*, not "soon"/],
  ] as const) {
    const { code, text } = run([arg]);
    assert.equal(code, 2);
    assert.match(text, mistake);
  }
  assert.match(run(["--help"]).text, /^Usage: npm test[\s\S]*--changed/);
});

test("--long runs test/long and nothing else, and says when test/long has no tests", (t) => {
  const empty = repository(t, { "a.test.ts": FAILS }).run(["--long"]);
  assert.deepEqual([empty.code, empty.last], [0, "0 passed, 0 failed"]);
  assert.match(empty.text, /no tests in test\/long yet/);
  const { run } = repository(t, {
    "a.test.ts": FAILS,
    "test/b.test.ts": FAILS,
    "test/long/c.test.ts": PASSES,
    "test/long/d.alone.test.ts": PASSES,
  });
  const { code, text, last } = run(["--long"]);
  assert.deepEqual([code, last], [0, "2 passed, 0 failed"]);
  assert.doesNotMatch(text, /biome/);
});

const WAITS = `import { spawn } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
${importTest}
test("waits", () => new Promise(() => {
  writeFileSync("new", String(spawn("sleep", ["323"]).pid));
  renameSync("new", "pid");
}));`;

/** Waits until the test above has started its process, whose id it returns. */
async function startedIn(root: string): Promise<number> {
  await until(() => existsSync(join(root, "pid")), "the test never started");
  return Number(readFileSync(join(root, "pid"), "utf8"));
}

for (const [signal, expected] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`${signal} ends the run and everything that a test started`, async (t) => {
    const { root, env } = repository(t, { "a.test.ts": WAITS });
    const run = spawn(process.execPath, [runner], { cwd: root, env, stdio: "ignore" });
    t.after(() => run.kill("SIGKILL"));
    const ended = new Promise((resolve) => run.once("exit", (code, by) => resolve(code ?? by)));
    const pid = await startedIn(root);
    run.kill(signal);
    assert.equal(await ended, expected);
    await until(() => !isRunning(pid), "what the test started is still there");
  });
}

test("the end of npm, whose shell does not pass signals on, ends the run and everything that a test started", async (t) => {
  const { root, env } = repository(t, { "a.test.ts": WAITS });
  const shell = spawn("/bin/sh", ["-c", '"$0" "$1"; true', process.execPath, runner], {
    cwd: root,
    env: { ...env, npm_lifecycle_event: "test" },
    stdio: "ignore",
  });
  const pid = await startedIn(root);
  const children = spawnSync("pgrep", ["-P", String(shell.pid)], { encoding: "utf8" }).stdout;
  const ran = Number(children);
  assert.ok(isRunning(ran), `the shell runs one process: ${children}`);
  shell.kill("SIGTERM");
  await until(() => !isRunning(pid), "what the test started is still there");
  // The folder of the run is deleted after this test.
  await until(() => !isRunning(ran), "the run is still there");
});

test("a process that a test leaves running is killed and named", async (t) => {
  const { root, run } = repository(t, {
    "a.test.ts": `import { spawn } from "node:child_process";
    import { writeFileSync } from "node:fs";
    ${importTest}
    test("leaks", () => {
      const child = spawn("sleep", ["324"], { stdio: "ignore" });
      child.unref();
      writeFileSync("pid", String(child.pid));
    });`,
  });
  const { code, text } = run();
  assert.equal(code, 0);
  assert.match(text, /killed a process that a test left running: sleep 324/);
  const pid = Number(readFileSync(join(root, "pid"), "utf8"));
  await until(() => !isRunning(pid), "the process is still there");
});

async function until(holds: () => boolean, otherwise: string): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!holds()) {
    assert.ok(performance.now() < deadline, otherwise);
    await sleep(20);
  }
}
