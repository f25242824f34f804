/** Every stack of this repository against what its providers declare. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { record } from "../../infra/offline/offline.ts";
import { readStack, stackNames } from "../../stacks/preview/stack-config.ts";
import { repository } from "../engine/repository.ts";
import { droppedArguments, schemaProblems } from "./check-schema.ts";
import { PROVIDER } from "./typings.ts";
import { watchArguments } from "./watch-arguments.ts";

const SDKS = ["gcp", "docker", "command", "random", "tls"];

// Before the programs are loaded: they take the classes of the smaller SDKs out of their modules as they load.
const { given } = watchArguments(SDKS.map((name) => `@pulumi/${name}`));
const { default: program } = await import("../../stacks/index.ts");

const CREDENTIALS = "-----BEGIN NATS USER JWT-----\na\n-----BEGIN USER NKEY SEED-----\nb\n";

/** Each stack as it is, and what a stack can be configured to be. */
const VARIANTS: [name: string, stack: string, values: Record<string, string>][] = [
  ...stackNames(repository).map((stack): (typeof VARIANTS)[number] => [stack, stack, {}]),
  [
    "prod with everything",
    "prod",
    {
      domain: "live.example.com",
      dnsZone: "example-com",
      alertEmail: "ops@example.com",
      alertWebhook: "https://alerts.example.com/token",
      alertPagerduty: "0123456789abcdef0123456789abcdef",
      alertSlack: "https://hooks.slack.com/services/token",
      runbookUrl: "https://example.com/docs/runbook.md",
      monthlyBudget: "400",
      allowedOrigins: '["https://app.example.com"]',
    },
  ],
  ["prod with a domain whose zone is elsewhere", "prod", { domain: "live.example.com" }],
  ["prod with Synadia", "prod", { nats: "synadia", natsCredentials: CREDENTIALS }],
];

async function resourcesOf(stack: string, values: Record<string, string>) {
  const { project, config, secretKeys } = readStack(repository, stack);
  const secrets = stack === "capacity" ? {} : { jwtSecret: "key-of-the-clients-tokens-0123456789" };
  const own = Object.entries({ ...secrets, ...values }).map(([key, value]) => [`${project}:${key}`, value]);
  const all = { ...config, ...(Object.fromEntries(own) as Record<string, string>) };
  const { resources } = await record(program, { project, stack, config: all, secretKeys });
  return resources;
}

for (const [name, stack, values] of VARIANTS) {
  given.length = 0;
  const resources = await resourcesOf(stack, values); // one after the other: the SDK runs one program at a time
  const arguments_ = [...given];
  describe(name, () => {
    test("no argument is unknown, deprecated, missing or of a value that it cannot have", () => {
      assert.ok(resources.length > 40, `${resources.length} resources`);
      assert.deepEqual(schemaProblems(resources), []);
    });

    test("no argument is dropped on the way", () => {
      // A package offers its provider in a way that cannot be watched.
      const watched = resources.filter(({ custom, type }) => custom && !PROVIDER.test(type));
      const custom = watched.map(({ type, name }) => `${type} ${name}`);
      const seen = arguments_.map(({ type, name }) => `${type} ${name}`);
      assert.deepEqual(seen.sort(), custom.sort(), "the arguments of all resources are seen");
      assert.deepEqual(droppedArguments(arguments_), []);
    });
  });
}
