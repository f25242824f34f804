/** The gcloud commands that README gives to backends, compared with those of an installed gcloud. */

import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";

const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
const [, behind = ""] = readme.split("### Publish from your backend\n");
const section = behind.split(/^### /m)[0] ?? "";
const { status } = spawnSync("gcloud", ["--version"], { stdio: "ignore" });
const skip = status !== 0 && "gcloud is not installed";

/** Words and flags of a command, without values. */
const read = (command: string) => ({
  words: (/^gcloud ((?:[a-z][a-z-]* )*[a-z][a-z-]*)/.exec(command)?.[1] ?? "").split(" "),
  flags: [...command.matchAll(/ (--[a-z-]+)/g)].map(([, flag = ""]) => flag),
});
const commands = [...section.matchAll(/gcloud [^`\n)"]+/g)].map(([command]) => command);
const cloudRun = /with `(--network [^`]+)`/.exec(section)?.[1] ?? "";

/** The manual page of a command; its last words may be names of what it works on. */
function manual(words: string[]): string {
  for (let length = words.length; length > 1; length--) {
    const { status: code, stdout } = spawnSync("gcloud", [...words.slice(0, length), "--help"], {
      encoding: "utf8",
      env: { ...process.env, CLOUDSDK_CORE_DISABLE_PROMPTS: "1", TERM: "dumb" },
    });
    if (code === 0) return stripVTControlCharacters(stdout);
  }
  return "";
}

for (const command of [...commands, `gcloud run deploy ${cloudRun}`])
  test(`gcloud has the flags of: ${command.slice(0, 70)}`, { skip }, () => {
    const { words, flags } = read(command);
    const page = manual(words);
    assert.match(page, /^NAME$/m, command);
    assert.ok(flags.length > 0, command);
    for (const flag of flags)
      assert.ok(
        new RegExp(`${flag}(?![\\w-])`).test(page) || flag === "--project",
        `${flag} in ${words.join(" ")}`,
      );
  });

test("the section has commands for secrets, peerings and Cloud Run", () => {
  assert.deepEqual(
    commands.map((command) => read(command).words.slice(0, 3).join(" ")),
    ["secrets versions access", "secrets versions access", "compute networks peerings"],
  );
  assert.match(cloudRun, /--vpc-egress private-ranges-only/);
});
