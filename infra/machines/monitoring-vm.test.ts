import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { record } from "../offline/offline.ts";
import { resolved } from "../offline/resolved.fixture.ts";
import { testSite } from "../offline/site.fixture.ts";
import { MonitoringVm, type MonitoringVmArgs } from "./monitoring-vm.ts";

const INSTANCE = "gcp:compute/instance:Instance";
const MEMBER = "serviceAccount:monitoring@test";
const args: MonitoringVmArgs = {
  site: testSite,
  subnet: "subnet-id",
  zone: "us-central1-a",
  machineType: "e2-small",
  cosImage: "cos-133-19999-44-85",
  account: { email: "monitoring@test", member: MEMBER },
  images: { prometheus: "prometheus@sha256:1", grafana: "grafana@sha256:2" },
  files: { "prometheus/prometheus.yml": "global: {}\n" },
  readers: { gateway: "serviceAccount:gateway@test" },
  diskGb: 30,
  logDays: 7,
  snapshots: true,
};
const PASSWORD = "projects/test-project/secrets/odin-test-monitoring-grafana-admin-password/versions/1";

test("a VM with its data on a separate disk and its files in a bucket", async () => {
  const { one, result } = await record(() => new MonitoringVm("monitoring", args));
  const { inputs } = one(INSTANCE, "monitoring");
  assert.equal(inputs.name, "odin-test-monitoring");
  assert.equal(inputs.machineType, "e2-small");
  assert.equal(inputs.zone, "us-central1-a");
  assert.equal((inputs.serviceAccount as { email: string }).email, "monitoring@test");
  assert.equal(one("gcp:compute/disk:Disk", "monitoring-data").inputs.size, 30);
  one("gcp:compute/resourcePolicy:ResourcePolicy", "monitoring-data-snapshots");
  const own = Object.entries(inputs.metadata as Record<string, string>).filter(
    ([key]) => key.startsWith("odin-") && key !== "odin-revision",
  );
  assert.deepEqual(Object.fromEntries(own), {
    "odin-role": "monitoring",
    "odin-image-prometheus": "prometheus@sha256:1",
    "odin-image-grafana": "grafana@sha256:2",
    "odin-secret-file-grafana-admin-password": PASSWORD,
    "odin-config-bucket": "test-project-odin-test-config",
    "odin-loki-url": "http://127.0.0.1:3100",
    "odin-heartbeat-metric": "custom.googleapis.com/odin_ws/monitoring_heartbeat",
    "odin-alerts-metric": "custom.googleapis.com/odin_ws/monitoring_alerts",
    "odin-data-device": "data",
  });
  assert.equal(result.bucket, "test-project-odin-test-config");
  assert.equal(result.instance, "odin-test-monitoring");
  assert.deepEqual(await resolved([result.address, result.lokiUrl, result.grafanaPassword]), [
    "10.10.0.10",
    "http://10.10.0.10:3100",
    PASSWORD,
  ]);
});

test("Grafana's password is generated, secret, and readable by this VM only", async () => {
  const { one, all } = await record(() => new MonitoringVm("monitoring", args));
  assert.deepEqual(one("random:index/randomPassword:RandomPassword").inputs, { length: 24, special: false });
  const version = one("gcp:secretmanager/secretVersion:SecretVersion");
  assert.match(String(version.inputs.secretData), /^offline-password-/);
  assert.ok(version.secrets.includes("secretData"));
  assert.deepEqual(
    all("gcp:secretmanager/secretIamMember:SecretIamMember").map(({ inputs }) => inputs.member),
    [MEMBER],
  );
});

test("the VM and the gateways may read the files; only the VM may use the bucket of the logs", async () => {
  const { all } = await record(() => new MonitoringVm("monitoring", args));
  assert.deepEqual(
    all("gcp:storage/bucketIAMMember:BucketIAMMember").map(({ inputs }) => [inputs.bucket, inputs.member]),
    [
      ["test-project-odin-test-logs", MEMBER],
      ["test-project-odin-test-config", "serviceAccount:gateway@test"],
      ["test-project-odin-test-config", MEMBER],
    ],
  );
});

test("Loki's configuration is uploaded after the bucket that it names exists and may be used", async () => {
  const { one, resources } = await recorded({ "loki/loki.yml": "auth_enabled: false\n" });
  const before = one("gcp:storage/bucketObject:BucketObject", "monitoring-config-loki/loki.yml").dependencies;
  for (const name of ["monitoring-logs", "monitoring-logs-writer"])
    assert.ok(
      resources.some(
        (resource) => resource.custom && resource.name === name && before.includes(resource.urn),
      ),
      name,
    );
});

test("the VM starts after its files are uploaded, and does not change with them", async () => {
  const { one, urnOf } = await recorded(args.files);
  const before = one(INSTANCE);
  assert.ok(before.dependencies.includes(urnOf("monitoring-config-manifest")));
  const after = (await recorded({ ...args.files, "loki/loki.yml": "auth_enabled: false\n" })).one(INSTANCE);
  assert.deepEqual(after.inputs, before.inputs);
});

test("additional secrets, and a start-up check", async () => {
  const { one } = await record(
    () =>
      new MonitoringVm("monitoring", {
        ...args,
        secrets: { "file-webhook": "projects/p/secrets/webhook/versions/2" },
        startupCheck: "await startup",
      }),
  );
  const metadata = one(INSTANCE).inputs.metadata as Record<string, string>;
  assert.equal(metadata["odin-secret-file-webhook"], "projects/p/secrets/webhook/versions/2");
  assert.equal(metadata["odin-secret-file-grafana-admin-password"], PASSWORD);
  assert.equal(one("command:local:Command", "monitoring-startup").inputs.create, "await startup");
});

test("the exporter gets the NATS servers by name and address", async () => {
  const natsServers = [
    { name: "odin-test-nats-0", address: "10.10.0.4:8222" },
    { name: "odin-test-nats-1", address: pulumi.output("10.10.0.5:8222") },
  ];
  const { one } = await record(() => new MonitoringVm("monitoring", { ...args, natsServers }));
  const metadata = one(INSTANCE).inputs.metadata as Record<string, string>;
  assert.equal(
    metadata["odin-nats-monitoring"],
    "odin-test-nats-0,http://10.10.0.4:8222 odin-test-nats-1,http://10.10.0.5:8222",
  );
});

async function recorded(files: MonitoringVmArgs["files"]) {
  const recording = await record(() => new MonitoringVm("monitoring", { ...args, files }));
  return {
    ...recording,
    urnOf: (name: string) => recording.resources.find((resource) => resource.name === name)?.urn ?? name,
  };
}
