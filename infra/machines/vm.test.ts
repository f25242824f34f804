import assert from "node:assert/strict";
import { test } from "node:test";
import { type Recorded, record } from "../offline/offline.ts";
import { resolved } from "../offline/resolved.fixture.ts";
import { testSite } from "../offline/site.fixture.ts";
import { Vm, type VmArgs } from "./vm.ts";

const INSTANCE = "gcp:compute/instance:Instance";
const COMMAND = "command:local:Command";
const base: VmArgs = {
  site: testSite,
  boot: { role: "nats", images: { nats: "nats@sha256:1" }, settings: { "nats-name": "one" } },
  subnet: "subnet-id",
  zone: "us-central1-a",
  machineType: "e2-small",
  cosImage: "cos-133-19999-44-85",
  account: "nats@test",
};

async function instanceOf(args: Partial<VmArgs>): Promise<Recorded> {
  return (await record(() => new Vm("nats", { ...base, ...args }))).one(INSTANCE);
}

function metadataOf({ inputs }: Recorded): Record<string, string> {
  return inputs.metadata as Record<string, string>;
}

test("one VM without a public address, hardened, at a reserved address", async () => {
  const { one, resources, result } = await record(() => new Vm("nats", base));
  const { inputs, deleteBeforeReplace, parent } = one(INSTANCE);
  const labels = { app: "odin-ws", stack: "test", role: "nats" };
  const { metadata, ...rest } = inputs;
  assert.ok(metadata);
  assert.deepEqual(rest, {
    name: "odin-test-nats",
    description: "nats of odin-test",
    project: "test-project",
    zone: "us-central1-a",
    machineType: "e2-small",
    labels,
    bootDisk: {
      autoDelete: true,
      initializeParams: {
        image: "projects/cos-cloud/global/images/cos-133-19999-44-85",
        type: "pd-balanced",
        size: 20,
        labels,
      },
    },
    attachedDisks: [],
    networkInterfaces: [{ subnetwork: "subnet-id", networkIp: "10.10.0.10" }],
    serviceAccount: { email: "nats@test", scopes: ["https://www.googleapis.com/auth/cloud-platform"] },
    shieldedInstanceConfig: { enableSecureBoot: true, enableVtpm: true, enableIntegrityMonitoring: true },
    scheduling: { provisioningModel: "STANDARD", automaticRestart: true, onHostMaintenance: "MIGRATE" },
    allowStoppingForUpdate: true,
  });
  assert.equal(deleteBeforeReplace, true, "name, address and disk are held by one VM at a time");
  assert.equal(parent, one("odin-ws:index:Vm").urn);
  const address = one("gcp:compute/address:Address", "nats-address");
  assert.equal(
    address.inputs.name,
    undefined,
    "templates contain the address, so a new one must exist before the old one is deleted",
  );
  assert.deepEqual(address.inputs, {
    addressType: "INTERNAL",
    purpose: "GCE_ENDPOINT",
    subnetwork: "subnet-id",
    project: "test-project",
    region: "us-central1",
    labels,
  });
  assert.equal(resources.length, 3);
  assert.equal(result.instance, "odin-test-nats");
});

test("the script is metadata, which changes in place, because the argument for scripts would replace the VM", async () => {
  const instance = await instanceOf({});
  const metadata = metadataOf(instance);
  assert.equal(instance.inputs.metadataStartupScript, undefined);
  assert.match(metadata["startup-script"] ?? "", /odin-startup/);
  assert.equal(metadata["odin-role"], "nats");
  assert.equal(metadata["odin-image-nats"], "nats@sha256:1");
  assert.equal(metadata["odin-nats-name"], "one");
  assert.equal(metadata["odin-data-device"], undefined);
  assert.equal(metadata["enable-oslogin"], "TRUE");
});

test("the revision changes with the metadata and only with it", async () => {
  const revision = async (args: Partial<VmArgs>) => metadataOf(await instanceOf(args))["odin-revision"];
  const settings = { first: "1", second: "2" };
  const before = await revision({ boot: { ...base.boot, settings } });
  assert.match(before ?? "", /^[0-9a-f]{16}$/);
  assert.equal(await revision({ boot: { ...base.boot, settings: { second: "2", first: "1" } } }), before);
  assert.equal(await revision({ machineType: "e2-medium", boot: { ...base.boot, settings } }), before);
  assert.notEqual(await revision({ boot: { ...base.boot, settings: { ...settings, second: "3" } } }), before);
});

