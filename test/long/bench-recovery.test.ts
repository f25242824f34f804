/** `npm run bench:recovery`, with few clients and short faults. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SCENARIOS } from "../../bench/recovery/scenarios.ts";
import { withoutNats } from "../harness/nats.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { within } from "../harness/wait.ts";

const CLI = fileURLToPath(new URL("../../bench/recovery/cli.ts", import.meta.url));
const LIMIT_MS = 300_000; // 5 min; a scenario with both peers takes less than one minute
const OPTIONS = ["--clients", "100", "--seconds", "14", "--cut-every", "7", "--away", "1", "--drain", "4"];

interface Row {
  scenario: string;
  peer: string;
  inOrderPercent: number;
  outages: number;
  neverBack: number;
  lossyClients: number;
  wrong: number;
}

// The scenarios mostly wait, so they run at the same time.
describe("bench of recoveries", { skip: withoutNats(), concurrency: true }, () => {
  for (const { name: scenario } of SCENARIOS)
    test(`${scenario}, with each peer: nothing is lost here, and everybody is back`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), "odin-recovery-"));
      t.after(() => rmSync(folder, { recursive: true }));
      const json = join(folder, "figures.json");
      const bench = new ProcessGroup(
        process.execPath,
        [CLI, "--scenarios", scenario, ...OPTIONS, "--check", "300", "--json", json],
        { PATH: process.env.PATH ?? "" },
      );
      t.after(() => bench.dispose());
      await within(() => bench.tail(), bench.exited, LIMIT_MS);
      const { outcomes } = JSON.parse(readFileSync(json, "utf8")) as { outcomes: Row[] };
      assert.deepEqual(
        outcomes.map((row) => row.scenario),
        [scenario, scenario],
        bench.output,
      );
      for (const row of outcomes) {
        assert.ok(row.outages >= 100, `${row.peer}: ${row.outages} outages`);
        assert.equal(row.neverBack, 0, row.peer);
        assert.equal(row.wrong, 0, row.peer);
        if (row.peer !== "odin") continue;
        assert.deepEqual([row.inOrderPercent, row.lossyClients], [100, 0], bench.output);
      }
    });
});
