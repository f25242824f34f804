/** Gateways of an instance group restart in place, one after the other. */

import { strict as assert } from "node:assert";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Owner } from "../../harness/owner.ts";
import { eventually } from "../../harness/wait.ts";
import { buildGateway } from "../../startup/gateway-machine.ts";
import { type Machine, SUITE, whyNoMachine } from "../../startup/machine.ts";

const NAME = "machine-under-test";

async function started(owner: Owner): Promise<Machine> {
  const machine = await buildGateway(owner, { revision: "aaaa", "turn-bucket": "turns" });
  machine.fault("ignore-odin-watch.service"); // the tests start the script themselves
  machine.env.ODIN_TURN_POLL = "0.05";
  const shared = join(machine.folder, "shared");
  mkdirSync(shared);
  machine.cloud.shared = shared;
  const { code, stderr } = await machine.start();
  assert.equal(code, 0, stderr);
  machine.cloud.attributes["odin-env-LOG_LEVEL"] = "debug";
  machine.cloud.attributes["odin-revision"] = "bbbb";
  return machine;
}

const file = (machine: Machine) => join(machine.folder, "shared", "turn");
const turn = (machine: Machine): string | undefined =>
  existsSync(file(machine))
    ? (JSON.parse(readFileSync(file(machine), "utf8")) as { body: string }).body
    : undefined;
/** Writes the object as another gateway. */
const occupy = (machine: Machine, body: string, ageSeconds = 0) =>
  writeFileSync(
    file(machine),
    JSON.stringify({ generation: 7, modified: Date.now() - ageSeconds * 1000, body }),
  );
const stops = (machine: Machine) => machine.calls("docker", /^docker stop --signal/);
const runs = (machine: Machine) => machine.calls("docker", /^docker run /).length;

describe("restart in place", { skip: whyNoMachine(), timeout: SUITE }, () => {
  test("changed settings restart the container with SIGHUP and time for its drain; the turn is free again", async (t) => {
    const machine = await started(t);
    machine.cloud.attributes["odin-env-WS_RESTART_SECONDS"] = "9";
    const { serial } = await machine.start();
    assert.match(serial[0] ?? "", /^odin-startup: ready .* revision=bbbb$/);
    assert.deepEqual(stops(machine), ["docker stop --signal HUP -t 24 odin-gateway"]);
    assert.equal(machine.environment("gateway").LOG_LEVEL, "debug");
    assert.ok(machine.runs("gateway"));
    assert.equal(turn(machine), undefined);
    const puts = machine.requests().filter(({ method, path }) => method === "PUT" && path === "/turns/turn");
    assert.deepEqual(
      puts.map(({ body }) => body),
      [`restarting ${NAME} bbbb`],
    );
  });

  test("a start, and a change that needs no restart, take no turn", async (t) => {
    const machine = await started(t);
    assert.deepEqual(stops(machine), []);
    delete machine.cloud.attributes["odin-env-LOG_LEVEL"];
    const { serial } = await machine.start();
    assert.match(serial[0] ?? "", /^odin-startup: ready .* revision=bbbb$/);
    assert.equal(runs(machine), 1);
    assert.deepEqual(
      machine.requests().filter(({ path }) => path === "/turns/turn"),
      [],
    );
  });

  test("while another gateway restarts, this one serves its clients", async (t) => {
    const machine = await started(t);
    occupy(machine, "restarting gateway-2 bbbb");
    const run = machine.start();
    await eventually(
      "three looks",
      () =>
        machine.requests().filter(({ method, path }) => method === "GET" && path === "/turns/turn").length >
        2,
    );
    assert.deepEqual([stops(machine), runs(machine)], [[], 1]);
    rmSync(file(machine));
    const { serial, stderr } = await run;
    assert.match(serial[0] ?? "", /^odin-startup: ready /);
    assert.match(stderr, /waits for its turn: gateway-2 restarting/);
    assert.equal(stderr.match(/waits for its turn/g)?.length, 1);
    assert.equal(turn(machine), undefined);
  });

  test("the turn of a VM that disappeared, and a mark about other settings, are over", async (t) => {
    const machine = await started(t);
    occupy(machine, "restarting gateway-2 bbbb", 301);
    assert.equal((await machine.start()).code, 0);
    machine.cloud.attributes["odin-revision"] = "cccc";
    machine.cloud.attributes["odin-env-LOG_LEVEL"] = "warn";
    occupy(machine, "failed gateway-2 bbbb");
    assert.equal((await machine.start()).code, 0);
    assert.equal(stops(machine).length, 2);
  });

  test("after a failure of another gateway with the same settings, this one stays as it is", async (t) => {
    const machine = await started(t);
    occupy(machine, "failed gateway-2 bbbb", 600);
    const { serial } = await machine.start();
    assert.match(
      serial[0] ?? "",
      /^odin-startup: failed role=gateway step=turn: not restarted: gateway-2 failed with these settings, and one gateway is enough revision=bbbb$/,
    );
    assert.deepEqual([stops(machine), runs(machine)], [[], 1]);
    assert.ok(machine.runs("gateway"));
    assert.equal(turn(machine), "failed gateway-2 bbbb");
  });

  test("a gateway that does not come back marks the turn, and tries again without waiting", async (t) => {
    const machine = await started(t);
    machine.fault("end-odin-gateway", "wrong setting\n");
    assert.match((await machine.start()).serial[0] ?? "", /^odin-startup: failed role=gateway step=live: /);
    assert.equal(turn(machine), `failed ${NAME} bbbb`);
    machine.clearFault("end-odin-gateway");
    machine.cloud.attributes["odin-env-LOG_LEVEL"] = "info";
    assert.equal((await machine.start()).code, 0);
    assert.equal(turn(machine), undefined);
  });

  test("a gateway that waits stops waiting when its metadata change again", async (t) => {
    const machine = await started(t);
    occupy(machine, "restarting gateway-2 bbbb");
    const run = machine.start();
    await eventually("a look", () => machine.requests().some(({ path }) => path === "/turns/turn"));
    machine.cloud.attributes["odin-revision"] = "cccc";
    machine.saveCloud();
    const { serial } = await run;
    assert.match(serial[0] ?? "", /step=turn: not restarted: the metadata has changed again revision=bbbb$/);
    assert.deepEqual([stops(machine), runs(machine)], [[], 1]);
  });
});
