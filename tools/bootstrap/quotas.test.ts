import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BOOT_DISK } from "../../infra/machines/boot-disk.ts";
import { fleetsOf } from "../../stacks/preview/fleet.ts";
import { graphOf, numberAt, textAt } from "../../stacks/preview/graph.ts";
import { recordWith } from "../../stacks/recorded.fixture.ts";
import { machine } from "./fake-project.fixture.ts";

const QUOTAS = /^== Quotas that are too low$([\s\S]*)/m;

/** Writes what Google reports about the project's quotas. */
function limit(state: string, cpus: number, gigabytes: number, everywhere = cpus): void {
  const region = `quota CPUS ${cpus}.0\nquota SSD_TOTAL_GB ${gigabytes}.0\n`;
  writeFileSync(join(state, " compute regions us-central1"), region);
  writeFileSync(join(state, " compute project-info"), `quota CPUS_ALL_REGIONS ${everywhere}.0\n`);
}

test("quotas that suffice are not mentioned", (t) => {
  const { run, state } = machine(t);
  limit(state, 24, 300);
  const { code, out } = run(["my-project", "--stack", "prod"]);
  assert.equal(code, 0);
  assert.doesNotMatch(out, /Quota/i);
});

test("quotas of a new project: prod starts, and cannot scale out", (t) => {
  const { run, state } = machine(t);
  limit(state, 12, 250);
  const { code, out } = run(["my-project", "--stack", "prod"]);
  assert.equal(code, 0);
  assert.deepEqual(QUOTAS.exec(out)?.[1]?.trim().split("\n"), [
    "CPUS in us-central1: the limit is 12. The stacks start with 12, and need up to 24 when they scale out and roll out.",
    "SSD_TOTAL_GB in us-central1: the limit is 250. The stacks start with 180, and need up to 300 when they scale out and roll out.",
    "CPUS_ALL_REGIONS in all regions: the limit is 12. The stacks start with 12, and need up to 24 when they scale out and roll out.",
    "Request more, which may take some days: https://console.cloud.google.com/iam-admin/quotas?project=my-project",
  ]);
});

test("two stacks in a project add up, and a quota that is too low for the start says so", (t) => {
  const { run, state } = machine(t);
  limit(state, 12, 500, 72);
  const { out } = run(["my-project", "--stack", "prod", "--stack", "staging"]);
  assert.match(
    out,
    /^CPUS in us-central1: the limit is 12\. The stacks need 18 to start, and pulumi up would fail; at most they need 34\.$/m,
  );
  assert.doesNotMatch(out, /SSD_TOTAL_GB|ALL_REGIONS/);
});

test("quotas that cannot be read are named, and the script continues", (t) => {
  const { run } = machine(t);
  const { code, out } = run(["my-project", "--stack", "prod"], { FAKE_FAILS: "compute regions describe" });
  assert.equal(code, 0);
  assert.match(
    out,
    /The quotas in us-central1 cannot be read\. The stacks need CPUS 24 and SSD_TOTAL_GB 300/,
  );
});

const VCPUS: Record<string, number> = { "e2-small": 2, "e2-standard-2": 2, "e2-standard-4": 4 };

/** vCPUs and GB at the start and at most, as the program of a stack creates them. */
async function needsOf(stack: string): Promise<number[]> {
  const graph = graphOf((await recordWith(stack)).resources);
  const vms = graph.all("gcp:compute/instance:Instance");
  const data = graph.all("gcp:compute/disk:Disk").map(({ inputs }) => numberAt(inputs, "size", 0));
  const total = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0);
  const cpus = (type: string) => VCPUS[type] ?? Number.NaN;
  const single = total(vms.map(({ inputs }) => cpus(textAt(inputs, "machineType"))));
  const disks = total(data) + vms.length * BOOT_DISK.sizeGb;
  const fleets = fleetsOf(graph);
  const surge = fleets.map(({ group }) => numberAt(group.inputs, "updatePolicy.maxSurgeFixed", 0));
  const gateways = (count: (index: number) => number) =>
    fleets.map(({ machineType }, index) => ({ cpus: cpus(machineType) * count(index), vms: count(index) }));
  const least = gateways((index) => fleets[index]?.min ?? 0);
  const most = gateways((index) => (fleets[index]?.max ?? 0) + (surge[index] ?? 0));
  const sized = (all: typeof least) => [
    single + total(all.map(({ cpus }) => cpus)),
    disks + total(all.map(({ vms }) => vms)) * BOOT_DISK.sizeGb,
  ];
  const [startCpus = 0, startDisk = 0] = sized(least);
  const [mostCpus = 0, mostDisk = 0] = sized(most);
  return [startCpus, mostCpus, startDisk, mostDisk];
}

test("the script knows what the stacks of this repository need", async () => {
  const script = join(import.meta.dirname, "quotas.sh");
  for (const stack of ["prod", "staging", "capacity"]) {
    const { stdout } = spawnSync("bash", ["-c", `source '${script}'; quota_needs ${stack}`], {
      encoding: "utf8",
    });
    assert.deepEqual(stdout.trim().split(" ").map(Number), await needsOf(stack), stack);
  }
});
