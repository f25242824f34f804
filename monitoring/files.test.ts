import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { monitoringFiles } from "./files.ts";

const options = { project: "my-project", zones: ["us-central1-a", "us-central1-b"], stack: "prod" };
const files = monitoringFiles(options);

test("a file for each part, and none is empty", () => {
  assert.deepEqual(Object.keys(files).sort(), [
    "alertmanager/alertmanager.yml",
    "alloy/gateway.alloy",
    "alloy/monitoring.alloy",
    "grafana/provisioning/dashboards/odin.yml",
    "grafana/provisioning/datasources/odin.yml",
    "loki/loki.yml",
    "prometheus/prometheus.yml",
  ]);
  for (const [path, content] of Object.entries(files)) assert.match(content, /\S\n$/, path);
});

test("the same options give the same bytes", () => {
  assert.deepEqual(monitoringFiles(options), files);
});

test("Prometheus finds the gateways of its own stack in every zone, by their private addresses", () => {
  const { scrape_configs: jobs, alerting } = parse(files["prometheus/prometheus.yml"] ?? "");
  const [gateway, ...others] = jobs;
  assert.equal(gateway.job_name, "gateway");
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
  ]);
  assert.deepEqual(
    others.map((job: { job_name: string; static_configs: { targets: string[] }[] }) => [
      job.job_name,
      job.static_configs[0]?.targets,
    ]),
    [
      ["prometheus", ["127.0.0.1:9090"]],
      ["alertmanager", ["127.0.0.1:9093"]],
      ["loki", ["127.0.0.1:3100"]],
    ],
  );
  assert.deepEqual(alerting.alertmanagers, [{ static_configs: [{ targets: ["127.0.0.1:9093"] }] }]);
});

test("Loki keeps everything on the data disk and forgets it after a week", () => {
  const loki = parse(files["loki/loki.yml"] ?? "");
  const folders = [
    loki.common.path_prefix,
    loki.common.storage.filesystem.chunks_directory,
    loki.common.storage.filesystem.rules_directory,
    loki.compactor.working_directory,
  ];
  for (const folder of folders) assert.match(folder, /^\$\{LOKI_DATA\}/);
  assert.equal(loki.limits_config.retention_period, "168h");
  assert.equal(loki.compactor.retention_enabled, true, "without it nothing is forgotten");
});

test("Grafana knows its three sources, and dashboards from the files", () => {
  const { datasources } = parse(files["grafana/provisioning/datasources/odin.yml"] ?? "");
  assert.deepEqual(
    datasources.map(({ uid, url }: { uid: string; url: string }) => [uid, url]),
    [
      ["prometheus", "http://127.0.0.1:9090"],
      ["loki", "http://127.0.0.1:3100"],
      ["alertmanager", "http://127.0.0.1:9093"],
    ],
  );
  const { providers } = parse(files["grafana/provisioning/dashboards/odin.yml"] ?? "");
  assert.equal(providers[0].options.path, "/var/lib/odin/config/current/grafana/dashboards");
});

test("Alertmanager's route leads to a receiver that exists", () => {
  const { route, receivers } = parse(files["alertmanager/alertmanager.yml"] ?? "");
  assert.ok(receivers.some(({ name }: { name: string }) => name === route.receiver));
});
