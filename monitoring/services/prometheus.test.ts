import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { localOptions } from "../local/options.ts";
import type { MonitoringOptions } from "../options.ts";
import { promtool } from "../testing/promtool.fixture.ts";
import { skipWithout } from "../testing/run-on-files.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { prometheusFiles } from "./prometheus.ts";

interface Job {
  job_name: string;
  static_configs?: { targets: string[]; labels?: Record<string, string> }[];
  gce_sd_configs?: object[];
  relabel_configs?: object[];
  metrics_path?: string;
  params?: object;
}

const read = (options: MonitoringOptions) =>
  parse(prometheusFiles(options)["prometheus/prometheus.yml"] ?? "");
const jobs = (options: MonitoringOptions): Job[] => read(options).scrape_configs;
const names = (options: MonitoringOptions) => jobs(options).map(({ job_name }) => job_name);

test("Prometheus finds the gateways of its own stack in every zone, by their private addresses", () => {
  const [gateway] = jobs(SAMPLE);
  assert.equal(gateway?.job_name, "gateway");
  assert.deepEqual(
    gateway.gce_sd_configs,
    ["us-central1-a", "us-central1-b"].map((zone) => ({
      project: "my-project",
      zone,
      filter: '(labels.stack = "prod") (labels.role = "gateway")',
      port: 3002,
      refresh_interval: "30s",
    })),
  );
  assert.deepEqual(gateway.relabel_configs, [
    { source_labels: ["__meta_gce_instance_status"], regex: "RUNNING", action: "keep" },
    { source_labels: ["__meta_gce_instance_name"], target_label: "instance" },
    { source_labels: ["__meta_gce_zone"], regex: ".*/([^/]+)", target_label: "zone" },
    { source_labels: ["__meta_gce_zone"], regex: ".*/([^/]+)-[a-z]", target_label: "region" },
  ]);
});

test("there is a job for every program whose metrics rules and dashboards use", () => {
  const ownPrograms = ["prometheus", "alertmanager", "loki"];
  assert.deepEqual(names(SAMPLE), [
    "gateway",
    "nats",
    "node",
    "entrance",
    "nats-certificate",
    ...ownPrograms,
  ]);
  const { domain, ...closed } = SAMPLE;
  assert.ok(domain);
  assert.deepEqual(names({ ...closed, natsMonitoring: [] }), ["gateway", "node", ...ownPrograms]);
  assert.deepEqual(names(localOptions()), ["gateway", ...ownPrograms]);
  assert.deepEqual(names(localOptions({ nats: true })), ["gateway", "nats", ...ownPrograms]);
  assert.deepEqual(names(localOptions({ publisher: true })), ["gateway", "publisher", ...ownPrograms]);
  assert.ok(names({ ...SAMPLE, kind: "capacity-test" }).includes("publisher"));
  const targets = Object.fromEntries(
    jobs(SAMPLE).flatMap(({ job_name, static_configs }) =>
      (static_configs ?? []).map((config) => [job_name, config]),
    ),
  );
  const labels = { instance: "monitoring" };
  assert.deepEqual(targets, {
    nats: { targets: ["127.0.0.1:7777"], labels },
    node: { targets: ["127.0.0.1:12345"], labels },
    entrance: { targets: ["127.0.0.1:12345"], labels: { instance: "live.example.com" } },
    prometheus: { targets: ["127.0.0.1:9090"], labels },
    alertmanager: { targets: ["127.0.0.1:9093"], labels },
    loki: { targets: ["127.0.0.1:3100"], labels },
  });
});

test("Prometheus scrapes Alloy's exporters at the paths of their components", () => {
  const [node, entrance] = ["node", "entrance"].map((name) =>
    jobs(SAMPLE).find(({ job_name }) => job_name === name),
  );
  assert.equal(node?.metrics_path, "/api/v0/component/prometheus.exporter.unix.machine/metrics");
  assert.equal(entrance?.metrics_path, "/api/v0/component/prometheus.exporter.blackbox.entrance/metrics");
  assert.deepEqual(entrance?.params, { module: ["certificate"], target: ["live.example.com:443"] });
});

test("Prometheus scrapes the machines of gateways and NATS servers, and its own", () => {
  const job = jobs(SAMPLE).find(({ job_name }) => job_name === "node");
  assert.deepEqual(
    job?.gce_sd_configs,
    ["us-central1-a", "us-central1-b"].map((zone) => ({
      project: "my-project",
      zone,
      filter: 'labels.stack = "prod"',
      port: 12345,
      refresh_interval: "1m",
    })),
  );
  // The empty alternative keeps the machine of Prometheus, which has no labels of Google Cloud.
  const keeps = job.relabel_configs?.slice(0, 2) as { regex: string }[];
  assert.deepEqual(
    keeps.map(({ regex }) => regex),
    ["gateway|nats|", "RUNNING|"],
  );
});

test("Prometheus probes the certificate of each NATS server through Alloy, under the server's name", () => {
  const job = jobs(SAMPLE).find(({ job_name }) => job_name === "nats-certificate");
  assert.deepEqual(
    job?.gce_sd_configs,
    ["us-central1-a", "us-central1-b"].map((zone) => ({
      project: "my-project",
      zone,
      filter: '(labels.stack = "prod") (labels.role = "nats")',
      port: 4222,
      refresh_interval: "5m",
    })),
  );
  assert.deepEqual(job.params, { module: ["nats"] });
  assert.deepEqual(job.relabel_configs?.slice(-2), [
    { source_labels: ["__address__"], target_label: "__param_target" },
    { target_label: "__address__", replacement: "127.0.0.1:12345" },
  ]);
});

test("on a laptop every target has the given address", () => {
  const options = localOptions({
    gateways: ["127.0.0.1:1"],
    ports: { prometheus: 2, alertmanager: 3, loki: 4 },
  });
  const all = jobs(options).flatMap(({ static_configs }) =>
    static_configs?.flatMap(({ targets }) => targets),
  );
  assert.deepEqual(all, ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"]);
  const publisher = jobs(localOptions({ publisher: true, ports: { publisher: 5 } })).find(
    ({ job_name }) => job_name === "publisher",
  );
  assert.deepEqual(publisher?.static_configs?.[0]?.targets, ["127.0.0.1:5"]);
  assert.equal(publisher?.metrics_path, undefined, "the service answers on /metrics, the default");
  assert.deepEqual(read(options).alerting.alertmanagers, [
    { static_configs: [{ targets: ["127.0.0.1:3"] }] },
  ]);
});

test("alerts have the label stack, and Prometheus reads all rules of the folder", () => {
  const { global, rule_files } = read(SAMPLE);
  assert.deepEqual(global.external_labels, { stack: "prod" });
  assert.deepEqual(rule_files, ["rules/*.yml"]);
  assert.deepEqual(Object.keys(prometheusFiles(SAMPLE)).sort(), [
    "prometheus/prometheus.yml",
    "prometheus/rules/alerts.yml",
    "prometheus/rules/recording.yml",
  ]);
});

test("promtool accepts the configuration with all its rules", { skip: skipWithout("promtool") }, async () => {
  for (const options of [
    SAMPLE,
    { ...SAMPLE, kind: "capacity-test" as const },
    localOptions({ nats: true, publisher: true }),
  ]) {
    const files = Object.fromEntries(
      Object.entries(prometheusFiles(options)).map(([path, text]) => [path.replace("prometheus/", ""), text]),
    );
    const { ok, output } = await promtool("check config", files, ["prometheus.yml"]);
    assert.ok(ok, output);
    assert.match(output, /rules\/alerts\.yml\n +SUCCESS: \d\d rules found/);
  }
});
