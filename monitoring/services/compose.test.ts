import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { monitoringFiles } from "../files.ts";
import { localOptions } from "../local/options.ts";
import { LOCAL_LOGS } from "./alloy.ts";
import { CONFIG_FOLDER } from "./grafana.ts";
import { PORTS } from "./ports.ts";

interface Volume {
  type: string;
  source: string;
  target: string;
  read_only: boolean;
  bind: { create_host_path: boolean };
}

interface Service {
  image: string;
  network_mode: string;
  command?: string[];
  environment?: Record<string, string>;
  volumes: Volume[];
}

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const text = read("../compose.yml");
const { services }: { services: Record<string, Service> } = parse(text);
/** Folders that `npm run render -- --stack local` makes in the repository. */
const RENDERED_FOLDERS = ["build/monitoring/local", "build/monitoring/logs"];

/** A mount that fails if its folder does not exist. */
const mounted = (folder: string, target: string): Volume => ({
  type: "bind",
  source: `../build/monitoring/${folder}`,
  target,
  read_only: true,
  bind: { create_host_path: false },
});

test("the images are the monitoring VM's images", () => {
  const images = read("../../infra/image/images.ts");
  for (const { image } of Object.values(services)) assert.ok(images.includes(`"${image}"`), image);
});

test("each container uses a rendered file, at the same path as on the VM", () => {
  const files = monitoringFiles(localOptions());
  for (const [name, { command = [], volumes, network_mode }] of Object.entries(services)) {
    assert.deepEqual(volumes[0], mounted("local", CONFIG_FOLDER), name);
    assert.equal(network_mode, "host", `${name}: the files use 127.0.0.1`);
    const [, path = ""] = new RegExp(`${CONFIG_FOLDER}/(\\S+)$`, "m").exec(command.join("\n")) ?? [];
    if (name === "grafana") continue;
    assert.ok(path in files, `${name}: ${path}`);
  }
  const { GF_PATHS_PROVISIONING: provisioning } = services.grafana?.environment ?? {};
  assert.equal(provisioning, `${CONFIG_FOLDER}/grafana/provisioning`);
});

test("containers listen on the ports of the files, and only on 127.0.0.1", () => {
  const flags = (name: string) => (services[name]?.command ?? []).join(" ");
  assert.ok(flags("prometheus").includes(`--web.listen-address=127.0.0.1:${PORTS.prometheus} `));
  assert.ok(flags("alertmanager").includes(`--web.listen-address=127.0.0.1:${PORTS.alertmanager} `));
  assert.ok(flags("loki").includes("-server.http-listen-address=127.0.0.1"));
  assert.ok(flags("alloy").includes(`--server.http.listen-addr=127.0.0.1:${PORTS.alloy} `));
  const { GF_SERVER_HTTP_ADDR, GF_SERVER_HTTP_PORT } = services.grafana?.environment ?? {};
  assert.deepEqual([GF_SERVER_HTTP_ADDR, GF_SERVER_HTTP_PORT], ["127.0.0.1", String(PORTS.grafana)]);
});

test("the folder that the log shipper reads is mounted", () => {
  assert.deepEqual(services.alloy?.volumes[1], mounted("logs", LOCAL_LOGS));
});

test("the first command of the instructions makes every mounted folder", () => {
  const commands = [...text.matchAll(/^# {3}(\S.*)$/gm)].map(([, command = ""]) => command);
  assert.match(commands[0] ?? "", /^npm run render -- --stack local$/);
  assert.match(commands.at(-1) ?? "", /^docker compose -f monitoring\/compose\.yml up\b/);
  const folders = Object.values(services).flatMap(({ volumes }) => volumes.map(({ source }) => source));
  const made = RENDERED_FOLDERS.map((folder) => `../${folder}`);
  assert.deepEqual([...new Set(folders)].sort(), [...made].sort());
});
