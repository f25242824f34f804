/**
 * Decisions of the canary against a simulated cloud. test/long/engine/canary.test.ts judges real gateways.
 */

import { strict as assert } from "node:assert";
import { type TestContext, test } from "node:test";
import { CanaryError, tryCanary } from "../../checks/canary.ts";
import { readSettings } from "../../checks/canary-settings.ts";
import { computeApi } from "../../checks/compute-api.ts";
import { fakeCompute, type Reply } from "./fake-compute.ts";

const REGION = "projects/p/regions/r";
const CANARY = `${REGION}/instanceGroupManagers/canary-1`;
const templateUrl = (name: string) =>
  `https://www.googleapis.com/compute/v1/projects/p/global/instanceTemplates/${name}?uniqueId=7`;
const metadata = (image: string, level = "info") => ({
  items: [
    { key: "odin-image-gateway", value: image },
    { key: "odin-env-LOG_LEVEL", value: level },
  ],
});

interface Scene {
  /** The template of the gateways, and its metadata by name. */
  running?: string;
  templates?: Record<string, object>;
  /** Number of the other gateways. */
  size?: number;
  /** Lines on the canary's serial console. */
  console?: string;
  /** VMs in the canary's group before the update. */
  left?: number;
  errors?: object[];
  /** Whether the group creates the VMs that it should have. */
  works?: boolean;
}

async function scene(t: TestContext, given: Scene) {
  const {
    running = "old",
    templates = { old: metadata("a"), new: metadata("b") },
    size = 2,
    console = "odin-startup: ready",
    left = 0,
    errors = [],
    works = true,
  } = given;
  let canaries = left;
  const sizes: number[] = [];
  const compute = await fakeCompute(t, ({ path }): Reply => {
    const [, name = ""] = /instanceTemplates\/([^/?]+)$/.exec(path) ?? [];
    if (name) return { body: { properties: { metadata: templates[name] } } };
    if (path.includes("/instanceGroupManagers?")) {
      const group = {
        name: "main",
        targetSize: size,
        versions: [{ instanceTemplate: templateUrl(running) }],
      };
      return { body: { items: size > 0 ? [group] : [] } };
    }
    const [, wanted] = /canary-1\/resize\?size=(\d+)$/.exec(path) ?? [];
    if (wanted !== undefined) {
      sizes.push(Number(wanted));
      canaries = works ? Number(wanted) : 0;
      return { body: {} };
    }
    if (path.includes("serialPort")) return { body: { contents: `${console}\n`, next: "9" } };
    if (path.includes("listErrors")) return { body: { items: errors } };
    if (path.endsWith("main/listManagedInstances")) return { body: { managedInstances: [] } };
    const vm = {
      instance: "https://x/zones/r-a/instances/canary-vm",
      instanceStatus: "RUNNING",
      currentAction: "NONE",
      version: { instanceTemplate: templateUrl("new") },
    };
    return { body: { managedInstances: Array(canaries).fill(vm) } };
  });
  const lines: string[] = [];
  const run = (env: Record<string, string> = {}, aborted = new AbortController().signal) => {
    const settings = readSettings([], {
      CANARY_REGION: REGION,
      CANARY_GATEWAYS: "odin-prod-gateway",
      CANARY_GROUP: CANARY,
      TEMPLATE: templateUrl("new"),
      MONITORING: "odin-prod-monitoring",
      ZONE: "r-a",
      ODIN_CANARY_SECONDS: "1",
      ...env,
    });
    assert.ok(settings !== "help" && !("mistakes" in settings), JSON.stringify(settings));
    return tryCanary(settings, {
      api: computeApi({ ODIN_COMPUTE_URL: compute.url }),
      openTunnel: ({ instance }) => Promise.reject(new Error(`no tunnel to ${instance}`)),
      print: (line) => lines.push(line),
      aborted,
      vmTimes: { poll: 5, deadline: 300 },
    });
  };
  return { run, sizes, asked: compute.asked, lines };
}

const fails = (promise: Promise<string>, pattern: RegExp) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof CanaryError, String(error));
    assert.match(error.message, pattern);
    assert.match(error.message, /The other gateways still run old; none of them was changed/);
    return true;
  });

for (const [why, given, env, expected] of [
  ["ODIN_CANARY=skip", {}, { ODIN_CANARY: "skip" }, /^no canary: ODIN_CANARY=skip$/],
  ["the first gateways", { size: 0 }, {}, /^no canary: there are no other gateways/],
  ["the same template", { running: "new" }, {}, /^no canary: the gateways run this template/],
  ["an equal template", { templates: { old: metadata("a"), new: metadata("a") } }, {}, /or an equal one$/],
  [
    "a setting",
    { templates: { old: metadata("a"), new: metadata("a", "debug") } },
    {},
    /only settings change/,
  ],
] as const)
  test(`no canary: ${why}`, async (t) => {
    const { run, sizes } = await scene(t, given);
    assert.match(await run(env), expected);
    assert.deepEqual(sizes, []);
  });

test("a canary that an update left behind when it was killed is removed", async (t) => {
  const { run, sizes } = await scene(t, { running: "new", left: 1 });
  await run();
  assert.deepEqual(sizes, [0]);
});

test("a tenth of the gateways, rounded up", async (t) => {
  for (const [size, canaries] of [
    [2, 1],
    [10, 1],
    [11, 2],
  ] as const) {
    const { run, sizes } = await scene(t, { size });
    await assert.rejects(run());
    assert.deepEqual(sizes, [canaries, 0]);
  }
});

test("a gateway whose start fails: the reason is in the error, and the gateway is removed", async (t) => {
  const failed = "odin-startup: failed role=gateway step=pull: no such image";
  const { run, sizes } = await scene(t, { console: failed });
  await fails(run(), /failed role=gateway step=pull: no such image/);
  assert.deepEqual(sizes, [1, 0]);
});

test("a group that creates no VM: its last error is in the message", async (t) => {
  const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
  const { run, sizes } = await scene(t, {
    works: false,
    errors: [
      { timestamp: ago(2), error: { code: "ZONE_RESOURCE_POOL_EXHAUSTED", message: "no machines" } },
      { timestamp: ago(1), error: { code: "QUOTA_EXCEEDED", message: "CPUS" } },
    ],
  });
  await fails(
    run(),
    /expected 1 VMs that run new within 0 s: the group has no VM; last error: QUOTA_EXCEEDED: CPUS/,
  );
  assert.deepEqual(sizes, [1, 0]);
});

test("an error of an earlier canary is not in the message", async (t) => {
  const timestamp = new Date(Date.now() - 3_600_000).toISOString();
  const { run } = await scene(t, { works: false, errors: [{ timestamp, error: { code: "OLD" } }] });
  await fails(run(), /within 0 s: the group has no VM\. /);
});

test("without a verdict, because Prometheus cannot be reached, the update fails, too", async (t) => {
  const { run, sizes } = await scene(t, {});
  await fails(run(), /no tunnel to odin-prod-monitoring\. .*ODIN_CANARY=skip pulumi up$/);
  assert.deepEqual(sizes, [1, 0]);
});

test("a signal ends the judgement, and the canary is removed", async (t) => {
  const { run, sizes } = await scene(t, { works: false });
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(run({}, controller.signal), CanaryError);
  assert.deepEqual(sizes, [1, 0]);
});
