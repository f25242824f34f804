import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { LOCAL_LOGS } from "./alloy.ts";
import { monitoringFiles } from "./files.ts";
import { CONFIG_FOLDER } from "./grafana.ts";
import { localOptions } from "./local-options.ts";
import { PORTS } from "./ports.ts";

interface Service {
  image: string;
  network_mode: string;
  command?: string[];
  environment?: Record<string, string>;
  volumes: string[];
}

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const { services }: { services: Record<string, Service> } = parse(read("./compose.yml"));

test("the images are those of the monitoring VM", () => {
  const images = read("../infra/images.ts");
  for (const { image } of Object.values(services)) assert.ok(images.includes(`"${image}"`), image);
});

test("the configuration of each is one of the rendered files, at the place where the VM has it", () => {
  const files = monitoringFiles(localOptions());
  for (const [name, { command = [], volumes, network_mode }] of Object.entries(services)) {
    assert.ok(volumes.includes(`../build/monitoring/local:${CONFIG_FOLDER}:ro`), name);
    assert.equal(network_mode, "host", `${name}: the files say 127.0.0.1`);
    const [, path = ""] = new RegExp(`${CONFIG_FOLDER}/(\\S+)$`, "m").exec(command.join("\n")) ?? [];
    if (name === "grafana") continue;
    assert.ok(path in files, `${name}: ${path}`);
  }
  const { GF_PATHS_PROVISIONING: provisioning } = services.grafana?.environment ?? {};
  assert.equal(provisioning, `${CONFIG_FOLDER}/grafana/provisioning`);
});

test("they listen where the files say, and on this machine only", () => {
  const flags = (name: string) => (services[name]?.command ?? []).join(" ");
  assert.ok(flags("prometheus").includes(`--web.listen-address=127.0.0.1:${PORTS.prometheus} `));
  assert.ok(flags("alertmanager").includes(`--web.listen-address=127.0.0.1:${PORTS.alertmanager} `));
  assert.ok(flags("loki").includes("-server.http-listen-address=127.0.0.1"));
  assert.ok(flags("alloy").includes(`--server.http.listen-addr=127.0.0.1:${PORTS.alloy} `));
  const { GF_SERVER_HTTP_ADDR, GF_SERVER_HTTP_PORT } = services.grafana?.environment ?? {};
  assert.deepEqual([GF_SERVER_HTTP_ADDR, GF_SERVER_HTTP_PORT], ["127.0.0.1", String(PORTS.grafana)]);
});

test("the log shipper sees the folder that its file names", () => {
  assert.ok(services.alloy?.volumes.includes(`../build/monitoring/logs:${LOCAL_LOGS}:ro`));
});
