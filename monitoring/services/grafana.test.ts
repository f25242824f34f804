import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { DATASOURCE_UIDS } from "../dashboards/uids.ts";
import { monitoringFiles } from "../files.ts";
import { localOptions } from "../local/options.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { grafanaFiles } from "./grafana.ts";

const read = (options = SAMPLE) => {
  const files = grafanaFiles(options);
  return {
    sources: parse(files["grafana/provisioning/datasources/odin.yml"] ?? "").datasources,
    providers: parse(files["grafana/provisioning/dashboards/odin.yml"] ?? "").providers,
  };
};

test("Grafana has three data sources", () => {
  const urls = (sources: { uid: string; url: string }[]) => sources.map(({ uid, url }) => [uid, url]);
  assert.deepEqual(urls(read().sources), [
    ["prometheus", "http://127.0.0.1:9090"],
    ["loki", "http://127.0.0.1:3100"],
    ["alertmanager", "http://127.0.0.1:9093"],
  ]);
  assert.deepEqual(urls(read(localOptions({ ports: { prometheus: 1, loki: 2, alertmanager: 3 } })).sources), [
    ["prometheus", "http://127.0.0.1:1"],
    ["loki", "http://127.0.0.1:2"],
    ["alertmanager", "http://127.0.0.1:3"],
  ]);
});

test("Grafana reads dashboards from their folder, and panels name data sources that exist", () => {
  assert.equal(read().providers[0].options.path, "/var/lib/odin/config/current/grafana/dashboards");
  const known: string[] = [...Object.values(DATASOURCE_UIDS), "-- Grafana --", "-- Dashboard --"];
  const named = Object.entries(monitoringFiles(SAMPLE))
    .filter(([path]) => path.startsWith("grafana/dashboards/"))
    .flatMap(([, text]) =>
      [...text.matchAll(/"datasource": \{[^}]*"uid": "([^"]+)"/g)].map(([, uid]) => uid ?? ""),
    );
  assert.ok(named.length > 50);
  assert.deepEqual(
    [...new Set(named)].filter((uid) => !known.includes(uid)),
    [],
  );
});
