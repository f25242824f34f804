/** Start-up of a gateway, from the first boot to another image. */

import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { eventually } from "../../harness/wait.ts";
import { buildGateway, IMAGE, PAYLOADS, ready } from "../../startup/gateway-machine.ts";
import { type Machine, type Outcome, SUITE, whyNoMachine } from "../../startup/machine.ts";

const UNIT = "/etc/systemd/system/odin-gateway.service";

function assertReady({ code, serial, stderr, stdout }: Outcome, image = IMAGE): void {
  assert.equal(code, 0, stderr);
  assert.equal(serial.length, 1, serial.join("\n"));
  assert.match(serial[0] ?? "", ready(image));
  assert.equal(stderr.trimEnd().split("\n").at(-1), serial[0]);
  assert.equal(`${stdout}${stderr}`.match(/^odin-startup: /gm)?.length, 1);
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const rules = async (machine: Machine) => (await machine.shell("iptables -S INPUT")).trim().split("\n");
const starts = (machine: Machine) => machine.calls("docker", /^docker run /).length;

describe("start-up of a gateway", { skip: whyNoMachine(), timeout: SUITE }, () => {
  test("a first boot sets up kernel, firewall, secrets and container, and reports it in one line", async (t) => {
    const machine = await buildGateway(t);
    assertReady(await machine.start());

    const kernel = await machine.shell(
      "sysctl -n net.ipv4.tcp_max_syn_backlog net.core.somaxconn net.ipv4.tcp_syncookies; cat /etc/security/limits.d/*",
    );
    assert.equal(kernel, "8192\n8192\n1\n* - nofile 200000\nroot - nofile 200000\n");
    assert.deepEqual(await rules(machine), [
      "-P INPUT DROP",
      "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      "-A INPUT -i lo -j ACCEPT",
      "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
      "-A INPUT -p tcp -m tcp --dport 3004 -j ACCEPT",
      "-A INPUT -p tcp -m tcp --dport 3002 -j ACCEPT",
      "-A INPUT -p tcp -m tcp --dport 12345 -j ACCEPT",
    ]);
    assert.deepEqual(machine.calls("docker-credential-gcr"), [
      "docker-credential-gcr configure-docker --registries=us-central1-docker.pkg.dev",
    ]);
    assert.deepEqual(machine.calls("docker", /^docker pull/), [`docker pull --quiet ${IMAGE}`]);
    // Every request to the metadata server has the header Metadata-Flavor, every other request the VM's
    // token.
    const requests = machine.requests();
    assert.ok(requests.length > 10);
    for (const { to, flavor, authorization } of requests) {
      if (to === "metadata") assert.equal(flavor, "Google");
      if (to === "secrets") assert.equal(authorization, "Bearer ya29.token-of-the-vm");
    }
  });

  test("the container has no rights, has limits, and gets its settings byte for byte", async (t) => {
    const machine = await buildGateway(t);
    assertReady(await machine.start());
    const total = Number((await machine.shell("awk '/MemTotal/ {print $2}' /proc/meminfo")).trim()) * 1024;
    const memory = total - 640 * 1024 * 1024;
    assert.deepEqual(machine.calls("docker", /^docker run /), [
      [
        "docker run --detach --rm --init --name odin-gateway --network host --pull never --read-only --cap-drop ALL",
        "--security-opt no-new-privileges --ulimit nofile=200000:200000",
        `--memory ${memory} --memory-swap ${memory} --stop-timeout 75`,
        "--log-driver journald --log-opt tag=odin-gateway --log-opt mode=non-blocking --log-opt max-buffer-size=4m",
        "--env AUTH_MODE --env JWT_PUBLIC_KEY --env NATS_URL --env WS_ALLOWED_ORIGINS --env WS_DRAIN_SECONDS",
        "--user 65532:65532 --volume /run/odin/secrets:/run/odin/secrets:ro --volume /run/odin/files:/run/odin/files:ro",
        IMAGE,
      ].join(" "),
    ]);
    assert.deepEqual(machine.environment("gateway"), {
      AUTH_MODE: "jwt",
      JWT_PUBLIC_KEY: PAYLOADS["projects/1/secrets/jwt-key/versions/1"],
      NATS_URL: PAYLOADS["projects/1/secrets/nats-url/versions/3"],
      WS_ALLOWED_ORIGINS: "https://one.example,\nhttps://two.example",
      WS_DRAIN_SECONDS: "60",
    });
    const stat = await machine.shell("cd /run/odin && stat -c '%n %a %u' env env/* secrets/* files/*");
    assert.deepEqual(stat.trim().split("\n"), [
      "env 700 0",
      "env/AUTH_MODE 600 0",
      "env/JWT_PUBLIC_KEY 600 0",
      "env/NATS_URL 600 0",
      "env/WS_ALLOWED_ORIGINS 600 0",
      "env/WS_DRAIN_SECONDS 600 0",
      "secrets/nats-credentials 600 65532",
      "files/nats-ca 644 0",
    ]);
    const read = "setpriv --reuid 65532 --regid 65532 --clear-groups cat /run/odin/secrets/nats-credentials";
    assert.equal(await machine.shell(read), PAYLOADS["projects/1/secrets/nats-credentials/versions/7"]);
  });

  test("the unit stops the gateway once, with time for its drain, and restarts it whenever it exits", async (t) => {
    const machine = await buildGateway(t, { "drain-seconds": "40" });
    assertReady(await machine.start());
    const unit = await machine.shell(`cat ${UNIT}`);
    assert.match(unit, /^After=docker\.service network-online\.target$/m);
    assert.match(unit, /^ExecStop=-\/bin\/bash \/run\/odin\/startup\.sh stop 55$/m);
    assert.match(unit, /^TimeoutStopSec=70$/m);
    assert.match(unit, /^Restart=always$/m);
    assert.match(unit, /^StartLimitIntervalSec=0$/m);
    assert.match(unit, /^LimitNOFILE=200000$/m);
    await machine.shell("rm $ODIN_TEST/running/odin-gateway"); // the container exits by itself
    await eventually("second start", () => starts(machine) === 2);
    await machine.systemctl("stop", "odin-gateway.service");
    assert.equal(machine.calls("docker", /^docker stop -t 55 odin-gateway$/).length, 1);
  });

  test("a run without changes changes nothing: no second firewall rule, no restart, no pull", async (t) => {
    const machine = await buildGateway(t);
    assertReady(await machine.start());
    const before = await rules(machine);
    assertReady(await machine.start());
    assertReady(await machine.start());
    assert.deepEqual(await rules(machine), before);
    assert.equal(starts(machine), 1);
    assert.equal(machine.calls("docker", /^docker pull/).length, 1);
  });

  test("another image, secret or variable restarts the gateway, and the old image is removed", async (t) => {
    const machine = await buildGateway(t);
    assertReady(await machine.start());
    const other = IMAGE.replace("1111", "2222");
    machine.cloud.attributes["odin-image-gateway"] = other;
    assertReady(await machine.start(), other);
    assert.equal(starts(machine), 2);
    assert.deepEqual(machine.calls("docker", /^docker image rm/), [
      "docker image rm us-central1-docker.pkg.dev_project_odin_gateway@sha256_1111",
    ]);
    machine.cloud.secrets["projects/1/secrets/nats-credentials/versions/8"] = "other";
    machine.cloud.attributes["odin-secret-file-nats-credentials"] =
      "projects/1/secrets/nats-credentials/versions/8";
    assertReady(await machine.start(), other);
    assert.equal(starts(machine), 3);
    delete machine.cloud.attributes["odin-env-WS_ALLOWED_ORIGINS"];
    delete machine.cloud.attributes["odin-secret-file-nats-credentials"];
    assertReady(await machine.start(), other);
    assert.equal(starts(machine), 4);
    assert.equal("WS_ALLOWED_ORIGINS" in machine.environment("gateway"), false);
    assert.equal(await machine.shell("ls /run/odin/secrets"), "");
  });

  test("a reboot starts the gateway again without the registry", async (t) => {
    const machine = await buildGateway(t);
    assertReady(await machine.start());
    const before = await rules(machine);
    await machine.reboot();
    machine.fault("pull", "99");
    assertReady(await machine.start());
    assert.equal(starts(machine), 2);
    assert.deepEqual(await rules(machine), before);
    assert.equal(machine.environment("gateway").NATS_URL, PAYLOADS["projects/1/secrets/nats-url/versions/3"]);
  });

  test("the line contains the revision of the metadata, if there is one", async (t) => {
    const machine = await buildGateway(t, { revision: "0123abcd" });
    const { serial } = await machine.start();
    assert.match(serial[0] ?? "", / seconds=\d+ revision=0123abcd$/);
  });

  test("no secret appears in output, log, command lines or units, and none appears after a failure", async (t) => {
    const machine = await buildGateway(t);
    const outcomes = [await machine.start()];
    await machine.reboot();
    machine.fault("end-odin-gateway", "WS_PORT: must be a whole number\n");
    outcomes.push(await machine.start());
    assert.equal(outcomes[1]?.code, 1);
    const places: Record<string, string> = {
      output: outcomes.map(({ stdout, stderr }) => stdout + stderr).join(),
      serial: machine.read("serial"),
      commands: machine.read("commands"),
      requests: machine
        .requests()
        .map(({ path }) => path)
        .join(),
      journal: await machine.shell("cat $ODIN_TEST/journal/*"),
      units: await machine.shell("cat /etc/systemd/system/* /run/odin/containers/*"),
      left: await machine.shell("cat /run/odin/* 2>/dev/null || true"),
      temporary: await machine.shell(
        "grep -rlE 'Wm9jN|MCowBQ|eyJ0eX|ya29' /tmp/odin-startup* /var/lib/odin || true",
      ),
    };
    const values = [
      ...Object.values(PAYLOADS).flatMap((payload) => payload.split("\n").filter((line) => line.length > 8)),
      ...Object.values(PAYLOADS).map((payload) => Buffer.from(payload).toString("base64").slice(0, 24)),
      machine.cloud.token ?? "none",
    ];
    for (const [place, text] of Object.entries(places)) {
      for (const value of values) assert.ok(!text.includes(value), `${place} has ${value}`);
    }
    assert.ok(places.commands?.includes("--env NATS_URL"), "the commands were not recorded");
  });

  test("on a machine that is too small for the default, the gateway gets a lower WS_MEMORY_LIMIT", async (t) => {
    const machine = await buildGateway(t);
    await machine.shell(
      "echo 'MemTotal: 4000000 kB' > /run/meminfo && mount --bind /run/meminfo /proc/meminfo",
    );
    assertReady(await machine.start());
    assert.equal(
      machine.environment("gateway").WS_MEMORY_LIMIT,
      String(4_000_000 * 1024 - 640 * 1024 * 1024),
    );
    machine.cloud.attributes["odin-env-WS_MEMORY_LIMIT"] = "2000000000";
    assertReady(await machine.start());
    assert.equal(machine.environment("gateway").WS_MEMORY_LIMIT, "2000000000");
  });

  test("the log shipper has 0.1 CPU and 256 MB, and the start does not wait for its image or configuration", async (t) => {
    const alloy = "us-central1-docker.pkg.dev/project/mirror/grafana/alloy:v1";
    const machine = await buildGateway(t, {
      "image-alloy": alloy,
      "loki-url": "http://10.0.0.9:3100",
      "config-bucket": "odin-config",
    });
    machine.fault("pull", "0");
    machine.cloud.faults.push({ at: "^storage", status: 503 });
    assertReady(await machine.start());
    assert.equal(starts(machine), 1, "the log shipper does not run without a configuration");
    machine.cloud.faults.pop();
    const config = "loki.write {}\n";
    machine.cloud.objects["odin-config/alloy/gateway.alloy"] = config;
    machine.cloud.objects["odin-config/manifest"] = [
      "3b1ac5bbc1ed8dbb0a0f8c2bd3e5ad5d1ad1cf5c0ef14e1b1b1c6e94ff7e9f63  prometheus/prometheus.yml",
      `${sha256(config)}  alloy/gateway.alloy`,
      "",
    ].join("\n");
    machine.saveCloud();
    const sync = await machine.systemctl("start", "odin-config-sync.service");
    assert.equal(sync.code, 0, machine.read("journal/odin-config-sync.service.log"));
    await eventually("shipper", () => machine.runs("log-shipper"));
    const [, run = ""] = machine.calls("docker", /^docker run /);
    assert.match(run, /--memory 268435456 --memory-swap 268435456 .*--user 0:0 --cpus 0\.1 /);
    assert.match(run, /--volume \/var\/log\/journal:\/var\/log\/journal:ro /);
    assert.match(run, new RegExp(`${alloy} run .*/var/lib/odin/config/current/alloy/gateway\\.alloy$`));
    const { LOKI_URL, ODIN_ROLE, ODIN_INSTANCE, NATS_URL } = machine.environment("log-shipper");
    assert.deepEqual(
      { LOKI_URL, ODIN_ROLE, ODIN_INSTANCE, NATS_URL },
      {
        LOKI_URL: "http://10.0.0.9:3100",
        ODIN_ROLE: "gateway",
        ODIN_INSTANCE: "machine-under-test",
        NATS_URL: undefined,
      },
    );
    const paths = machine.requests().filter(({ to }) => to === "storage");
    assert.ok(!paths.some(({ path }) => path.includes("prometheus")), "downloads only the files of its role");
  });
});
