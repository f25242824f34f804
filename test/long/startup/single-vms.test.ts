/**
 * Single VMs, which apply a change of their metadata while they run, and the two VMs that only the capacity
 * test has.
 */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { LOADTEST } from "../../../stacks/capacity-test.ts";
import type { Owner } from "../../harness/owner.ts";
import { eventually } from "../../harness/wait.ts";
import { buildGateway, IMAGE } from "../../startup/gateway-machine.ts";
import { buildMachine, type Machine, type Outcome, SUITE, whyNoMachine } from "../../startup/machine.ts";

const REGISTRY = "us-central1-docker.pkg.dev/project/odin";

const lastLine = (machine: Machine) => machine.read("serial").trimEnd().split("\n").at(-1) ?? "";
const ready = ({ serial, stderr }: Outcome) => assert.match(serial.at(-1) ?? stderr, /^odin-startup: ready /);

function buildRunner(owner: Owner): Promise<Machine> {
  return buildMachine(owner, "runner", {
    "image-loadtest": `${REGISTRY}/loadtest@sha256:1`,
    "env-WS_URL": "ws://10.20.0.2:3004/ws",
    "env-JWT_SECRET": 'two lines\n"and" $more',
  });
}

describe("watch over the metadata", { skip: whyNoMachine(), timeout: SUITE }, () => {
  test("a change is applied to the running VM, with the new script", async (t) => {
    const machine = await buildGateway(t, { revision: "aaaa" });
    ready(await machine.start());
    const { attributes } = machine.cloud;
    attributes["odin-image-gateway"] = IMAGE.replace("1111", "2222");
    attributes["odin-revision"] = "bbbb";
    attributes["startup-script"] =
      attributes["startup-script"]?.replace("RestartSec=2", "RestartSec=3") ?? "";
    machine.saveCloud();
    await eventually(
      "new start",
      () => /ready .*2222 seconds=\d+ revision=bbbb$/.test(lastLine(machine)),
      30_000,
    );
    assert.match(await machine.shell("cat /etc/systemd/system/odin-gateway.service"), /^RestartSec=3$/m);
    assert.equal(machine.calls("docker", /^docker run .*2222/).length, 1);
    attributes["odin-revision"] = "cccc";
    machine.saveCloud();
    await eventually("another start", () => lastLine(machine).endsWith("revision=cccc"), 30_000);
    assert.equal(machine.calls("docker", /^docker run /).length, 2, "only the revision has changed");
  });

  test("a VM of an instance group has no watch", async (t) => {
    const machine = await buildGateway(t);
    ready(await machine.start());
    assert.deepEqual(machine.calls("systemctl", /odin-watch/), []);
  });

  test("a failed start is repeated by itself, and a correction of the metadata is applied too", async (t) => {
    const machine = await buildRunner(t);
    machine.fault("pull", "3"); // fails for all attempts of one start
    const { serial } = await machine.start();
    assert.match(serial[0] ?? "", /^odin-startup: failed role=runner step=pull: /);
    await eventually(
      "start after the failed one",
      () => lastLine(machine).startsWith("odin-startup: ready"),
      30_000,
    );
    machine.cloud.attributes["odin-env-PATH"] = "/";
    machine.saveCloud();
    await eventually(
      "failure",
      () => lastLine(machine).includes("step=inputs: the environment variable PATH"),
      30_000,
    );
    delete machine.cloud.attributes["odin-env-PATH"];
    machine.saveCloud();
    await eventually("correction", () => lastLine(machine).startsWith("odin-startup: ready"), 30_000);
  });
});

describe("capacity test", { skip: whyNoMachine(), timeout: SUITE }, () => {
  test("the runner has enough ports, connections and files for its clients, and the load test's command", async (t) => {
    const machine = await buildRunner(t);
    ready(await machine.start());
    const kernel = "sysctl -n net.ipv4.ip_local_port_range net.ipv4.tcp_tw_reuse net.ipv4.tcp_fin_timeout";
    assert.equal(await machine.shell(kernel), "1024\t65535\n1\n15\n");
    assert.equal(machine.calls("sysctl", /net\.netfilter\.nf_conntrack_max=200000$/).length, 1);
    assert.match(await machine.shell("cat /etc/security/limits.d/*"), /^\* - nofile 200000$/m);
    assert.equal(
      (await machine.shell("iptables -S INPUT | grep -c -- --dport")).trim(),
      "1",
      "only SSH is open",
    );

    const wrapper = LOADTEST.replace("sudo ", "");
    assert.equal(
      await machine.shell("PATH=; . /etc/profile.d/odin.sh; echo $PATH"),
      ":/mnt/disks/odin/bin\n",
    );
    const { code, stderr } = await machine.run(wrapper, ["sustained", "--connections", "10 000"]);
    assert.equal(code, 0, stderr);
    const [run = ""] = machine.calls("docker", /^docker run /);
    assert.match(run, /--cap-drop ALL .*--ulimit nofile=200000:200000 .*\/results /);
    assert.match(run, /loadtest@sha256:1 sustained --connections 10 000$/);
    const given = machine.read("environment-").split("\0").filter(Boolean);
    assert.deepEqual(given, ['JWT_SECRET=two lines\n"and" $more', "WS_URL=ws://10.20.0.2:3004/ws"]);
  });

  test("a runner without an image only sets its kernel parameters", async (t) => {
    const machine = await buildMachine(t, "runner", {});
    assert.match(
      (await machine.start()).serial[0] ?? "",
      /^odin-startup: ready role=runner image=none seconds=\d+$/,
    );
    assert.deepEqual(machine.calls("docker", /^docker (pull|run)/), []);
  });

  test("the backend runs NATS, the publisher and monitoring, and leaves memory for the system", async (t) => {
    const names = ["nats", "publisher", "prometheus", "alertmanager", "loki", "grafana"];
    const images = Object.fromEntries(names.map((name) => [`image-${name}`, `${REGISTRY}/${name}:1`]));
    const machine = await buildMachine(t, "backend", { ...images, "env-PUBLISHER_PORT": "3003" });
    ready(await machine.start());
    assert.deepEqual(machine.environment("publisher"), {
      PUBLISHER_PORT: "3003",
      NATS_URL: "nats://127.0.0.1:4222",
    });
    const open = await machine.shell("iptables -S INPUT");
    const ports = [...open.matchAll(/--dport (\d+) /g)].map(([, port]) => Number(port));
    assert.deepEqual(ports, [22, 4222, 8222, 3003, 3010, 9090, 9093, 3100]);
    const configuration = await machine.shell("cat /run/odin/nats/nats.conf");
    assert.doesNotMatch(configuration, /authorization|tls|cluster/);
    const total = Number((await machine.shell("awk '/MemTotal/ {print $2}' /proc/meminfo")).trim()) * 1024;
    const all = await machine.shell("cat /run/odin/containers/*.sh");
    const limits = [...all.matchAll(/--memory (\d+) /g)].map(([, bytes]) => Number(bytes));
    assert.equal(limits.length, names.length);
    const sum = limits.reduce((one, other) => one + other, 0);
    assert.ok(sum > total * 0.6 && sum < total * 0.8, `${sum} of ${total}`);
    assert.equal(machine.runs("loki"), false, "Loki has no configuration");
    assert.ok(machine.runs("nats") && machine.runs("publisher") && machine.runs("grafana"));
    ready(await machine.start());
    assert.equal(machine.calls("docker", /^docker run /).length, 3);
  });
});
