import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fakeScript } from "../fake-machine.fixture.ts";

const SCRIPT = join(import.meta.dirname, "../bootstrap.sh");
const FAKE = join(import.meta.dirname, "fake-gcloud.sh");

/** A machine with a fake gcloud for the tests of bootstrap.sh. Its two projects are empty at first. */
export function machine(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "odin-bootstrap-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const bin = join(root, "bin");
  fakeScript(bin, "gcloud", `exec bash "${FAKE}" "$@"`);
  const log = join(root, "log");
  const state = join(root, "state");
  mkdirSync(state);
  for (const project of ["my-project", "staging-project"])
    writeFileSync(join(state, ` projects ${project}`), "");
  writeFileSync(join(state, " billing projects my-project"), "billingAccountName billingAccounts/0A-0B-0C\n");
  writeFileSync(join(state, " billing accounts 0A-0B-0C"), "");
  writeFileSync(join(state, " compute regions us-central1"), "quota CPUS 72.0\nquota SSD_TOTAL_GB 500.0\n");
  writeFileSync(join(state, " compute project-info"), "quota CPUS_ALL_REGIONS 72.0\n");
  return {
    state,
    /** Commands that have changed something since the last call of `changes`. */
    changes: () => {
      const lines = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").filter(Boolean) : [];
      rmSync(log, { force: true });
      return lines;
    },
    run: (args: string[], env: NodeJS.ProcessEnv = {}) => {
      const fake = { FAKE_STATE: state, FAKE_LOG: log, ODIN_BOOTSTRAP_PAUSE: "0" };
      const ended = spawnSync("bash", [SCRIPT, ...args], {
        encoding: "utf8",
        env: { PATH: `${bin}:/usr/bin:/bin`, TMPDIR: root, ...fake, ...env },
      });
      return { code: ended.status, out: ended.stdout, err: ended.stderr };
    },
  };
}

/** The only line that matches. @throws AssertionError when no line or several lines match */
export const one = (lines: string[], pattern: RegExp): string => {
  const found = lines.filter((line) => pattern.test(line));
  assert.equal(found.length, 1, `${pattern} in\n${lines.join("\n")}`);
  return found[0] ?? "";
};
