/** `npm run chaos` with a fault in the sources, and when it is interrupted. */

import { strict as assert } from "node:assert";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { apply, copySources } from "../chaos/mutants/copy.ts";
import { MUTANTS } from "../chaos/mutants/mutants.ts";
import { withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually, within } from "../harness/wait.ts";
import { guardFolder } from "../harness/watchdog.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const RUN_MS = 400_000; // ms
const SMALL = ["--seed", "7", "--minutes", "1", "--clients", "12", "--gateways", "2"];

/** Runs the command of the sources in a folder. `temporary`: folder for the files of the run. */
function chaos(owner: Owner, folder: string, temporary: string, ...args: string[]): ProcessGroup {
  const { PATH = "", HOME = "", NODE_COMPILE_CACHE = "" } = process.env;
  const command = [join(folder, "test/chaos/cli.ts"), ...SMALL, ...args];
  const env = { PATH, HOME, NODE_COMPILE_CACHE, TMPDIR: temporary };
  const group = new ProcessGroup(process.execPath, command, env);
  owner.after(() => group.dispose());
  return group;
}

const disksIn = (folder: string) => readdirSync(folder).filter((name) => name.startsWith("odin-chaos-disk-"));

describe("chaos", { skip: withoutNats() }, () => {
  test("a fault in the gateway: seed, timeline, and the shortest list of faults", async (t) => {
    const folder = copySources();
    apply(
      folder,
      MUTANTS.find(({ name }) => /leaves out its newest message/.test(name)) as (typeof MUTANTS)[number],
    );
    const run = chaos(t, folder, tmpdir(), "--faults", "line-cut,client-move", "--runs", "1");
    const { code } = await within(() => `end of chaos:\n${run.tail()}`, run.exited, RUN_MS);
    assert.equal(code, 1, run.output);
    assert.match(
      run.output,
      /\n +-?[\d.]+ s {2}client \d+, listener \d+: message \d+ of \S+ is missing, and nothing/,
    );
    assert.match(
      run.output,
      /\nfaults before the first violation:\n( +[\d.]+ s {2}(line-cut|client-move) line \d+\n)+/,
    );
    assert.match(run.output, /\nseed 7: \d+ violations\n/);
    assert.match(
      run.output,
      /\nthe shortest list of faults that still fails:\n( +[\d.]+ s {2}\S+ line \d+\n)+$/,
    );
  });

  test("a run that is interrupted leaves no process and no disk", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "odin-chaos-test-"));
    guardFolder(folder);
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const run = chaos(t, ROOT, folder);
    await eventually("the first fault", () => / s {2}\S+ \S+ \d/.test(run.output), 60_000);
    assert.equal(disksIn(folder).length, 3);
    run.signal("SIGTERM");
    assert.deepEqual(await within(() => `end of chaos:\n${run.tail()}`, run.exited, 30_000), {
      code: 143,
      signal: null,
    });
    assert.deepEqual(disksIn(folder), []);
    assert.deepEqual(run.processes(), []);
  });
});
