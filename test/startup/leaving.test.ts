/** A gateway that its group takes away drains while the load balancer still forwards to it. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { eventually } from "../harness/wait.ts";
import { buildGateway } from "./gateway-machine.ts";
import { type Machine, SUITE, whyNoMachine } from "./machine.ts";

const GROUP = "projects/42/regions/us-central1/instanceGroupManagers/odin-prod-gateway-1a2b";
const UNIT = "odin-leaving.service";
const INSTANCES = "https://www.googleapis.com/compute/v1/projects/test-project/zones/us-central1-a/instances";

/** @param actions by the VM's name */
function tell(machine: Machine, actions: Record<string, string>): void {
  machine.cloud.groups[GROUP] = Object.entries(actions).map(([name, currentAction]) => ({
    instance: `${INSTANCES}/${name}`,
    currentAction,
  }));
  machine.tell();
}

async function start(machine: Machine): Promise<void> {
  const { code, stderr } = await machine.start();
  assert.equal(code, 0, stderr);
}

const journal = (machine: Machine) => machine.read(`journal/${UNIT}.log`);
const questions = (machine: Machine) => machine.requests().filter(({ to }) => to === "compute");
const stops = (machine: Machine) => machine.calls("docker", /^docker stop/);

async function inGroup(t: Parameters<typeof buildGateway>[0]): Promise<Machine> {
  const machine = await buildGateway(t);
  machine.cloud.attributes["created-by"] = GROUP;
  return machine;
}

/** Until it has looked again after what was told. */
async function looks(machine: Machine, times = 2): Promise<void> {
  const before = questions(machine).length;
  await eventually(
    () => `a question:\n${journal(machine)}`,
    () => questions(machine).length >= before + times,
  );
}

describe("a gateway that leaves", { skip: whyNoMachine(), timeout: SUITE }, () => {
  for (const action of ["DELETING", "RECREATING", "ABANDONING"]) {
    test(`${action}: its container is stopped, once, with the time it needs`, async (t) => {
      const machine = await inGroup(t);
      tell(machine, { "machine-under-test": "NONE", "machine-under-test-2": action });
      await start(machine);
      await looks(machine);
      assert.ok(machine.runs("gateway"), "another VM's end is not its own");
      tell(machine, { "machine-under-test-2": "NONE", "machine-under-test": action });
      await eventually("the end of the gateway", () => !machine.runs("gateway"));
      await eventually("its line", () =>
        journal(machine).includes(`is ${action} machine-under-test: stopping odin-gateway.service`),
      );
      assert.deepEqual(stops(machine), ["docker stop -t 75 odin-gateway"]);
      const [question] = questions(machine);
      assert.equal(question?.method, "POST");
      assert.equal(question.authorization, "Bearer ya29.token-of-the-vm");
    });
  }

  test("what cannot be read is no reason to leave, and is told once", async (t) => {
    const machine = await inGroup(t);
    tell(machine, { "machine-under-test": "NONE" });
    machine.cloud.faults.push({ at: "^compute", status: 403, body: '{"error": {"message": "no right"}}' });
    await start(machine);
    await looks(machine, 8);
    assert.equal(journal(machine).match(/HTTP 403: no right.*roles\/compute\.viewer/g)?.length, 1);
    machine.cloud.faults.pop();
    tell(machine, {});
    await eventually("that it answers again", () => journal(machine).includes("answers again"));
    await looks(machine);
    assert.ok(machine.runs("gateway"));
    tell(machine, { "machine-under-test": "DELETING" });
    await eventually("the end of the gateway", () => !machine.runs("gateway"));
  });

  test("started again it goes on looking, and a VM of no group asks nobody", async (t) => {
    const machine = await inGroup(t);
    tell(machine, { "machine-under-test": "NONE" });
    await start(machine);
    await start(machine);
    await looks(machine);
    assert.equal(stops(machine).length, 0);
    const alone = await buildGateway(t);
    await start(alone);
    assert.deepEqual(alone.calls("systemctl", /leaving/), []);
    assert.equal(questions(alone).length, 0);
  });
});
