import { strict as assert } from "node:assert";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type AwaitRolloutArgs, awaitRollout, RolloutError } from "../../checks/await-rollout.ts";
import { computeApi } from "../../checks/compute-api.ts";
import { runChild } from "../../tools/testing/child.ts";
import { type FakeCompute, fakeCompute, groupReply, type Reply } from "./fake-compute.ts";

const CLI = fileURLToPath(new URL("../../checks/await-rollout.ts", import.meta.url));
const GROUP = "projects/p/regions/r/instanceGroupManagers/gateway-group-1a2b3c4";
const PROJECT = "https://www.googleapis.com/compute/v1/projects/p";
const TEMPLATE = `${PROJECT}/global/instanceTemplates/gateway-template-2?uniqueId=77`;

/** Paths of requests that are no look at the group itself. */
const BESIDES = /\/(listManagedInstances|applyUpdatesToInstances|serialPort)|\/instanceTemplates\//;

/**
 * A fake group that gives the next reply at each look, and the last one from then on.
 *
 * @param besides answers all other requests. Default: an empty answer, as for a template without a revision
 */
const group = (
  t: TestContext,
  looks: readonly Reply[],
  errors: object[] = [],
  besides: (path: string) => object = () => ({}),
): Promise<FakeCompute> => {
  let look = 0;
  return fakeCompute(t, ({ path }) => {
    if (path.includes("/listErrors")) return { body: { items: errors } };
    if (BESIDES.test(path)) return { body: besides(path) };
    return looks[Math.min(look++, looks.length - 1)] ?? { body: {} };
  });
};
const reply = (more: Parameters<typeof groupReply>[1]) => ({ body: groupReply("gateway-template-2", more) });
const READY = reply({});

/** For waits that must fail. All other waits end long before their deadline, also on a busy machine. */
const SOON = { deadline: 400 };

function wait(url: string, lines: string[] = [], args: Partial<AwaitRolloutArgs> = {}): Promise<string> {
  return awaitRollout(
    {
      group: GROUP,
      template: TEMPLATE,
      print: (line) => lines.push(line),
      poll: 10,
      deadline: 20_000,
      repeat: 60_000,
      ...args,
    },
    computeApi({ ODIN_COMPUTE_URL: url }),
  );
}

const fails = (promise: Promise<string>, ...patterns: RegExp[]) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof RolloutError, String(error));
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });

test("the wait ends when the group runs the template, has reached it and is stable, and not before", async (t) => {
  const { url, asked } = await group(t, [
    { body: groupReply("gateway-template-1") }, // the API still shows the state before the update
    reply({ isReached: false, isStable: false, currentActions: { none: 2, creating: 2 } }),
    reply({ isReached: false, isStable: true }),
    reply({ isReached: true, isStable: false, currentActions: { none: 2, deleting: 1 } }),
    READY,
  ]);
  const lines: string[] = [];
  const result = await wait(url, lines);
  assert.match(result, /^gateway-group-1a2b3c4: all 2 gateways run gateway-template-2 after \d+ s$/);
  assert.deepEqual(
    lines.map((line) => line.replace(/ \d+ s:/, "")),
    [
      "gateway-group-1a2b3c4: the group runs gateway-template-1, not gateway-template-2 yet",
      "gateway-group-1a2b3c4: 2 gateways wanted, not all run gateway-template-2 yet, 2 creating",
      "gateway-group-1a2b3c4: 2 gateways wanted, not all run gateway-template-2 yet",
      "gateway-group-1a2b3c4: 2 gateways wanted, not stable yet, 1 deleting",
    ],
  );
  assert.equal(asked[0]?.path, `/compute/v1/${GROUP}`);
});

test("an empty group is not ready, although the API calls it stable", async (t) => {
  const { url } = await group(t, [reply({ targetSize: 0 }), READY]);
  const lines: string[] = [];
  await wait(url, lines);
  assert.match(lines.join("\n"), /the group has no gateway yet/);
});

test("a group with two versions is in the middle of a rollout", async (t) => {
  const two = { ...groupReply("gateway-template-2"), versions: ["1", "2"].map(versionOf) };
  await fails(
    wait((await group(t, [{ body: two }])).url, [], SOON),
    /the group runs gateway-template-1, gateway-template-2,/,
  );
});
const versionOf = (id: string) => ({
  instanceTemplate: `${PROJECT}/global/instanceTemplates/gateway-template-${id}`,
});

test("a rollout that does not end fails with what the group does and with its newest error", async (t) => {
  const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
  const errors = [
    { timestamp: ago(2), error: { code: "QUOTA_EXCEEDED", message: "no quota" } },
    { timestamp: ago(1), error: { code: "ZONE_RESOURCE_POOL_EXHAUSTED", message: "no machines" } },
  ];
  const stuck = reply({ isReached: false, isStable: false, currentActions: { creating: 3 } });
  const { url } = await group(t, [stuck], errors);
  const lines: string[] = [];
  await fails(
    wait(url, lines, SOON),
    /^gateway-group-1a2b3c4: the rollout has not ended within 0 s: 2 gateways wanted, .*, 3 creating; last error: ZONE_RESOURCE_POOL_EXHAUSTED: no machines\. /,
  );
  assert.equal(lines.length, 1, "an unchanged state is printed once");
  assert.match(lines[0] ?? "", /ZONE_RESOURCE_POOL_EXHAUSTED/);
});

