/** The monitoring VM and its configuration from the bucket. */

import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import type { Owner } from "../../harness/owner.ts";
import { eventually } from "../../harness/wait.ts";
import { buildMachine, type Machine, type Outcome, SUITE, whyNoMachine } from "../../startup/machine.ts";

const BUCKET = "odin-config";
const CURRENT = "/var/lib/odin/config/current";
const REGISTRY = "us-central1-docker.pkg.dev/project/mirror";
const DEVICE = "/mnt/device"; // a device that is never mounted
const PASSWORD = "projects/1/secrets/grafana/versions/1";

const FILES: Record<string, string> = {
  "prometheus/prometheus.yml": "global: {}\n",
  "prometheus/rules/alerts.yml": "groups: []\n",
  "alertmanager/alertmanager.yml": "route: {}\n",
  "loki/loki.yml": "server: {}\n",
  "grafana/provisioning/datasources/all.yml": "apiVersion: 1\n",
  "grafana/dashboards/overview.json": "{}\n",
  "empty.txt": "",
};

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/**
 * Replaces the bucket's content by these files and their manifest.
 * @param wrong checksums to list instead, by path
 */
function upload({ cloud }: Machine, files: Record<string, string>, wrong: Record<string, string> = {}): void {
  cloud.objects = {};
  for (const [path, text] of Object.entries(files)) cloud.objects[`${BUCKET}/${path}`] = text;
  const lines = Object.entries(files).map(([path, text]) => `${wrong[path] ?? sha256(text)}  ${path}\n`);
  cloud.objects[`${BUCKET}/manifest`] = lines.join("");
}

async function buildMonitoring(owner: Owner): Promise<Machine> {
  const machine = await buildMachine(owner, "monitoring", {
    "image-prometheus": `${REGISTRY}/prom/prometheus:v3`,
    "image-alertmanager": `${REGISTRY}/prom/alertmanager:v0`,
    "image-loki": `${REGISTRY}/grafana/loki:3`,
    "image-grafana": `${REGISTRY}/grafana/grafana:13`,
    "secret-file-grafana-admin-password": PASSWORD,
    "config-bucket": BUCKET,
    "heartbeat-metric": "custom.googleapis.com/odin_ws/monitoring_heartbeat",
    "alerts-metric": "custom.googleapis.com/odin_ws/monitoring_alerts",
    "data-device": DEVICE,
  });
  machine.fault("ignore-odin-watch.service"); // the tests start the script themselves
  machine.cloud.secrets[PASSWORD] = "gr4fana-adm1n";
  upload(machine, FILES);
  // A folder in memory replaces the disk, which has its own tests.
  await machine.shell(
    "mknod /mnt/device b 7 250 && mkdir -p /mnt/disks/data && mount -t tmpfs data /mnt/disks/data",
  );
  await machine.shell(
    "rm /mnt/bin/mountpoint && printf '#!/bin/sh\\n' > /mnt/bin/mountpoint && chmod 755 /mnt/bin/mountpoint",
  );
  await machine.shell("rm /mnt/bin/resize2fs && cp /mnt/bin/mountpoint /mnt/bin/resize2fs");
  return machine;
}

const ready = ({ serial, stderr }: Outcome) =>
  assert.match(serial.at(-1) ?? stderr, /^odin-startup: ready role=monitoring /);
const sync = (machine: Machine) => {
  machine.saveCloud();
  return machine.systemctl("start", "odin-config-sync.service");
};
const current = async (machine: Machine, path: string) => machine.shell(`cat ${CURRENT}/${path}`);
const reloads = (machine: Machine) =>
  machine
    .requests()
    .filter(({ method, to }) => method === "POST" && to !== "monitoring")
    .map(({ to, path }) => to + path);
const runs = (machine: Machine, name: string) =>
  machine.calls("docker", new RegExp(`^docker run .*--name odin-${name} `));

