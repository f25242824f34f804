import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { monitoringFiles } from "./files.ts";
import { localOptions } from "./local/options.ts";
import type { MonitoringOptions } from "./options.ts";
import { SAMPLE } from "./testing/sample-options.fixture.ts";

const ALL: Record<string, MonitoringOptions> = {
  service: SAMPLE,
  "capacity-test": { ...SAMPLE, kind: "capacity-test" },
  local: localOptions(),
};

test("there is a file for each part, and no file is empty", () => {
  const common = [
    "alertmanager/alertmanager.yml",
    ...["capacity-test", "capacity", "logs", "nats", "operations"].map(
      (name) => `grafana/dashboards/${name}.json`,
    ),
    "grafana/provisioning/dashboards/odin.yml",
    "grafana/provisioning/datasources/odin.yml",
    "loki/loki.yml",
    "prometheus/prometheus.yml",
    "prometheus/rules/alerts.yml",
    "prometheus/rules/recording.yml",
  ];
  const shippers: Record<string, string[]> = {
    service: ["alloy/gateway.alloy", "alloy/monitoring.alloy", "alloy/nats.alloy"],
    "capacity-test": ["alloy/backend.alloy", "alloy/gateway.alloy"],
    local: ["alloy/local.alloy"],
  };
  for (const [kind, options] of Object.entries(ALL)) {
    const files = monitoringFiles(options);
    assert.deepEqual(Object.keys(files), [...common, ...(shippers[kind] ?? [])].sort(), kind);
    for (const [path, content] of Object.entries(files)) assert.match(content, /\S\n$/, path);
  }
});

test("files with the extension yml are YAML, files with the extension json are JSON", () => {
  for (const options of Object.values(ALL)) {
    for (const [path, content] of Object.entries(monitoringFiles(options))) {
      if (path.endsWith(".yml")) assert.ok(parse(content), path);
      if (path.endsWith(".json")) assert.ok(JSON.parse(content), path);
    }
  }
});

test("the same options give the same bytes", () => {
  for (const options of Object.values(ALL))
    assert.deepEqual(monitoringFiles(structuredClone(options)), monitoringFiles(options));
});

test("files of two deployments differ only where the name of the deployment is used", () => {
  const prod = monitoringFiles(SAMPLE);
  const other = monitoringFiles({ ...SAMPLE, stack: "staging" });
  const changed = Object.keys(prod).filter((path) => prod[path] !== other[path]);
  // All dashboards have the name in their titles.
  assert.deepEqual(
    changed.filter((path) => !path.startsWith("grafana/dashboards/")),
    ["prometheus/prometheus.yml"],
  );
});
