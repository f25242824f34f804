/**
 * A signal to a whole process group, as a terminal or a supervisor sends it: `npm run` passes it on, so that
 * a program gets the signal twice.
 */

import { strict as assert } from "node:assert";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect } from "../../harness/client.ts";
import { npm } from "../../harness/demo.ts";
import { startGateway } from "../../harness/gateway.ts";
import { get } from "../../harness/http.ts";
import { withoutNats } from "../../harness/nats.ts";
import type { Owner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";
import { ProcessGroup } from "../../harness/process-group.ts";
import { eventually, LATER_SIGNAL_MS, pause, within } from "../../harness/wait.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PATIENCE_MS = 60_000; // ms

const signalGroup = ({ pid }: ProcessGroup, signal: NodeJS.Signals) => process.kill(-pid, signal);

/** Waits for the end of a script. A gateway that drains, for 2 minutes, ends too late. */
const endOf = (script: ProcessGroup) =>
  within(() => `the end:\n${script.tail()}`, script.exited, PATIENCE_MS);

const noneLeft = (script: ProcessGroup) =>
  eventually(
    () => `no process left, but ${JSON.stringify(script.processes())}`,
    () => script.processes().length === 0,
  );

function temporaryFolder(owner: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), "odin-signals-"));
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** `npm run gateway` with two workers, and a client of the gateway. */
async function startScript(owner: Owner, drainSeconds: number) {
  const [port, ops] = [await freePort(), await freePort()];
  const script = npm(owner, ["run", "gateway"], {
    AUTH_MODE: "none",
    SOURCE: "simulator",
    WS_PORT: String(port),
    OPS_PORT: String(ops),
    WS_WORKER_POOL_SIZE: "2",
    WS_DRAIN_SECONDS: String(drainSeconds),
    WS_CPU_LIMIT: "64",
    GCP_METRICS: "off",
    LOG_FORMAT: "json",
  });
  await eventually(
    () => `a healthy gateway:\n${script.tail()}`,
    async () => (await get(`http://127.0.0.1:${ops}/health`)).status === 200,
    PATIENCE_MS,
  );
  return { script, client: await connect(owner, { wsPort: port }) };
}

describe("signals to a process group", { concurrency: 2 }, () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    test(`npm run gateway drains once on a doubled ${signal}`, async (t) => {
      const { script, client } = await startScript(t, 2);
      signalGroup(script, signal);
      assert.equal((await within("close", client.closed)).code, 1012, "a client of a drain");
      assert.deepEqual(await endOf(script), { code: 0, signal: null }, script.output);
      await noneLeft(script);
      assert.equal(script.output.match(/"message":"draining"/g)?.length, 1, script.output);
      assert.match(script.output, /"gateway has ended"/);
    });

  test("npm run gateway ends at once on a later second signal", async (t) => {
    const { script } = await startScript(t, 120);
    signalGroup(script, "SIGTERM");
    await pause(LATER_SIGNAL_MS);
    assert.equal(script.exit, undefined, script.output);
    signalGroup(script, "SIGINT");
    await endOf(script);
    await noneLeft(script);
  });

  test("npm run loadtest reports after a doubled SIGINT, and ends its workers at once after a later one", async (t) => {
    const gateway = await startGateway(t, { env: { SIMULATOR_RATE: "50" } });
    const run = async () => {
      const out = temporaryFolder(t);
      const args = ["--url", gateway.url, "--connections", "20", "--workers", "2", "--duration", "10m"];
      const metrics = `http://127.0.0.1:${gateway.opsPort}/metrics`;
      const script = npm(
        t,
        ["run", "loadtest", "--", "sustained", ...args, "--metrics", metrics, "--out", out],
        {},
      );
      await eventually(
        () => `workers:\n${script.tail()}`,
        () => script.processes().length >= 4 && /received|msg\/s|deliveries|as published/.test(script.output),
        PATIENCE_MS,
      );
      return { out, script };
    };
    const patient = await run();
    signalGroup(patient.script, "SIGINT");
    await endOf(patient.script);
    await noneLeft(patient.script);
    const report = readdirSync(patient.out).find((name) => name.endsWith(".json")) ?? "";
    assert.equal(JSON.parse(readFileSync(join(patient.out, report), "utf8")).outcome, "stopped");
    const hasty = await run();
    gateway.process.signal("SIGSTOP"); // Without answers, ending in good order takes a while.
    signalGroup(hasty.script, "SIGINT");
    await pause(LATER_SIGNAL_MS);
    signalGroup(hasty.script, "SIGINT");
    await endOf(hasty.script);
    await noneLeft(hasty.script);
    assert.deepEqual(readdirSync(hasty.out), [], "no report");
    gateway.process.signal("SIGCONT");
  });

  test("npm start ends the build of the page on a doubled SIGINT", async (t) => {
    // A copy, where no page has been built.
    const root = temporaryFolder(t);
    for (const folder of ["client", "protocol", "server"]) {
      const filter = (path: string) => !/\/(dist|node_modules)$/.test(path);
      cpSync(join(ROOT, folder), join(root, folder), { recursive: true, filter });
    }
    for (const name of ["package.json", "package-lock.json", "tsconfig.json"])
      cpSync(join(ROOT, name), join(root, name));
    symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
    const env = { PATH: process.env.PATH ?? "", HOME: root };
    const script = new ProcessGroup(process.execPath, [join(root, "server/src/demo.ts")], env);
    t.after(() => script.dispose());
    await eventually(script.tail.bind(script), () => script.output.includes("building"), PATIENCE_MS);
    signalGroup(script, "SIGINT");
    script.signal("SIGINT");
    assert.deepEqual(await endOf(script), { code: 0, signal: null });
    await noneLeft(script);
  });

  const withoutBench = process.platform === "linux" ? withoutNats() : "the bench needs Linux";
  test("npm run bench ends every process that it has started", { skip: withoutBench }, async (t) => {
    const folder = temporaryFolder(t);
    const options = ["--quick", "--only", "ws", "--connections", "50", "--json", join(folder, "bench.json")];
    const script = npm(t, ["run", "bench", "--", ...options], {});
    const started = await eventually(
      () => `processes of the bench:\n${script.tail()}`,
      () => {
        const tree = treeOf(script.pid);
        return tree.length >= 4 && tree;
      },
      PATIENCE_MS,
    );
    signalGroup(script, "SIGTERM");
    await endOf(script);
    await eventually(
      () => `no process left, but ${started.filter(lives)}`,
      () => started.every((pid) => !lives(pid)),
    );
  });
});

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? -1 : Number(parent);
  } catch {
    return -1; // The process has ended.
  }
}

const lives = (pid: number): boolean => parentOf(pid) !== -1;

/** A process and all its descendants: the bench starts processes in groups of their own. */
function treeOf(root: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const parents = pids.map((name) => [Number(name), parentOf(Number(name))] as const);
  const tree = [root];
  for (const pid of tree)
    tree.push(...parents.filter(([, parent]) => parent === pid).map(([child]) => child));
  return tree;
}
