/**
 * The gcloud commands that README gives to backends, compared with the flags in gcloud-flags.fixture.json.
 * These flags come from the help pages of gcloud 528.0.0, for example of `gcloud run deploy --help`, so the
 * test runs without gcloud.
 */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const FLAGS = JSON.parse(read("gcloud-flags.fixture.json")) as Record<string, string[]>;
const [, behind = ""] = read("../../README.md").split("### Publish from your backend\n");
const section = behind.split(/^### /m)[0] ?? "";
const cloudRun = /with `(--network [^`]+)`/.exec(section)?.[1] ?? "";
const commands = [
  ...[...section.matchAll(/gcloud [^`\n)"]+/g)].map(([command]) => command),
  `gcloud run deploy ${cloudRun}`,
];

/** The words of the fixture with which a command begins. */
const commandOf = (text: string) =>
  Object.keys(FLAGS).find((words) => text.startsWith(`gcloud ${words} `)) ?? `unknown: ${text}`;

for (const command of commands)
  test(`gcloud has the flags of: ${command.slice(0, 70)}`, () => {
    const flags = [...command.matchAll(/ (--[a-z-]+)/g)].map(([, flag = ""]) => flag);
    assert.ok(flags.length > 0, command);
    const known = FLAGS[commandOf(command)] ?? [];
    assert.deepEqual(
      flags.filter((flag) => !known.includes(flag)),
      [],
      commandOf(command),
    );
  });

test("the section has commands for secrets, peerings and Cloud Run", () => {
  assert.deepEqual(commands.map(commandOf), [
    "secrets versions access",
    "secrets versions access",
    "compute networks peerings create",
    "run deploy",
  ]);
  assert.match(cloudRun, /--vpc-egress private-ranges-only/);
});
