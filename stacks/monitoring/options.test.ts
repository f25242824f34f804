import assert from "node:assert/strict";
import { test } from "node:test";
import { PORTS } from "@odin-ws/infra";
import { PORTS as MONITORING_PORTS, type MonitoringOptions } from "@odin-ws/monitoring";
import { parseConfig } from "../config/config.ts";
import { billOf } from "../preview/costs.ts";
import { fleetsOf } from "../preview/fleet.ts";
import { graphOf } from "../preview/graph.ts";
import { repositoryFolder } from "../preview/record-stack.ts";
import { readStack } from "../preview/stack-config.ts";
import { recordWith } from "../recorded.fixture.ts";
import { monitoringOptions } from "./options.ts";

function optionsOf(stack: string, values: Record<string, string> = {}): MonitoringOptions {
  const { project, config } = readStack(repositoryFolder, stack);
  const own = Object.entries(config).filter(([key]) => key.startsWith(`${project}:`));
  return monitoringOptions(
    parseConfig({
      values: {
        ...Object.fromEntries(own.map(([key, value]) => [key.slice(project.length + 1), value])),
        ...values,
      },
      stack,
      project: "my-project",
      region: "us-central1",
    }),
  );
}

test("the ports of monitoring are the ports of the deployment", () => {
  const { gateway, publisher, prometheus, alertmanager, loki, grafana } = MONITORING_PORTS;
  assert.deepEqual(
    { gateway, publisher, prometheus, alertmanager, loki, grafana },
    {
      gateway: PORTS.ops,
      publisher: PORTS.publisher,
      prometheus: PORTS.prometheus,
      alertmanager: PORTS.alertmanager,
      loki: PORTS.loki,
      grafana: PORTS.grafana,
    },
  );
});

test("limits of a gateway are its settings, or the defaults of the settings", () => {
  const { memoryLimitBytes, maxConnections } = optionsOf("staging");
  assert.deepEqual([memoryLimitBytes, maxConnections], [7_516_192_768, 10_000]);
  const own = optionsOf("staging", {
    gateway: '{"WS_MAX_CONNECTIONS": 9876, "WS_MEMORY_LIMIT": 1000000000}',
  });
  assert.deepEqual([own.memoryLimitBytes, own.maxConnections], [1_000_000_000, 9876]);
});

test("on a small machine the memory limit is the limit that the gateway gets there", async () => {
  const { memoryLimitBytes } = optionsOf("staging", { machineType: "e2-medium" });
  assert.ok(memoryLimitBytes > 3e9 && memoryLimitBytes < 4 * 2 ** 30, `${memoryLimitBytes}`);
  const { all } = await recordWith("staging", { machineType: "e2-medium" });
  const [template] = all("gcp:compute/instanceTemplate:InstanceTemplate");
  const metadata = template?.inputs.metadata as Record<string, string>;
  assert.equal(metadata["odin-env-WS_MEMORY_LIMIT"], String(memoryLimitBytes));
});

test("NATS servers have the names of their VMs, and a stack with Synadia has no NATS servers", () => {
  assert.deepEqual(optionsOf("staging").natsMonitoring, ["odin-staging-nats"]);
  assert.deepEqual(optionsOf("prod").natsMonitoring, [
    "odin-prod-nats-0",
    "odin-prod-nats-1",
    "odin-prod-nats-2",
  ]);
  assert.deepEqual(optionsOf("capacity").natsMonitoring, ["odin-capacity-nats"]);
  const natsCredentials =
    "-----BEGIN NATS USER JWT-----\na\n-----BEGIN USER NKEY SEED-----\nb\n------END USER NKEY SEED------\n";
  assert.deepEqual(optionsOf("staging", { nats: "synadia", natsCredentials }).natsMonitoring, []);
});

test("the end of the credentials for NATS is known when their JWT has one", () => {
  const creds = (payload: object) => {
    const jwt = `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.c2ln`;
    return `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\nb\n------END USER NKEY SEED------\n`;
  };
  const endOf = (natsCredentials: string) =>
    optionsOf("staging", { nats: "synadia", natsCredentials }).natsCredentialsEnd;
  assert.equal(endOf(creds({ exp: 1_900_000_000, sub: "U" })), 1_900_000_000);
  assert.equal(endOf(creds({ sub: "U" })), undefined);
  assert.equal(endOf(creds({}).replace("e30.", "e30")), undefined, "no JWT");
});

test("alerts go to the webhook, PagerDuty and Slack, whose secrets are in no option, and a capacity test sends none", () => {
  const alertWebhook = "https://alerts.example.com/token";
  assert.deepEqual(optionsOf("staging").receivers, {});
  const { receivers } = optionsOf("staging", { alertWebhook });
  assert.deepEqual(receivers, { webhook: { file: "/run/odin/secrets/alertmanager-webhook" } });
  const alertPagerduty = "0123456789abcdef0123456789abcdef";
  const alertSlack = "https://hooks.slack.com/services/token";
  assert.deepEqual(optionsOf("staging", { alertPagerduty, alertSlack }).receivers, {
    pagerduty: { file: "/run/odin/secrets/alertmanager-pagerduty" },
    slack: { file: "/run/odin/secrets/alertmanager-slack" },
  });
  assert.deepEqual(optionsOf("capacity").receivers, {});
  assert.deepEqual(optionsOf("staging", { alertEmail: "ops@example.com" }).receivers, {});
});

for (const [stack, values] of [
  ["prod", {}],
  ["prod", { domain: "live.example.com" }],
  ["staging", {}],
] as const) {
  test(`monthly prices of ${stack} agree with the preview, ${JSON.stringify(values)}`, async () => {
    const { resources } = await recordWith(stack, values);
    const graph = graphOf(resources);
    const { least, most } = billOf(graph);
    const [fleet] = fleetsOf(graph);
    assert.ok(fleet);
    const { gateway, base } = optionsOf(stack, values).monthlyPrices;
    const near = (value: number, expected: number, tolerance: number) =>
      assert.ok(Math.abs(value - expected) < tolerance * expected, `${value}, the preview says ${expected}`);
    assert.ok(gateway !== undefined && base !== undefined);
    near(gateway, (most - least) / (fleet.max - fleet.min), 0.01);
    // Secrets, buckets and other items that cost cents are left out.
    near(base, least - fleet.min * gateway, 0.03);
  });
}
