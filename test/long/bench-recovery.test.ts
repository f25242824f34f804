/** `npm run bench:recovery`, with few clients and short faults. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutNats } from "../harness/nats.ts";

const CLI = fileURLToPath(new URL("../../bench/recovery/cli.ts", import.meta.url));

interface Row {
  scenario: string;
  peer: string;
  inOrderPercent: number;
  outages: number;
  neverBack: number;
  lossyClients: number;
  wrong: number;
}

test("each scenario, with each peer: nothing is lost here, and everybody is back", {
  skip: withoutNats(),
}, (t) => {
  const folder = mkdtempSync(join(tmpdir(), "odin-recovery-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const json = join(folder, "figures.json");
  const options = ["--clients", "100", "--seconds", "14", "--cut-every", "7", "--away", "1", "--drain", "4"];
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [CLI, ...options, "--check", "300", "--json", json],
    {
      encoding: "utf8",
      timeout: 300_000,
    },
  );
  const { outcomes } = JSON.parse(readFileSync(json, "utf8")) as { outcomes: Row[] };
  assert.equal(outcomes.length, 8, `${stdout}\n${stderr}`);
  for (const row of outcomes) {
    assert.ok(row.outages >= 100, `${row.scenario} ${row.peer}: ${row.outages} outages`);
    assert.equal(row.neverBack, 0, `${row.scenario} ${row.peer}`);
    assert.equal(row.wrong, 0, `${row.scenario} ${row.peer}`);
    if (row.peer !== "odin") continue;
    assert.deepEqual([row.inOrderPercent, row.lossyClients], [100, 0], `${row.scenario}\n${stdout}`);
  }
});
