/** Checks the resources of every stack of this repository against the schemas of their providers. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { stackNames } from "../../stacks/preview/stack-config.ts";
import { repository } from "../engine/repository.ts";
import { droppedArguments, schemaProblems } from "./check-schema.ts";
import { PROVIDER } from "./typings.ts";
import { watchArguments } from "./watch-arguments.ts";

const SDKS = ["gcp", "command", "random", "tls"];

// Watches before the program is loaded, because the program takes the classes of the smaller SDKs out of
// their modules as it loads.
const { given } = watchArguments(SDKS.map((name) => `@pulumi/${name}`));
const { recordWith } = await import("../../stacks/recorded.fixture.ts");
const { THREE_REGIONS, withDrain } = await import("../../stacks/regions.fixture.ts");

const CREDENTIALS = "-----BEGIN NATS USER JWT-----\na\n-----BEGIN USER NKEY SEED-----\nb\n";

/** Every stack with its own values, and prod with optional parts. */
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
  [
    "prod with publishers in other networks and outside",
    "prod",
    {
      publishers:
        '{"market":{"subjects":["odin.token.*.trade"],"logins":[1,2],"outside":true},"publisher":{}}',
      publisherNetworks: '["projects/my-backend/global/networks/default"]',
      publisherRanges: '["10.128.0.0/20"]',
      natsPublicRanges: '["203.0.113.7/32"]',
    },
  ],
  ["prod with a domain whose zone is elsewhere", "prod", { domain: "live.example.com" }],
  ["prod in three regions", "prod", THREE_REGIONS],
  ["prod with a region that is being removed", "prod", withDrain("europe-west1")],
  ["prod with Synadia", "prod", { nats: "synadia", natsCredentials: CREDENTIALS }],
];

for (const [name, stack, values] of VARIANTS) {
  given.length = 0;
  // One stack after the other, because the SDK runs one program at a time.
  const { resources } = await recordWith(stack, values);
  const arguments_ = [...given];
  describe(name, () => {
    test("no argument is unknown, deprecated or missing, and every value is allowed", () => {
      assert.ok(resources.length > 40, `${resources.length} resources`);
      assert.deepEqual(schemaProblems(resources), []);
    });

    test("no argument is dropped on the way", () => {
      // The class of a package's provider cannot be watched.
      const watched = resources.filter(({ custom, type }) => custom && !PROVIDER.test(type));
      const custom = watched.map(({ type, name }) => `${type} ${name}`);
      const seen = arguments_.map(({ type, name }) => `${type} ${name}`);
      assert.deepEqual(seen.sort(), custom.sort(), "the arguments of all resources are seen");
      assert.deepEqual(droppedArguments(arguments_), []);
    });
  });
}
