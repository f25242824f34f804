import assert from "node:assert/strict";
import { test } from "node:test";
import { recover } from "./pending.ts";

const TYPE = "gcp:compute/network:Network";
const URN = `urn:pulumi:prod::odin-ws::${TYPE}::network`;
const INPUTS = { project: "p", name: "net" };
const ID = "projects/p/global/networks/net";

/** A state with resources, and with creations that were in flight. */
const state = (resources: object[], creates: object[], others: object[] = []) =>
  JSON.stringify({
    version: 3,
    deployment: {
      manifest: { version: "v3" },
      resources,
      pending_operations: [
        ...creates.map((resource) => ({ type: "creating", resource })),
        ...others.map((resource) => ({ type: "updating", resource })),
      ],
    },
  });

const network = (more: object = {}) => ({ urn: URN, type: TYPE, inputs: INPUTS, ...more });

function recovered(...args: Parameters<typeof state>) {
  const { state: text, ...found } = recover(state(...args));
  return { ...found, ...(JSON.parse(text) as { version: number; deployment: Record<string, object[]> }) };
}

test("a resource that was being created joins the state with the id that it has in the cloud", () => {
  const secret = {
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    ciphertext: "v1:x",
  };
  const inputs = { ...INPUTS, description: secret };
  const { sought, total, version, deployment } = recovered([{ urn: "stack" }], [network({ inputs })]);
  assert.deepEqual([sought, total, version], [[URN], 1, 3]);
  assert.deepEqual(deployment.resources, [{ urn: "stack" }, network({ inputs, id: ID, outputs: inputs })]);
  assert.deepEqual([deployment.manifest, deployment.pending_operations], [{ version: "v3" }, []]);
});

test("a creation whose end Pulumi had learnt of keeps its id and its outputs", () => {
  const made = network({ id: "other", outputs: { selfLink: "x" } });
  assert.deepEqual(recovered([], [made]).deployment.resources, [made]);
});

test("updates and deletions in flight stay for the next command, which does them again", () => {
  const { total, deployment } = recovered([], [], [network()]);
  assert.deepEqual([total, deployment.pending_operations], [0, [{ type: "updating", resource: network() }]]);
});

test("a resource that a later `up` has created is not touched", () => {
  const live = network({ id: ID, outputs: { selfLink: "x" } });
  const { sought, copies, deployment } = recovered([live], [network()]);
  assert.deepEqual([sought, copies, deployment.resources], [[], [], [live]]);
});

test("a second copy, made for a replacement, is deleted by the next `up`, also when the first is protected", () => {
  const live = network({ id: "projects/p/global/networks/old", protect: true });
  const { sought, copies, deployment } = recovered([live], [network({ protect: true })]);
  assert.deepEqual([sought, copies], [[], [URN]]);
  assert.deepEqual(deployment.resources, [
    live,
    network({ id: ID, outputs: INPUTS, delete: true, protect: false }),
  ]);
});

test("a resource whose predecessor was deleted first takes its place", () => {
  const before = network({ id: ID, pendingReplacement: true });
  const { sought, deployment } = recovered([before, { urn: "user" }], [network()]);
  assert.deepEqual(sought, [URN]);
  assert.deepEqual(deployment.resources, [network({ id: ID, outputs: INPUTS }), { urn: "user" }]);
});

test("what is created again without harm is forgotten, and what may exist twice is named", () => {
  const grant = { urn: "grant", type: "gcp:projects/iAMMember:IAMMember" };
  const alert = {
    urn: "alert",
    type: "gcp:monitoring/alertPolicy:AlertPolicy",
    inputs: { displayName: "p: down" },
  };
  const { sought, copies, twice, total, deployment } = recovered([], [grant, alert]);
  assert.deepEqual([sought, copies, total, deployment.resources], [[], [], 2, []]);
  assert.deepEqual(twice, [{ urn: "alert", name: "p: down" }]);
});

test("a component that was being created is forgotten, because it does not exist in the cloud", () => {
  const component = { urn: "urn:pulumi:prod::odin-ws::odin-ws:index:Vm::nats", type: "odin-ws:index:Vm" };
  const { total, sought, deployment } = recovered([], [{ ...component, custom: false }]);
  assert.deepEqual([total, sought], [0, []]);
  assert.deepEqual([deployment.resources, deployment.pending_operations], [[], []]);
  assert.throws(() => recovered([], [{ ...component, custom: true }]), /has no row/);
});

test("an unknown type is an error that says what to do", () => {
  const strange = { urn: "urn:x", type: "gcp:pubsub/topic:Topic" };
  assert.throws(() => recover(state([], [strange])), /urn:x was being created.*--clear-pending-creates/);
});
