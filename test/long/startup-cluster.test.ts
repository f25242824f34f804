/**
 * Three NATS VMs with the real server and their real firewalls: how the cluster starts, and how it is
 * updated.
 */

import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutNats } from "../harness/nats.ts";
import { eventually, pause, within } from "../harness/wait.ts";
import { type Machine, SUITE, whyNoMachine } from "../startup/machine.ts";
import { buildNats, makeAuthority, NATS_IMAGE, PASSWORDS } from "../startup/nats-machine.ts";

const ATTEMPTS = fileURLToPath(new URL("../startup/nats-attempts.ts", import.meta.url));
const ADDRESSES = ["10.9.0.1", "10.9.0.2", "10.9.0.3"];
const UPDATE_TIMEOUT_MS = 180_000; // 3 min for three servers to restart, one after the other

/**
 * Connects the machines by a bridge in the first one. Each address moves from the loopback interface to the
 * bridge.
 */
async function join(machines: readonly Machine[]): Promise<void> {
  const [hub] = machines;
  assert.ok(hub);
  await hub.shell("ip link add bridge type bridge && ip link set bridge up");
  for (const [index, machine] of machines.entries()) {
    const port = `port${index + 1}`;
    const link = index === 0 ? "bridge" : "wire";
    await machine.shell(ADDRESSES.map((address) => `ip address del ${address}/32 dev lo`).join(" && "));
    if (index > 0) {
      const ends = ["name", "wire", "netns", String(machine.pid), "type", "veth"];
      const peer = ["peer", "name", port, "netns", String(hub.pid)];
      execFileSync("ip", ["link", "add", ...ends, ...peer], {
        env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
      });
      await hub.shell(`ip link set ${port} master bridge up`);
    }
    await machine.shell(`ip link set ${link} up && ip address add ${ADDRESSES[index]}/24 dev ${link}`);
  }
}

/**
 * Returns the status of the server's health page: 200 when it is in sync with its cluster, 0 when it does not
 * answer.
 */
async function health(machine: Machine): Promise<number> {
  const ask = "curl -s -o /dev/null -m 1 -w '%{http_code}' http://127.0.0.1:8222/healthz || true";
  return Number(await machine.shell(ask));
}

const lastLine = (machine: Machine) => machine.read("serial").trimEnd().split("\n").at(-1) ?? "";

describe("cluster of NATS VMs", { skip: whyNoMachine() || withoutNats(), timeout: SUITE }, () => {
  test("starts one server after the other, and updates one after the other while messages are stored", async (t) => {
    const authority = makeAuthority(t);
    const peers = ADDRESSES.map((address) => `${address}:6222`).join(" ");
    const machines: Machine[] = [];
    for (const ordinal of ADDRESSES.keys()) {
      machines.push(await buildNats(t, authority, { ordinal, peers, real: true }));
    }
    await join(machines);
    const [first, ...others] = machines;
    assert.ok(first);

    for (const machine of machines) {
      machine.clearFault("ignore-odin-watch.service");
      machine.cloud.attributes["odin-revision"] = "a1";
      Object.assign(machine.env, {
        ODIN_LIVE_SECONDS: "60",
        ODIN_PEER_SECONDS: "120",
        ODIN_STAGGER: "5",
        ODIN_WATCH_SECONDS: "60",
      });
      const { serial, stderr } = await machine.start();
      assert.match(serial[0] ?? stderr, /^odin-startup: ready role=nats .* revision=a1$/);
      // The first election needs the votes of all three servers.
      assert.equal(stderr.includes("ready without its cluster"), machine !== others.at(-1));
    }
    for (const machine of machines)
      await eventually("health", async () => (await health(machine)) === 200, 30_000);

    const attempt = async (user: string, attempts: string[]): Promise<unknown[]> => {
      const login = `${user}:${PASSWORDS[`nats-${user}-password`]}`;
      const url = ADDRESSES.map((address) => `tls://${login}@${address}:4222`).join(",");
      const client = first.near(process.execPath, [ATTEMPTS, url, ...attempts], {
        NODE_EXTRA_CA_CERTS: authority.caFile,
      });
      await within(() => `attempt:\n${client.tail()}`, client.exited, 30_000);
      return client.exit?.code === 0
        ? client.output
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line) as unknown)
        : [client.tail()];
    };
    const config = { name: "ODIN_TOKENS", subjects: ["odin.token.>"], storage: "file", num_replicas: 3 };
    const created = await attempt("gateway", [`$JS.API.STREAM.CREATE.ODIN_TOKENS=${JSON.stringify(config)}`]);
    assert.deepEqual(created, [true]);

    // All three machines get the new revision at the same time. A deployment would update them one after the
    // other.
    for (const machine of [...others, first]) {
      machine.cloud.attributes["odin-image-nats"] = `${NATS_IMAGE}-other`;
      machine.cloud.attributes["odin-revision"] = "b2";
      machine.saveCloud();
    }
    const end = Date.now() + UPDATE_TIMEOUT_MS;
    let most = 0;
    let stored = 0;
    let lost = 0;
    const away = new Set<number>();
    const done = () =>
      machines.every((machine) => /^odin-startup: ready .* revision=b2$/.test(lastLine(machine)));
    while (!done()) {
      assert.ok(Date.now() < end, machines.map(lastLine).join("\n"));
      const states = await Promise.all(machines.map(health));
      const unwell = states.flatMap((status, index) => (status === 200 ? [] : [index]));
      for (const index of unwell) away.add(index);
      most = Math.max(most, unwell.length);
      const [outcome] = await attempt("publisher", ['odin.token.BTC.trade={"price":1}']);
      if (outcome === true) stored += 1;
      else lost += 1;
      await pause(50);
    }
    t.diagnostic(
      `${stored} messages stored, ${lost} refused, ${[...away].length} of 3 servers were unavailable, ${most} at once`,
    );
    assert.ok(most <= 1, `${most} servers were unavailable at the same time`);
    assert.ok(stored > lost, `${stored} messages stored, ${lost} refused`);
    for (const machine of machines) {
      assert.equal(machine.calls("docker", /^docker run .*-other --config/).length, 1);
      assert.equal(machine.calls("docker", /^docker run /).length, 2);
    }
    const [answer] = await attempt("publisher", ['odin.token.BTC.trade={"price":2}']);
    assert.equal(answer, true);
  });
});
