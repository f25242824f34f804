import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { LOG_LABELS } from "../limits/log-labels.ts";
import { localOptions } from "../local/options.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { alloyFiles } from "./alloy.ts";
import { prometheusFiles } from "./prometheus.ts";

const service = alloyFiles(SAMPLE);
const capacity = alloyFiles({ ...SAMPLE, kind: "capacity-test" });
const local = alloyFiles(localOptions({ gateways: ["127.0.0.1:4000"], ports: { loki: 4100 } }));
const ALL = { ...service, ...capacity, ...local };
const textOf = (name: string) => ALL[`alloy/${name}.alloy`] ?? "";

test("the file that each start-up script names exists", () => {
  const named = ["gateway", "nats", "monitoring", "backend"].map((role) => {
    const script = readFileSync(new URL(`../../infra/startup/${role}.sh`, import.meta.url), "utf8");
    return /^SHIPPER_CONFIG=(\S+)$/m.exec(script)?.[1];
  });
  assert.deepEqual(named, [
    "alloy/gateway.alloy",
    "alloy/nats.alloy",
    "alloy/monitoring.alloy",
    "alloy/backend.alloy",
  ]);
  assert.deepEqual(Object.keys(service), [
    "alloy/gateway.alloy",
    "alloy/nats.alloy",
    "alloy/monitoring.alloy",
  ]);
  assert.ok(!("alloy/nats.alloy" in alloyFiles({ ...SAMPLE, natsMonitoring: [] })));
  assert.deepEqual(Object.keys(capacity), ["alloy/gateway.alloy", "alloy/backend.alloy"]);
  assert.deepEqual(Object.keys(local), ["alloy/local.alloy"]);
});

test("Alloy sends to LOKI_URL on a VM, and to the local Loki on a laptop", () => {
  for (const name of ["gateway", "monitoring", "backend"])
    assert.match(textOf(name), /url = sys\.env\("LOKI_URL"\) \+ "\/loki\/api\/v1\/push"/, name);
  assert.match(textOf("local"), /url = "http:\/\/127\.0\.0\.1:4100\/loki\/api\/v1\/push"/);
});

test("Alloy keeps only lines of its containers, of odin units and of the kernel", () => {
  const keepOf = (name: string) => {
    const [, written = ""] = /regex\s+= "([^"]+)"\n\s+action\s+= "keep"/.exec(textOf(name)) ?? [];
    // Alloy anchors the expression, and reads \\ as \.
    const keep = new RegExp(`^(?:${written.replaceAll("\\\\", "\\")})$`);
    return (container: string, unit: string, transport: string) =>
      keep.test([container, unit, transport].join(";"));
  };
  const kept = keepOf("gateway");
  assert.ok(kept("odin-gateway", "docker.service", "journal"));
  assert.ok(kept("", "google-startup-scripts.service", "stdout"));
  assert.ok(kept("", "odin-config-sync.service", "stdout"));
  assert.ok(kept("", "", "kernel"));
  assert.ok(!kept("odin-other", "docker.service", "journal"));
  assert.ok(!kept("odin-gateway-2", "docker.service", "journal"));
  assert.ok(!kept("", "sshd.service", "syslog"));
  assert.ok(!kept("", "odin-config-syncXservice", "stdout"));
  assert.ok(keepOf("nats")("odin-nats", "docker.service", "journal"));
  assert.ok(keepOf("monitoring")("odin-nats-exporter", "docker.service", "journal"));
  assert.ok(keepOf("backend")("odin-publisher", "docker.service", "journal"));
  // The shipper must not send its own lines: each line would cause another line.
  for (const name of ["gateway", "monitoring", "backend"])
    assert.ok(!keepOf(name)("odin-log-shipper", "docker.service", "journal"), name);
});

test("lines have only the labels of LOG_LABELS", () => {
  for (const [path, text] of Object.entries(ALL)) {
    const set = [...text.matchAll(/target_label\s+= "(\w+)"/g)].map(([, label]) => label);
    const [, fixed = ""] = /labels\s+= \{([^}]+)\}/.exec(text) ?? [];
    const [, targets = ""] = /path_targets = \[\{([^}]+)\}/.exec(text) ?? [];
    const named = [...`${fixed}${targets}`.matchAll(/(\w+) =/g)].map(([, label]) => label);
    const [, staged = ""] = /values = \{([^}]+)\}/.exec(text) ?? [];
    const fromLines = [...staged.matchAll(/(\w+) =/g)].map(([, label]) => label);
    const all = new Set([...named, ...set, ...fromLines].filter((label) => label !== "__path__"));
    assert.deepEqual([...all].sort(), Object.values(LOG_LABELS).sort(), path);
  }
  assert.match(textOf("local"), /regex {2}= "filename"\n\s+action = "labeldrop"/);
});

test("on the machine with Prometheus, Alloy has the exporters that Prometheus scrapes", () => {
  const { "prometheus/prometheus.yml": prometheus = "" } = prometheusFiles(SAMPLE);
  const paths = [...prometheus.matchAll(/component\/([\w.]+)\/metrics/g)];
  const scraped = [...new Set(paths.map(([, component]) => component))];
  const defined = [...textOf("monitoring").matchAll(/^(prometheus\.exporter\.\w+) "(\w+)"/gm)].map(
    ([, type, name]) => `${type}.${name}`,
  );
  assert.deepEqual(defined, scraped);
  assert.equal(defined.length, 2);
  const modules = [...prometheus.matchAll(/module:\n\s+- (\w+)/g)].map(([, module]) => module);
  assert.deepEqual(modules, ["certificate", "nats"]);
  for (const module of modules)
    assert.match(textOf("monitoring"), new RegExp(`modules: \\{.* ${module}: \\{ prober: tcp`));
  const { domain, ...closed } = SAMPLE;
  assert.ok(domain);
  const probed = (options: typeof SAMPLE) => alloyFiles(options)["alloy/monitoring.alloy"] ?? "";
  assert.match(probed(closed), /blackbox/);
  assert.doesNotMatch(probed({ ...closed, natsMonitoring: [] }), /blackbox/);
  for (const name of ["gateway", "nats", "backend"]) {
    assert.match(textOf(name), /^prometheus\.exporter\.unix "machine" \{$/m, name);
    assert.match(textOf(name), /set_collectors = \["conntrack", .*"netstat", "sockstat"\]/, name);
  }
});

test("rootfs_path is the folder where the start-up script mounts the disks", () => {
  const stack = readFileSync(new URL("../../infra/startup/config-sync.sh", import.meta.url), "utf8");
  const [, root] = /rootfs_path\s+= "([^"]+)"/.exec(textOf("monitoring")) ?? [];
  assert.ok(stack.includes(`--volume "$disk:${root}$disk:ro"`), root);
});

test("braces and brackets are balanced", () => {
  for (const [path, text] of Object.entries(ALL)) {
    for (const [open, close] of ["{}", "()"]) {
      const count = (sign = "") => text.split(sign).length - 1;
      assert.equal(count(open), count(close), `${open} and ${close} in ${path}`);
    }
  }
});
