/** A gateway that its group removes drains while the load balancer still forwards to it. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { eventually } from "../../harness/wait.ts";
import { buildGateway } from "../../startup/gateway-machine.ts";
import { type Machine, SUITE, whyNoMachine } from "../../startup/machine.ts";

const GROUP = "projects/42/regions/us-central1/instanceGroupManagers/odin-prod-gateway-1a2b";
const UNIT = "odin-leaving.service";
const INSTANCES = "https://www.googleapis.com/compute/v1/projects/test-project/zones/us-central1-a/instances";

/** Sets the group's current actions. @param actions by the VM's name */
function setActions(machine: Machine, actions: Record<string, string>): void {
  machine.cloud.groups[GROUP] = Object.entries(actions).map(([name, currentAction]) => ({
    instance: `${INSTANCES}/${name}`,
    currentAction,
  }));
  machine.saveCloud();
}

async function start(machine: Machine): Promise<void> {
  const { code, stderr } = await machine.start();
  assert.equal(code, 0, stderr);
}

const journal = (machine: Machine) => machine.read(`journal/${UNIT}.log`);
const requests = (machine: Machine) => machine.requests().filter(({ to }) => to === "compute");
const stops = (machine: Machine) => machine.calls("docker", /^docker stop/);

async function inGroup(t: Parameters<typeof buildGateway>[0]): Promise<Machine> {
  const machine = await buildGateway(t);
  machine.cloud.attributes["created-by"] = GROUP;
  return machine;
}

/** Waits until the machine has asked its group this many times from now on. */
async function asksAgain(machine: Machine, times = 2): Promise<void> {
  const before = requests(machine).length;
  await eventually(
    () => `a request to the group:\n${journal(machine)}`,
    () => requests(machine).length >= before + times,
  );
}

describe("a gateway that its group removes", { skip: whyNoMachine(), timeout: SUITE }, () => {
  for (const action of ["DELETING", "RECREATING", "ABANDONING"]) {
    test(`${action}: its container is stopped once, with time for its drain`, async (t) => {
      const machine = await inGroup(t);
      setActions(machine, { "machine-under-test": "NONE", "machine-under-test-2": action });
      await start(machine);
      await asksAgain(machine);
      assert.ok(machine.runs("gateway"), "the removal of another VM must not stop this one");
      setActions(machine, { "machine-under-test-2": "NONE", "machine-under-test": action });
      await eventually("the end of the gateway", () => !machine.runs("gateway"));
      await eventually("its line", () =>
        journal(machine).includes(`is ${action} machine-under-test: stopping odin-gateway.service`),
      );
      assert.deepEqual(stops(machine), ["docker stop -t 75 odin-gateway"]);
      const [request] = requests(machine);
      assert.equal(request?.method, "POST");
      assert.equal(request.authorization, "Bearer ya29.token-of-the-vm");
    });
  }

  test("an error of the API does not stop the gateway, and is logged once", async (t) => {
    const machine = await inGroup(t);
    setActions(machine, { "machine-under-test": "NONE" });
    machine.cloud.faults.push({ at: "^compute", status: 403, body: '{"error": {"message": "no right"}}' });
    await start(machine);
    await asksAgain(machine, 8);
    assert.equal(journal(machine).match(/HTTP 403: no right.*roles\/compute\.viewer/g)?.length, 1);
    machine.cloud.faults.pop();
    setActions(machine, {});
    await eventually("the line that the API answers again", () => journal(machine).includes("answers again"));
    await asksAgain(machine);
    assert.ok(machine.runs("gateway"));
    setActions(machine, { "machine-under-test": "DELETING" });
    await eventually("the end of the gateway", () => !machine.runs("gateway"));
  });

  test("after another start the machine continues to ask; a VM without a group does not ask", async (t) => {
    const machine = await inGroup(t);
    setActions(machine, { "machine-under-test": "NONE" });
    await start(machine);
    await start(machine);
    await asksAgain(machine);
    assert.equal(stops(machine).length, 0);
    const alone = await buildGateway(t);
    await start(alone);
    assert.deepEqual(alone.calls("systemctl", /leaving/), []);
    assert.equal(requests(alone).length, 0);
  });
});
