/** Tests of `npm run monitoring` as a real process. */

import { strict as assert } from "node:assert";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { LOCAL_PROGRAMS } from "../../../monitoring/local/programs.ts";
import { get } from "../../harness/http.ts";
import type { Owner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";
import { eventually, LATER_SIGNAL_MS, pause, within } from "../../harness/wait.ts";
import { skipWithoutPrograms } from "../../monitoring/programs.ts";
import { logql, targets } from "../../monitoring/queries.ts";

const CLI = fileURLToPath(new URL("../../../monitoring/local/cli.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PATIENCE_MS = 60_000; // ms

/** Runs the command with free ports, and with a temporary folder that tests can inspect. */
async function startCli(owner: Owner) {
  const folder = await mkdtemp(join(tmpdir(), "odin-local-"));
  const ports = Object.fromEntries(
    await Promise.all([...LOCAL_PROGRAMS, "lokiGrpc"].map(async (name) => [name, await freePort()] as const)),
  );
  const gateway = `127.0.0.1:${await freePort()}`;
  const args = Object.entries(ports).flatMap(([name, port]) => ["--port", `${name}=${port}`]);
  const child = spawn(process.execPath, [CLI, "--gateway", gateway, ...args], {
    env: { ...process.env, TMPDIR: folder },
    detached: true, // a process group of its own, so that tests find processes that are left over
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  owner.after(async () => {
    if (child.pid !== undefined && groupLives(child.pid)) process.kill(-child.pid, "SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });
  const url = (name: string) => `http://127.0.0.1:${ports[name]}`;
  return { child, exited, folder, gateway, url, output: () => output };
}

function groupLives(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("npm run monitoring", { skip: skipWithoutPrograms(), timeout: 180_000 }, () => {
  test("starts three programs, prints their addresses, sends log lines to Loki, and leaves nothing behind", async (t) => {
    const { child, exited, folder, gateway, url, output } = await startCli(t);
    child.stdin.write('{"severity":"WARNING","message":"from a pipe"}\n');
    await eventually(output, () => output().includes("press Ctrl-C to stop"), PATIENCE_MS);
    for (const name of LOCAL_PROGRAMS) assert.match(output(), new RegExp(`^${name} +${url(name)}$`, "m"));
    assert.match(output(), /^\{"severity":"WARNING","message":"from a pipe"\}$/m, "lines are printed too");
    const [line] = await eventually(
      "the line in Loki",
      async () => {
        const found = await logql(url("loki"), '{level="warning"}');
        return found.length > 0 && found;
      },
      PATIENCE_MS,
    );
    assert.deepEqual(line?.labels, {
      container: "gateway",
      host: gateway,
      level: "warning",
      role: "gateway",
    });
    const health = await eventually(
      "targets",
      async () => {
        const found = await targets(url("prometheus"));
        return Object.keys(found).length === 4 && found.prometheus === "up" && found;
      },
      PATIENCE_MS,
    );
    assert.match(health.gateway ?? "", /refused|unknown/);
    assert.equal((await get(`${url("alertmanager")}/-/ready`)).status, 200);

    child.kill("SIGTERM");
    child.kill("SIGTERM"); // npm passes on a signal that has reached the whole process group already
    assert.equal(await within(output, exited, PATIENCE_MS), 0, output());
    await eventually("the end of all processes", () => !groupLives(child.pid ?? 0));
    assert.deepEqual(await readdir(folder), []);
  });

  test("a second Ctrl-C, later than a moment after the first, ends all at once and leaves nothing", async (t) => {
    const { child, exited, folder, output } = await startCli(t);
    child.stdin.write("a line\n");
    // All programs have been started.
    await eventually(output, () => /^a line$/m.test(output()), PATIENCE_MS);
    child.kill("SIGINT");
    // Ending in good order waits for the last lines of the gateway, because stdin is still open.
    await pause(LATER_SIGNAL_MS);
    assert.equal(child.exitCode, null, output());
    child.kill("SIGINT");
    assert.equal(await within(output, exited), 130, output());
    await eventually("the end of all", () => !groupLives(child.pid ?? 0));
    assert.deepEqual(await readdir(folder), []);
  });

  test("with a port in use it names the program, and leaves nothing behind", async (t) => {
    const first = await startCli(t);
    await eventually(first.output, () => first.output().includes("press Ctrl-C to stop"), PATIENCE_MS);
    const taken = new URL(first.url("alertmanager")).port;
    const second = spawnSync(
      process.execPath,
      [CLI, ...["alertmanager", "prometheus", "loki"].flatMap((name) => ["--port", `${name}=${taken}`])],
      {
        encoding: "utf8",
        timeout: PATIENCE_MS,
        env: { ...process.env, TMPDIR: first.folder },
        input: "",
      },
    );
    assert.equal(second.status, 1, second.stderr);
    assert.match(second.stderr, /^(prometheus|alertmanager|loki) ended with 1; its last output:$/m);
    assert.match(second.stderr, /address already in use/);
    assert.equal((await readdir(first.folder)).length, 1, "only the folder of the first command is left");

    // A Ctrl-C stops the gateway too. Its last lines must still arrive.
    first.child.kill("SIGINT");
    first.child.stdin.end("the last line\n");
    assert.equal(await within(first.output, first.exited, PATIENCE_MS), 0, first.output());
    assert.match(first.output(), /^the last line$/m);
    assert.deepEqual(await readdir(first.folder), []);
  });
});

test("the command line prints its help, and refuses wrong arguments", () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [CLI, ...args], { encoding: "utf8", cwd: ROOT });
  const help = run("--help");
  assert.equal(help.status, 0);
  assert.match(help.stdout, /npm start \| npm run monitoring/);
  for (const port of [
    "prometheus=9090",
    "alertmanager=9093",
    "loki=3100",
    "lokiGrpc=9095",
    "natsExporter=7777",
    "publisher=3003",
    "grafana=3010",
  ])
    assert.ok(help.stdout.includes(port), port);
  for (const [args, message] of [
    [
      ["--gateway", "http://x"],
      '--gateway must be HOST:PORT with a port from 1 to 65535, for example 127.0.0.1:3002, or several separated by commas, not "http://x"',
    ],
    [["--gateway", "localhost:65536"], "--gateway must be HOST:PORT with a port from 1 to 65535"],
    [["--port", "grafan=1"], "--port must be NAME=PORT"],
    [["--port", "gateway=1"], "--port must be NAME=PORT, with NAME one of prometheus, "],
    [["--port", "loki=99999"], "--port must be NAME=PORT, with NAME one of "],
    [["--port", "loki=0"], "--port must be NAME=PORT, with NAME one of "],
    [["--prot", "x"], "--prot is not an option\n"],
  ] as const) {
    const { status, stderr } = run(...args);
    assert.equal(status, 2, stderr);
    assert.ok(stderr.startsWith(message), stderr);
  }
});

test("without the programs it prints how to get them", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "odin-local-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const env = { PATH: folder, ODIN_TOOLS: folder, TMPDIR: folder, HOME: folder };
  const { status, stderr } = spawnSync(process.execPath, [CLI], { encoding: "utf8", env, input: "" });
  assert.equal(status, 1);
  for (const name of LOCAL_PROGRAMS)
    assert.match(stderr, new RegExp(`^without ${name}: needs ${name}: `, "m"));
  assert.deepEqual(await readdir(folder), []);
});
