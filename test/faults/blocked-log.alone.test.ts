/** A stdout that takes nothing: a pipe that nobody reads, a full disk. Log lines are lost, nothing else. */

import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { type Gateway, type GatewayOptions, startGateway } from "../harness/gateway.ts";
import { assertUndisturbed } from "../harness/neighbour.ts";
import type { Owner } from "../harness/owner.ts";
import { issue } from "../harness/tokens.ts";
import { eventually } from "../harness/wait.ts";

const SECRET = "a secret of at least thirty-two bytes, as HS256 wants it";
/** More than the queue of one process and the buffers of a pipe hold. */
const QUEUE_BYTES = 1_500_000;
/** A pipe keeps only lines of less than 4 KiB in one piece. */
const SHORT = 3000;
const LONG = 9000;
const AT_ONCE = 20;

interface Line {
  message: string;
  count?: number;
}

const start = (t: Owner, options: GatewayOptions = {}): Promise<Gateway> =>
  startGateway(t, {
    ...options,
    env: { AUTH_MODE: "jwt", JWT_SECRET: SECRET, LOG_LEVEL: "debug", ...options.env },
  });

// Each closed connection is logged at level debug with the name of its user: a long name makes a long line.
async function fillLog(t: Owner, gateway: Gateway, bytes: number, nameBytes: number): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next * nameBytes < bytes) {
      const sub = String(next++).padEnd(nameBytes, "x");
      const client = await connect(t, gateway, { token: await issue(SECRET, { sub }) });
      client.drop();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

// A pipe whose reading end this test holds; the gateway opens the writing end.
function makePipe(t: Owner): { path: string; fd: number } {
  const folder = mkdtempSync(join(tmpdir(), "odin-pipe-"));
  const path = join(folder, "stdout");
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  t.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  return { path, fd };
}

function readAll(fd: number): string {
  const chunk = Buffer.alloc(65_536);
  let text = "";
  try {
    for (;;) text += chunk.toString("utf8", 0, readSync(fd, chunk));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
  }
  return text;
}

const linesOf = (output: string): Line[] =>
  output
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
const lostIn = (lines: readonly Line[]): number =>
  lines
    .filter(({ message }) => message.startsWith("log lines are missing"))
    .reduce((sum, { count = 0 }) => sum + count, 0);

const NEEDS_LINUX = process.platform !== "linux" && "needs Linux";

describe("stdout takes nothing", () => {
  test("a socket that nobody reads: lines are lost and counted, all else continues, the end is not delayed", async (t) => {
    const gateway = await start(t);
    gateway.process.ignoreOutput();
    const token = await issue(SECRET, { sub: "neighbour" });
    await assertUndisturbed(t, gateway, () => fillLog(t, gateway, QUEUE_BYTES, LONG), token);
    const lost = await gateway.metric("ws_log_lines_lost_total", {}, (value) => value > 0);
    gateway.process.readOutput();
    await eventually("a line with the count", () => lostIn(linesOf(gateway.process.output)) > 0);
    assert.equal(lostIn(linesOf(gateway.process.output)), lost);
    gateway.process.ignoreOutput();
    await fillLog(t, gateway, QUEUE_BYTES, LONG);
    await gateway.metric("ws_log_lines_lost_total", {}, (value) => value > lost);
    assert.deepEqual(await gateway.stop("SIGTERM", 5000), { code: 0, signal: null });
  });

  test("a pipe that nobody reads, shared by two workers: the count is in the log, and no line is cut", {
    skip: NEEDS_LINUX,
  }, async (t) => {
    const { path, fd } = makePipe(t);
    const gateway = await start(t, { shell: `exec > ${path}`, env: { WS_WORKER_POOL_SIZE: "2" } });
    await fillLog(t, gateway, 2 * QUEUE_BYTES, SHORT);
    // Both workers lose lines, so both have to report their counts.
    const lost = await gateway.metric("ws_log_lines_lost_total", {}, (value) => value > 0);
    let output = "";
    await eventually("lines with the count", () => {
      output += readAll(fd);
      return lostIn(linesOf(output)) === lost;
    });
    await gateway.assertAlive();
  });

  test("a file that may not grow: lines are lost and counted, and the file continues when there is room", {
    skip: NEEDS_LINUX,
  }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "odin-log-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "log");
    const limit = 100_000;
    // A limit on the size of files: a write beyond it fails, as on a full disk, but in part.
    const gateway = await start(t, { shell: `exec > ${file}` });
    execFileSync("prlimit", ["--pid", String(gateway.process.pid), `--fsize=${limit}:unlimited`]);
    await fillLog(t, gateway, QUEUE_BYTES, LONG);
    assert.equal(readFileSync(file).length, limit);
    const lost = await gateway.metric("ws_log_lines_lost_total", {}, (value) => value > 0);
    execFileSync("prlimit", ["--pid", String(gateway.process.pid), "--fsize=unlimited"]);
    await eventually("a line with the count", () => lostIn(linesOf(readFileSync(file, "utf8"))) === lost);
    await gateway.assertAlive();
  });
});
