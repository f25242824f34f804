/** Checks of the text of the start-up scripts. */

import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bootMetadata, type Role, startupScript } from "../../infra/machines/boot.ts";

const ROLES: Role[] = ["gateway", "nats", "monitoring", "backend", "runner"];
const FOLDER = fileURLToPath(new URL("../../infra/startup", import.meta.url));
const STAND_INS = fileURLToPath(new URL("./stand-ins", import.meta.url));
const SETUP = fileURLToPath(new URL("./machine-setup.sh", import.meta.url));
const METADATA_LIMIT = 256 * 1024; // bytes of one value of instance metadata
const MAX_LINES = 300;

const files = globSync(`${FOLDER}/*.sh`).sort();
const withoutShellcheck = (): string | false =>
  spawnSync("shellcheck", ["--version"]).status === 0
    ? false
    : "needs shellcheck: apt-get install shellcheck";

/** The findings of shellcheck; empty when it finds nothing. It reads `input` for the argument `-`. */
function findings(args: string[], input?: string): string {
  const { stdout, stderr, status } = spawnSync("shellcheck", ["--format=gcc", ...args], {
    encoding: "utf8",
    ...(input === undefined ? {} : { input }),
  });
  assert.ok(status === 0 || stdout !== "", `shellcheck failed: ${stderr}`);
  return stdout;
}

describe("shellcheck", { skip: withoutShellcheck() }, () => {
  for (const role of ROLES) {
    test(`finds nothing in the whole script of ${role}`, () => {
      assert.equal(findings(["-"], startupScript(role)), "");
    });
  }

  test("finds nothing in the parts and in the stand-ins of the tests", () => {
    assert.ok(files.length > ROLES.length);
    assert.equal(findings(files), "");
    const standIns = globSync(`${STAND_INS}/*`);
    assert.ok(standIns.length > 3);
    assert.equal(findings([...standIns, SETUP]), "");
  });

  test("finds a mistake that is there", () => {
    assert.match(findings(["-"], "#!/bin/bash\ncat $1\n"), /SC2086/);
  });
});

test("a role's script is small enough for metadata, begins with the bash line and ends by calling main", () => {
  for (const role of ROLES) {
    const script = startupScript(role);
    assert.ok(Buffer.byteLength(script) < METADATA_LIMIT, `${role}: ${Buffer.byteLength(script)} bytes`);
    assert.match(script, /^#!\/usr\/bin\/env bash\n/);
    assert.match(script, /\nmain "\$@"\n$/);
    assert.equal(script.match(/^main "\$@"$/gm)?.length, 1, `${role} runs itself more than once`);
    assert.match(script, new RegExp(`^ROLE=${role}$`, "m"));
    assert.equal(bootMetadata({ role, images: {} })["startup-script"], script);
  }
});

test("every part is in the script of some role, and no part is too long", () => {
  const all = ROLES.map((role) => startupScript(role)).join("\n");
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    assert.ok(all.includes(text), `${basename(file)} is in no script`);
    assert.ok(text.split("\n").length <= MAX_LINES, `${basename(file)} is longer than ${MAX_LINES} lines`);
  }
});

test("no script uses a program that Container-Optimized OS does not have, or the retired container agent", () => {
  for (const file of files) {
    const code = readFileSync(file, "utf8").replaceAll(/^\s*#.*$/gm, "");
    assert.doesNotMatch(code, /\b(jq|gcloud|gsutil|python3?|perl|apt-get|gce-container-declaration)\b/, file);
  }
});

test("a $(…) that may end the run is the whole assignment, because bash would continue otherwise", () => {
  for (const file of files) {
    const uses =
      readFileSync(file, "utf8").match(
        /^.*\$\((whole_number|password|nats_config|fetch|from_metadata)\b.*$/gm,
      ) ?? [];
    for (const line of uses) assert.match(line, /^\s*\w+="\$\(\w+ [^()]*\)"$/, `${basename(file)}: ${line}`);
  }
});