interface TimeSeries {
  metric: { type: string; labels?: Record<string, string> };
  resource: { labels: Record<string, string> };
  points: { value: { int64Value: string } }[];
}

describe("monitoring VM", { skip: whyNoMachine(), timeout: SUITE }, () => {
  test("starts all four services with their data, their share of the memory and no rights", async (t) => {
    const machine = await buildMonitoring(t);
    ready(await machine.start());
    const total = Number((await machine.shell("awk '/MemTotal/ {print $2}' /proc/meminfo")).trim()) * 1024;
    let sum = 0;
    for (const [name, uid] of Object.entries({
      prometheus: 65534,
      alertmanager: 65534,
      loki: 10001,
      grafana: 472,
    })) {
      const [run = "", ...more] = runs(machine, name);
      assert.deepEqual(more, []);
      assert.match(
        run,
        new RegExp(
          `--cap-drop ALL .*--user ${uid}:${uid} .*--volume /mnt/disks/data/${name}:/mnt/disks/data/${name} `,
        ),
      );
      assert.match(run, /--volume \/var\/lib\/odin\/config:\/var\/lib\/odin\/config:ro /);
      sum += Number(run.match(/--memory (\d+) /)?.[1]);
      assert.equal((await machine.shell(`stat -c %u:%a /mnt/disks/data/${name}`)).trim(), `${uid}:700`);
    }
    assert.ok(
      sum > total * 0.6 && sum < total * 0.75,
      `${sum} of ${total}: the system and the log shipper need the rest`,
    );
    const [prometheus = ""] = runs(machine, "prometheus");
    assert.match(prometheus, /--web\.enable-lifecycle/);
    assert.match(prometheus, /--storage\.tsdb\.retention\.time=31d --storage\.tsdb\.retention\.size=\d+MB/);
    const grafana = machine.environment("grafana");
    assert.equal(grafana.GF_SERVER_HTTP_PORT, "3010");
    assert.equal(grafana.GF_SECURITY_ADMIN_PASSWORD__FILE, "/run/odin/secrets/grafana-admin-password");
    assert.equal(await machine.shell("stat -c %u:%a /run/odin/secrets/grafana-admin-password"), "472:600\n");
    const open = await machine.shell("iptables -S INPUT");
    for (const port of [3010, 9090, 9093, 3100]) assert.ok(open.includes(`--dport ${port} `), String(port));
    assert.equal(open.split("\n").filter((rule) => rule.startsWith("-A")).length, 3 + 4);
    for (const [path, text] of Object.entries(FILES)) assert.equal(await current(machine, path), text);
    const read = `setpriv --reuid 65534 --regid 65534 --clear-groups cat ${CURRENT}/prometheus/rules/alerts.yml`;
    assert.equal(await machine.shell(read), FILES["prometheus/rules/alerts.yml"]);
    ready(await machine.start());
    assert.equal(machine.calls("docker", /^docker run /).length, 4);
  });

  test("Loki's first day in the bucket is chosen once for each disk", async (t) => {
    const machine = await buildMonitoring(t);
    const from = () => machine.environment("loki").LOKI_BUCKET_FROM;
    const file = "/mnt/disks/data/loki/bucket-from";
    ready(await machine.start());
    assert.equal(from(), "2025-01-02", "a new disk: everything is in the bucket");
    assert.equal(await machine.shell(`cat ${file}`), "2025-01-02\n");
    assert.equal((await machine.shell("stat -c %u:%a /mnt/disks/data/loki")).trim(), "10001:700");

    // The disk of an earlier version has logs and no day.
    const inTwoDays = () => new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
    await machine.shell(`rm ${file} && mkdir /mnt/disks/data/loki/chunks`);
    const before = inTwoDays();
    ready(await machine.start());
    assert.ok([before, inTwoDays()].includes(from() ?? ""), `${from()}: two days from now`);
    assert.equal(runs(machine, "loki").length, 2, "Loki starts again with the day");

    await machine.shell(`echo 2026-03-04 > ${file}`);
    ready(await machine.start());
    assert.equal(from(), "2026-03-04", "the day that the disk has");
    ready(await machine.start());
    assert.equal(runs(machine, "loki").length, 3);
  });

  test("the exporter of NATS asks the servers in the metadata; the log shipper sees the disks", async (t) => {
    const machine = await buildMonitoring(t);
    const servers = ["nats-0,http://10.10.0.4:8222", "nats-1,http://10.10.0.5:8222"];
    Object.assign(machine.cloud.attributes, {
      "odin-image-nats-exporter": `${REGISTRY}/natsio/prometheus-nats-exporter:0`,
      "odin-image-alloy": `${REGISTRY}/grafana/alloy:v1`,
      "odin-loki-url": "http://127.0.0.1:3100",
    });
    machine.cloud.attributes["odin-file-nats-ca"] = "the CA of the NATS servers\n";
    upload(machine, { ...FILES, "alloy/monitoring.alloy": "// nothing\n" });
    ready(await machine.start());
    assert.equal(machine.runs("nats-exporter"), false, "the metadata names no NATS server");
    machine.cloud.attributes["odin-nats-monitoring"] = servers.join(" ");
    machine.saveCloud();
    ready(await machine.start());
    const [exporter = ""] = runs(machine, "nats-exporter");
    assert.match(exporter, /--cap-drop ALL .*--user 65532:65532 /);
    assert.ok(
      exporter.endsWith(`-addr 127.0.0.1 -port 7777 -varz -healthz -jsz=streams ${servers.join(" ")}`),
      exporter,
    );
    await eventually("log shipper", () => machine.runs("log-shipper"));
    const [shipper = ""] = runs(machine, "log-shipper");
    for (const disk of ["/mnt/stateful_partition", "/mnt/disks/data"])
      assert.ok(shipper.includes(` --volume ${disk}:/host${disk}:ro `), shipper);
    assert.ok(shipper.includes(" --volume /run/odin/files:/run/odin/files:ro "), "for the probes of NATS");
    assert.doesNotMatch(shipper, /secrets/);
  });

  test("a service without a configuration waits for it; a service without an image does not run", async (t) => {
    const machine = await buildMonitoring(t);
    upload(machine, { "prometheus/prometheus.yml": "global: {}\n" });
    delete machine.cloud.attributes["odin-image-alertmanager"];
    ready(await machine.start());
    assert.deepEqual(
      ["prometheus", "alertmanager", "loki", "grafana"].map((name) => machine.runs(name)),
      [true, false, false, true],
    );
    upload(machine, FILES);
    assert.equal((await sync(machine)).code, 0);
    await eventually("loki", () => machine.runs("loki"));
    assert.equal(machine.runs("alertmanager"), false);
  });

  test("the minutely download fetches only changed files and reloads only the services that use them", async (t) => {
    const machine = await buildMonitoring(t);
    ready(await machine.start());
    const timer = await machine.shell("cat /etc/systemd/system/odin-config-sync.timer");
    assert.match(timer, /^OnCalendar=minutely$/m);
    const asked = () =>
      machine
        .requests()
        .filter(({ to }) => to === "storage")
        .map(({ path }) => path.slice(BUCKET.length + 2));
    const before = asked().length;
    assert.equal((await sync(machine)).code, 0);
    assert.deepEqual(asked().slice(before), ["manifest"]);
    assert.deepEqual(reloads(machine), []);

    upload(machine, {
      ...FILES,
      "prometheus/rules/alerts.yml": "groups: [{}]\n",
      "grafana/dashboards/overview.json": "{ }\n",
    });
    assert.equal((await sync(machine)).code, 0);
    assert.deepEqual(asked().slice(before + 1), [
      "manifest",
      "prometheus/rules/alerts.yml",
      "grafana/dashboards/overview.json",
    ]);
    assert.deepEqual(reloads(machine), ["9090/-/reload"]);
    assert.equal(await current(machine, "prometheus/rules/alerts.yml"), "groups: [{}]\n");
    assert.equal(await current(machine, "grafana/dashboards/overview.json"), "{ }\n");
    assert.equal(machine.calls("docker", /^docker run /).length, 4, "Grafana looks for dashboards itself");

    const { "alertmanager/alertmanager.yml": _, ...without } = FILES;
    upload(machine, {
      ...without,
      "loki/loki.yml": "server: {a: 1}\n",
      "alertmanager/alertmanager.yml": "route: {b: 1}\n",
    });
    assert.equal((await sync(machine)).code, 0);
    assert.deepEqual(reloads(machine).slice(1).sort(), ["9090/-/reload", "9093/-/reload"]);
    await eventually("restart of Loki, which cannot reload", () => runs(machine, "loki").length === 2);
    assert.equal(
      (await machine.shell("ls /var/lib/odin/config")).trim().split("\n").length,
      3,
      "old sets of files are removed",
    );
  });

  test("when a file does not match the manifest, all of the old configuration stays", async (t) => {
    const machine = await buildMonitoring(t);
    ready(await machine.start());
    const changed = {
      ...FILES,
      "prometheus/prometheus.yml": "global: {x: 1}\n",
      "loki/loki.yml": "server: {x: 1}\n",
    };
    upload(machine, changed, { "loki/loki.yml": sha256("something else") });
    assert.notEqual((await sync(machine)).code, 0);
    assert.match(
      machine.read("journal/odin-config-sync.service.log"),
      /^odin-config-sync: failed: files do not match the manifest, so the old configuration stays: loki\/loki\.yml: FAILED$/m,
    );
    for (const [path, text] of Object.entries(FILES)) assert.equal(await current(machine, path), text);
    assert.deepEqual(reloads(machine), []);
    ready(await machine.start()); // the VM starts nevertheless
    upload(machine, changed);
    assert.equal((await sync(machine)).code, 0);
    assert.equal(await current(machine, "loki/loki.yml"), "server: {x: 1}\n");
  });

  test("a path that leads out of the folder is refused", async (t) => {
    const machine = await buildMonitoring(t);
    ready(await machine.start());
    for (const path of ["../../../etc/passwd", "/etc/passwd", "a/../../b", "a b", "a//b", "-rf"]) {
      upload(machine, { ...FILES, [path]: "x" });
      assert.notEqual((await sync(machine)).code, 0, path);
    }
    assert.equal(await current(machine, "loki/loki.yml"), FILES["loki/loki.yml"]);
    assert.ok(machine.requests().every(({ path }) => !path.includes("passwd")));
  });

  test("a configuration that Prometheus refuses is tried and logged each minute until it is accepted", async (t) => {
    const machine = await buildMonitoring(t);
    ready(await machine.start());
    machine.cloud.faults.push({
      at: ":9090/-/reload",
      status: 500,
      body: "failed to reload config: yaml: line 1",
      times: 2,
    });
    upload(machine, { ...FILES, "prometheus/prometheus.yml": "global: {x: 1}\n" });
    for (let minute = 0; minute < 2; minute++) assert.notEqual((await sync(machine)).code, 0);
    assert.match(
      machine.read("journal/odin-config-sync.service.log"),
      /failed: not reloaded: prometheus: HTTP 500 failed to reload config: yaml: line 1$/m,
    );
    assert.equal((await sync(machine)).code, 0);
    assert.equal((await sync(machine)).code, 0);
    assert.deepEqual(reloads(machine), Array(3).fill("9090/-/reload"));
  });

  test("writes its heartbeat while Prometheus and Alertmanager answer", async (t) => {
    const machine = await buildMonitoring(t);
    ready(await machine.start());
    assert.match(
      await machine.shell("cat /etc/systemd/system/odin-heartbeat.timer"),
      /^OnCalendar=minutely$/m,
    );
    const beats = () => machine.requests().filter(({ to }) => to === "monitoring");
    const beat = () => machine.systemctl("start", "odin-heartbeat.service");
    assert.equal((await beat()).code, 0);
    const [request] = beats();
    assert.ok(request, "no heartbeat");
    assert.deepEqual(
      [request.method, request.path, request.authorization],
      ["POST", "/v3/projects/test-project/timeSeries", "Bearer ya29.token-of-the-vm"],
    );
    const endTime = request.body.match(/"endTime": "([^"]+)"/)?.[1] ?? "";
    assert.ok(Math.abs(Date.parse(endTime) - Date.now()) < 60_000, request.body);
    assert.deepEqual(JSON.parse(request.body), {
      timeSeries: [
        {
          metric: { type: "custom.googleapis.com/odin_ws/monitoring_heartbeat" },
          resource: {
            type: "gce_instance",
            labels: { project_id: "test-project", instance_id: "1234567890123456789", zone: "us-central1-a" },
          },
          metricKind: "GAUGE",
          valueType: "INT64",
          points: [{ interval: { endTime }, value: { int64Value: "0" } }],
        },
      ],
    });
    const alert = (alertname: string, instance: string) => ({
      annotations: { summary: 'the text "alertname" says nothing' },
      labels: { alertname, instance },
      fingerprint: instance,
    });
    machine.cloud.critical = [alert("NatsUnreachable", "g1"), alert("NatsUnreachable", "g2")];
    machine.cloud.warning = [alert("HighCpu", "g1"), alert("StreamSilent", "")];
    machine.saveCloud();
    assert.equal((await beat()).code, 0);
    const { timeSeries } = JSON.parse(beats()[1]?.body ?? "") as { timeSeries: TimeSeries[] };
    const type = "custom.googleapis.com/odin_ws/monitoring_alerts";
    assert.deepEqual(
      timeSeries.map(({ metric, points }) => [metric, points[0]?.value.int64Value]),
      [
        [{ type: "custom.googleapis.com/odin_ws/monitoring_heartbeat" }, "2"],
        [{ type, labels: { alert: "NatsUnreachable", severity: "critical" } }, "2"],
        [{ type, labels: { alert: "HighCpu", severity: "warning" } }, "1"],
        [{ type, labels: { alert: "StreamSilent", severity: "warning" } }, "1"],
      ],
    );
    for (const { resource } of timeSeries) assert.equal(resource.labels.instance_id, "1234567890123456789");
    machine.cloud.faults.push({ at: ":9093/api/v2/alerts", status: 200, body: "[]", times: 1 });
    machine.saveCloud();
    assert.notEqual((await beat()).code, 0);
    assert.equal(beats().length, 2);
    assert.match(
      machine.read("journal/odin-heartbeat.service.log"),
      /^odin-heartbeat: failed: Alertmanager does not list the alert that always fires \(Watchdog\): /m,
    );
    machine.cloud.faults.push({ at: ":9093/-/ready", status: 503 });
    machine.saveCloud();
    assert.notEqual((await beat()).code, 0);
    assert.equal(beats().length, 2);
    assert.match(
      machine.read("journal/odin-heartbeat.service.log"),
      /^odin-heartbeat: failed: Alertmanager does not answer at \S+: HTTP 503$/m,
    );
  });

  test("without the bucket a first boot fails, a later boot uses the files that it has", async (t) => {
    const machine = await buildMonitoring(t);
    machine.cloud.faults.push({ at: "^storage", status: 403 });
    const { serial, code } = await machine.start();
    assert.equal(code, 1);
    assert.deepEqual(serial, [
      "odin-startup: failed role=monitoring step=config: manifest in bucket odin-config: HTTP 403",
    ]);
    machine.cloud.faults.pop();
    ready(await machine.start());
    machine.cloud.faults.push({ at: "^storage", status: 503 });
    await machine.shell("umount /mnt/disks/data");
    await machine.reboot();
    await machine.shell("mkdir -p /mnt/disks/data");
    ready(await machine.start());
    assert.equal(runs(machine, "prometheus").length, 2);
  });
});