test("an error of an earlier rollout is not shown", async (t) => {
  const errors = [{ timestamp: new Date(Date.now() - 3_600_000).toISOString(), error: { code: "OLD" } }];
  const { url } = await group(t, [reply({ isStable: false }), READY], errors);
  const lines: string[] = [];
  await wait(url, lines);
  assert.match(lines.join("\n"), /not stable yet$/);
});

test("an unchanged state is printed again after some time, so that nobody takes the wait for a hang", async (t) => {
  const { url } = await group(t, [reply({ isStable: false })]);
  const lines: string[] = [];
  await fails(wait(url, lines, { repeat: 50, deadline: 1500 }), /not stable yet/);
  assert.ok(lines.length >= 3, `${lines.length}`);
});

test("temporary errors are retried, permanent errors end the wait at once", async (t) => {
  const busy: Reply = { status: 503, body: "<html>try again</html>" };
  assert.match(await wait((await group(t, [busy, busy, READY])).url), /all 2 gateways/);
  await fails(wait((await group(t, [busy])).url, [], SOON), /HTTP 503: <html>try again/);
  const denied = await group(t, [{ status: 403, body: { error: { message: "no" } } }]);
  await fails(
    wait(denied.url, [], { deadline: 60_000 }),
    /cannot read the instance group: HTTP 403: no: this account needs compute\.instanceGroupManagers\.get/,
  );
  assert.equal(denied.asked.length, 1);
});

test("the command takes everything from the environment", async (t) => {
  const { url } = await group(t, [reply({ isStable: false }), READY]);
  const run = async (env: Record<string, string>) =>
    runChild(process.execPath, [CLI], { capture: true, env: { PATH: process.env.PATH, ...env } });
  const env = { GROUP, TEMPLATE, ODIN_COMPUTE_URL: url, ODIN_ROLLOUT_DEADLINE_SECONDS: "2" };
  const ready = await run(env);
  assert.equal(ready.code, 0, ready.output);
  assert.match(ready.output, /not stable yet\n.*all 2 gateways run gateway-template-2/);
  const late = await run({ ...env, TEMPLATE: `${TEMPLATE}`.replace("template-2", "template-3") });
  assert.equal(late.code, 1);
  assert.match(
    late.output,
    /has not ended within 2 s: the group runs gateway-template-2, not gateway-template-3/,
  );
  assert.equal((await run({ GROUP })).code, 2);
});

/** Answers for two gateways whose consoles have these texts. */
const gateways = (consoles: () => readonly string[]) => (path: string) => {
  if (path.includes("instanceTemplates"))
    return { properties: { metadata: { items: [{ key: "odin-revision", value: "bbbb" }] } } };
  if (path.includes("listManagedInstances"))
    return {
      managedInstances: consoles().map((_, index) => ({
        instance: `${PROJECT}/zones/r-a/instances/vm-${index}`,
      })),
    };
  const [, index = ""] = /instances\/vm-(\d)\/serialPort/.exec(path) ?? [];
  const [, start = ""] = /start=(\d+)/.exec(path) ?? [];
  const text = consoles()[Number(index)] ?? "";
  return { contents: text.slice(Number(start)), next: String(text.length) };
};
const OLD = "odin-startup: ready role=gateway image=a seconds=70 revision=aaaa\n";
const NEW = "odin-startup: ready role=gateway image=a seconds=20 revision=bbbb\n";

test("a gateway whose metadata are new has not applied them before its console says so", async (t) => {
  const consoles = [OLD, OLD + NEW];
  const { url, asked } = await group(
    t,
    [READY],
    [],
    gateways(() => consoles),
  );
  const lines: string[] = [];
  const print = (line: string) => {
    lines.push(line);
    consoles[0] = OLD + NEW;
  };
  assert.match(await wait(url, lines, { print }), /all 2 gateways run/);
  assert.match(lines.join("\n"), /not applied yet by vm-0$/m);
  const refreshes = asked.filter(({ path }) => path.endsWith("/applyUpdatesToInstances"));
  assert.deepEqual(
    refreshes.map(({ body }) => body),
    [{ allInstances: true, minimalAction: "REFRESH", mostDisruptiveAllowedAction: "REFRESH" }],
    "once, in all VMs at the same time",
  );
});

test("back to earlier settings: the line of an earlier time does not count", async (t) => {
  const { url } = await group(
    t,
    [READY],
    [],
    gateways(() => [NEW + OLD]),
  );
  await fails(wait(url, [], SOON), /not applied yet by vm-0/);
});

test("a gateway that fails with the new settings ends the wait with its reason", async (t) => {
  const failed = "odin-startup: failed role=gateway step=live: odin-gateway keeps exiting revision=bbbb\n";
  const { url } = await group(
    t,
    [READY],
    [],
    gateways(() => [OLD + failed, OLD]),
  );
  await fails(wait(url), /vm-0: odin-startup: failed role=gateway step=live: odin-gateway keeps exiting/);
});

test("a group whose VMs must be replaced refuses the refresh, which ends no wait", async (t) => {
  let refused = 0;
  const { url } = await fakeCompute(t, ({ path }) => {
    if (path.endsWith("/applyUpdatesToInstances")) {
      refused++;
      return { status: 412, body: { error: { message: "a more disruptive action is needed" } } };
    }
    return BESIDES.test(path) ? { body: {} } : READY;
  });
  await wait(url);
  assert.equal(refused, 1);
});
