import assert from "node:assert/strict";
import { test } from "node:test";
import { computeApi } from "../../checks/compute-api.ts";
import { DrainError, drainRegion } from "../../checks/drain-region.ts";
import { runShell } from "../engine/commands.ts";
import { repository } from "../engine/repository.ts";
import type { Owner } from "../harness/owner.ts";
import { type Asked, fakeCompute, type Reply } from "./fake-compute.ts";

const REGION = "projects/p/regions/europe-west1";
const GROUP = `${REGION}/instanceGroupManagers/gateway-1`;
const AUTOSCALER = `${REGION}/autoscalers/gateway-2`;
const COMMAND = "npm run --silent drain-region";

const vms = (...names: string[]): Reply => ({
  body: {
    managedInstances: names.map((name) => ({
      instance: `https://compute.googleapis.com/${REGION.replace("regions/europe-west1", "zones/europe-west1-b")}/instances/${name}`,
      instanceStatus: "RUNNING",
      currentAction: "DELETING",
    })),
  },
});

const listed = ({ path }: Asked) => path.endsWith("/listManagedInstances");

/** A group that has two VMs, then one, then none. */
function leaving(owner: Owner) {
  const steps = [vms("a", "b"), vms("a", "b"), vms("b"), vms()];
  return fakeCompute(owner, (asked) => (listed(asked) ? (steps.shift() ?? vms()) : { body: {} }));
}

const drain = (url: string, lines: string[] = [], deadline = 10_000) =>
  drainRegion(
    { group: GROUP, autoscaler: AUTOSCALER, print: (line) => lines.push(line), poll: 10, deadline },
    computeApi({ ODIN_COMPUTE_URL: url }),
  );

test("the autoscaler stops before the group is resized, and the wait ends when no gateway is left", async (t) => {
  const { url, asked } = await leaving(t);
  const lines: string[] = [];
  assert.equal(await drain(url, lines), "gateway-1: empty, no gateway is left");
  assert.deepEqual(
    asked.filter((one) => !listed(one)).map(({ method, path, body }) => [method, path, body]),
    [
      [
        "PATCH",
        `/compute/v1/${REGION}/autoscalers?autoscaler=gateway-2`,
        { autoscalingPolicy: { mode: "OFF" } },
      ],
      ["POST", `/compute/v1/${GROUP}/resize?size=0`, undefined],
    ],
  );
  assert.deepEqual(lines, [
    "gateway-1: 2 gateways are leaving: a, b",
    "gateway-1: 1 gateways are leaving: b",
  ]);
});

test("a group that does not become empty is an error that names what is left, and what to do", async (t) => {
  const { url } = await fakeCompute(t, (asked) => (listed(asked) ? vms("stuck") : { body: {} }));
  await assert.rejects(drain(url, [], 50), (error) => {
    assert.ok(error instanceof DrainError);
    assert.match(
      error.message,
      /^gateway-1: not empty within 0 s: 1 gateways are leaving: stuck\. .*ODIN_DRAIN=skip pulumi up$/,
    );
    return true;
  });
});

test("answers of an overloaded API are asked for again; a refusal is not", async (t) => {
  let failures = 2;
  const busy = await fakeCompute(t, (asked) => {
    if (failures-- > 0) return { status: 503, body: { error: { message: "backend error" } } };
    return listed(asked) ? vms() : { body: {} };
  });
  assert.match(await drain(busy.url), /empty/);
  const refused = await fakeCompute(t, () => ({
    status: 403,
    body: { error: { message: "no permission" } },
  }));
  await assert.rejects(drain(refused.url), /cannot be emptied: HTTP 403: no permission: this account needs/);
  assert.equal(refused.asked.length, 1);
});

test("a group that does not exist is empty, and a missing autoscaler does not matter", async (t) => {
  const gone = await fakeCompute(t, () => ({ status: 404, body: { error: { message: "not found" } } }));
  assert.equal(await drain(gone.url), "gateway-1: does not exist any more");
  const drained = await fakeCompute(t, ({ path, ...asked }) =>
    path.includes("/autoscalers")
      ? { status: 404, body: {} }
      : listed({ path, ...asked })
        ? vms()
        : { body: {} },
  );
  assert.equal(await drain(drained.url), "gateway-1: empty, no gateway is left");
});

test("the command drains with DRAIN=true only, and not with ODIN_DRAIN=skip", async (t) => {
  const compute = await leaving(t);
  const run = (command: string, environment: Record<string, string>) =>
    runShell(command, {
      dir: repository,
      environment: { GROUP, AUTOSCALER, ODIN_COMPUTE_URL: compute.url, ...environment },
    });
  const stays = await run(COMMAND, { DRAIN: "false" });
  assert.equal(stays.stdout, "gateway-1: not drained: the region stays");
  const skipped = await run(`DRAIN=true ${COMMAND}`, { DRAIN: "false", ODIN_DRAIN: "skip" });
  assert.equal(skipped.stdout, "gateway-1: not drained: ODIN_DRAIN=skip");
  assert.deepEqual(compute.asked, []);
  const drained = await run(`DRAIN=true ${COMMAND}`, { DRAIN: "false", ODIN_DRAIN_DEADLINE_SECONDS: "5" });
  assert.match(drained.stdout, /\ngateway-1: empty, no gateway is left$/);
  await assert.rejects(run(COMMAND, { DRAIN: "perhaps" }), /exit status 2: [\s\S]*DRAIN \(true or false\)/);
});
