import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { Firewall, firewallMistakes } from "./firewall.ts";
import type { FirewallRule } from "./firewall-rules.ts";

const TYPE = "gcp:compute/firewall:Firewall";

const RULE: FirewallRule = {
  name: "metrics",
  why: "Prometheus reads the metrics.",
  ports: [3002, 3004],
  fromAccounts: ["monitoring@test-project.iam.gserviceaccount.com"],
  to: ["gateway@test-project.iam.gserviceaccount.com"],
};

function withRanges(fromRanges: string[], ports = [3002]): FirewallRule {
  const { fromAccounts: _, ...rule } = RULE;
  return { ...rule, fromRanges, ports };
}

const problems = (rule: Partial<FirewallRule>) =>
  firewallMistakes([{ ...RULE, ...rule }], "odin-test").map(
    ({ propertyPath, reason }) => `${propertyPath}: ${reason}`,
  );

test("a rule between accounts", async () => {
  const { one } = await record(
    () =>
      new Firewall("firewall", {
        site: testSite,
        network: pulumi.output("projects/test-project/global/networks/main"),
        rules: [RULE],
      }),
  );
  const rule = one(TYPE, "firewall-metrics");
  assert.equal(rule.parent, one("odin-ws:index:Firewall").urn);
  assert.deepEqual(rule.inputs, {
    name: "odin-test-metrics",
    project: "test-project",
    network: "projects/test-project/global/networks/main",
    description: "Prometheus reads the metrics.",
    direction: "INGRESS",
    allows: [{ protocol: "tcp", ports: ["3002", "3004"] }],
    sourceServiceAccounts: ["monitoring@test-project.iam.gserviceaccount.com"],
    targetServiceAccounts: ["gateway@test-project.iam.gserviceaccount.com"],
  });
});

test("a rule from ranges to accounts", async () => {
  const { one } = await record(
    () =>
      new Firewall("firewall", { site: testSite, network: "main", rules: [withRanges(["35.191.0.0/16"])] }),
  );
  const { inputs } = one(TYPE);
  assert.deepEqual(inputs.sourceRanges, ["35.191.0.0/16"]);
  assert.equal("sourceServiceAccounts" in inputs, false);
  assert.deepEqual(inputs.targetServiceAccounts, ["gateway@test-project.iam.gserviceaccount.com"]);
});

test("a mistake stops the program, and the error says where the mistake is", async () => {
  const rules = [RULE, { ...RULE, ports: [70000] }];
  await assert.rejects(
    record(() => new Firewall("firewall", { site: testSite, network: "main", rules })),
    (error) => {
      assert.ok(error instanceof Error && "errors" in error);
      assert.deepEqual(error.errors, [
        {
          propertyPath: "rules[1].ports",
          reason: "has 70000: a port must be a whole number from 1 to 65535",
        },
        { propertyPath: "rules[1].name", reason: "is metrics, which is the name of another rule" },
      ]);
      assert.match(error.message, /^firewall "firewall" cannot be created:\n {2}rules\[1\]\.ports has 70000/);
      return true;
    },
  );
});

test("mistakes in a rule", () => {
  const accounts = Array.from(
    { length: 11 },
    (_, index) => `role${index}@test-project.iam.gserviceaccount.com`,
  );
  assert.deepEqual(problems({}), []);
  assert.deepEqual(problems({ name: "Metrics" }), [
    "rules[0].name: makes the name odin-test-Metrics in the cloud: allowed are a-z, 0-9 and -, at most 63 characters",
  ]);
  assert.match(String(problems({ name: "m".repeat(54) })), /at most 63/);
  assert.match(String(problems({ why: "metrics" })), /^rules\[0\].why: gives no reason/);
  assert.match(String(problems({ ports: [] })), /^rules\[0\].ports: is empty/);
  assert.match(
    String(problems({ fromRanges: ["10.0.0.0/8"] })),
    /^rules\[0\].fromRanges: or fromAccounts must be set, and not both/,
  );
  assert.match(String(problems({ fromAccounts: [] })), /^rules\[0\].fromAccounts: is empty/);
  assert.match(String(problems({ fromAccounts: accounts })), /has 11 accounts: Google allows 10/);
  assert.deepEqual(problems({ fromAccounts: accounts.slice(1) }), []);
  assert.match(String(problems({ to: [] })), /^rules\[0\].to: is empty/);
  assert.match(String(problems({ to: ["gateway"] })), /has gateway: it must be the e-mail/);
  assert.match(String(problems({ to: [`serviceAccount:${accounts[0]}`] })), /must be the e-mail/);
});

test("only the port of clients is open to everyone", () => {
  const of = (rule: FirewallRule) => firewallMistakes([rule], "odin-test").map(({ reason }) => reason);
  assert.deepEqual(of(withRanges(["0.0.0.0/0"], [3004])), []);
  assert.deepEqual(of(withRanges(["0.0.0.0/0"], [3004, 3002])), [
    "has 0.0.0.0/0: everyone may reach only 3004, the port of clients",
  ]);
  assert.deepEqual(of(withRanges(["everyone"])), [
    "has everyone: it must be a range, for example 10.10.0.0/20",
  ]);
  assert.deepEqual(of(withRanges([])), ["is empty"]);
});

test("ports are whole numbers from 1 to 65535", () => {
  fc.assert(
    fc.property(fc.oneof(fc.integer({ min: -10, max: 70_000 }), fc.double()), (port) => {
      const valid = Number.isInteger(port) && port > 0 && port < 2 ** 16;
      assert.equal(problems({ ports: [port] }).length, valid ? 0 : 1);
    }),
  );
});