test("a separate data disk with snapshots", async () => {
  const { one } = await record(() => new Vm("nats", { ...base, dataDisk: { sizeGb: 10, snapshots: true } }));
  const labels = { app: "odin-ws", stack: "test", role: "nats" };
  const disk = one("gcp:compute/disk:Disk", "nats-data");
  assert.deepEqual(disk.inputs, {
    name: "odin-test-nats-data",
    type: "pd-balanced",
    size: 10,
    project: "test-project",
    zone: "us-central1-a",
    labels,
  });
  const instance = one(INSTANCE);
  assert.deepEqual(instance.inputs.attachedDisks, [
    {
      source:
        "https://www.googleapis.com/compute/v1/projects/test-project/zones/us-central1-a/disks/odin-test-nats-data",
      deviceName: "data",
      mode: "READ_WRITE",
    },
  ]);
  assert.equal(metadataOf(instance)["odin-data-device"], "data");
  assert.deepEqual(one("gcp:compute/resourcePolicy:ResourcePolicy").inputs, {
    name: "odin-test-nats-data-snapshots",
    description: "daily snapshots of odin-test-nats-data",
    project: "test-project",
    region: "us-central1",
    snapshotSchedulePolicy: {
      schedule: { dailySchedule: { daysInCycle: 1, startTime: "08:00" } },
      retentionPolicy: { maxRetentionDays: 14, onSourceDiskDelete: "APPLY_RETENTION_POLICY" },
      snapshotProperties: { labels, storageLocations: "us-central1" },
    },
  });
  assert.deepEqual(one("gcp:compute/diskResourcePolicyAttachment:DiskResourcePolicyAttachment").inputs, {
    name: "odin-test-nats-data-snapshots",
    disk: "odin-test-nats-data",
    zone: "us-central1-a",
    project: "test-project",
  });
});

test("production protects the data disk and the address, but not the VM, which a new image replaces", async () => {
  const site = { ...testSite, production: true };
  const { resources, one } = await record(
    () => new Vm("nats", { ...base, site, dataDisk: { sizeGb: 10, snapshots: true } }),
  );
  assert.deepEqual(
    resources.filter(({ protect }) => protect).map(({ name }) => name),
    ["nats-address", "nats-data"],
  );
  const policy = one("gcp:compute/resourcePolicy:ResourcePolicy").inputs.snapshotSchedulePolicy;
  assert.equal(
    (policy as { retentionPolicy: { onSourceDiskDelete: string } }).retentionPolicy.onSourceDiskDelete,
    "KEEP_AUTO_SNAPSHOTS",
  );
});

test("spot VMs are stopped, and not deleted, when Google needs the machine", async () => {
  assert.deepEqual((await instanceOf({ spot: true })).inputs.scheduling, {
    provisioningModel: "SPOT",
    preemptible: true,
    automaticRestart: false,
    onHostMaintenance: "TERMINATE",
    instanceTerminationAction: "STOP",
  });
});

test("the start-up check runs again for another VM or other metadata, as an update", async () => {
  const { one, result } = await record(() => new Vm("nats", { ...base, startupCheck: "await startup" }));
  const revision = metadataOf(one(INSTANCE))["odin-revision"];
  assert.deepEqual(one(COMMAND, "nats-startup").inputs, {
    create: "await startup",
    update: "await startup",
    environment: {
      PROJECT: "test-project",
      ZONE: "us-central1-a",
      INSTANCE: "odin-test-nats",
      REVISION: revision,
    },
    triggers: ["1234567890123456789", revision],
    addPreviousOutputInEnv: false,
  });
  assert.equal(await resolved(result.ready), "odin-test-nats");
});

test("a VM after another one waits for its start-up check", async () => {
  const { one } = await record(() => {
    const first = new Vm("first", { ...base, startupCheck: "await startup" });
    return new Vm("second", { ...base, address: "10.0.0.7", after: [first] });
  });
  const second = one(INSTANCE, "second");
  assert.ok(second.dependencies.includes(one(COMMAND, "first-startup").urn));
  assert.deepEqual(second.inputs.networkInterfaces, [{ subnetwork: "subnet-id", networkIp: "10.0.0.7" }]);
});
