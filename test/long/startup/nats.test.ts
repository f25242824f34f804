/** A NATS VM: how it starts, and how it behaves in a cluster. */

import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { eventually } from "../../harness/wait.ts";
import { type Machine, SUITE, whyNoMachine } from "../../startup/machine.ts";
import { buildNats, failed, makeAuthority, NATS_IMAGE, ready } from "../../startup/nats-machine.ts";

const PEERS = "nats-1:6222 nats-2:6222 nats-3:6222";
const starts = (machine: Machine) => machine.calls("docker", /^docker run /).length;

describe("a NATS VM", { skip: whyNoMachine(), timeout: SUITE }, () => {
  test("with several regions, a server at home opens the port for servers of other regions, which join there", async (t) => {
    const machine = await buildNats(t, makeAuthority(t));
    const { attributes, secrets } = machine.cloud;
    const version = "projects/1/secrets/nats-leaf-password/versions/1";
    secrets[version] = "leafPassword4";
    attributes["odin-secret-file-nats-leaf-password"] = version;
    const ports = async () =>
      [...(await machine.shell("iptables -S INPUT")).matchAll(/--dport (\d+) /g)].map(([, port]) => port);
    const config = () => machine.shell("cat /run/odin/nats/nats.conf");

    attributes["odin-nats-domain"] = "europe-west1";
    attributes["odin-nats-home"] = "10.10.0.10:7422 10.10.0.11:7422";
    ready(await machine.start());
    assert.ok(!(await ports()).includes("7422"));
    const joined = 'tls://leaf:leafPassword4@10.10.0.10:7422", "tls://leaf:leafPassword4@10.10.0.11:7422';
    assert.ok((await config()).includes(joined), await config());
    assert.match(await config(), /domain: "europe-west1"/);

    attributes["odin-nats-domain"] = "home";
    delete attributes["odin-nats-home"];
    ready(await machine.start());
    assert.ok((await ports()).includes("7422"));
    assert.match(await config(), /leafnodes \{\n {2}port: 7422\n/);
    assert.match(
      await config(),
      /user: leaf, password: "leafPassword4", allowed_connection_types: \["LEAFNODE"\]/,
    );
  });

  test("does not start when secrets are missing or contain characters with a meaning in the configuration", async (t) => {
    const machine = await buildNats(t, makeAuthority(t));
    const { attributes, secrets } = machine.cloud;
    const version = "projects/1/secrets/nats-gateway-password/versions/1";
    for (const password of ['a" }', "a b", "", "a$b", "a\nb"]) {
      secrets[version] = password;
      const reason =
        password === ""
          ? /step=secrets: \S+: has no payload$/
          : /step=start: secret nats-gateway-password is empty or has other/;
      failed(await machine.start(), reason);
    }
    secrets[version] = "good";
    delete attributes["odin-secret-file-nats-server-key"];
    failed(
      await machine.start(),
      /step=start: file nats-server-cert is given, but not the secret nats-server-key$/,
    );
    delete attributes["odin-secret-file-nats-gateway-password"];
    failed(
      await machine.start(),
      /step=metadata: metadata attribute odin-secret-file-nats-gateway-password is missing$/,
    );
    assert.equal(starts(machine), 0);
  });

  test("ships its log, and shows the metrics of its machine to the monitoring VM", async (t) => {
    const machine = await buildNats(t, makeAuthority(t));
    Object.assign(machine.cloud.attributes, {
      "odin-image-alloy": "us-central1-docker.pkg.dev/project/mirror/grafana/alloy:v1",
      "odin-loki-url": "http://monitoring:3100",
      "odin-config-bucket": "odin-config",
    });
    const file = "// nothing\n";
    const sum = createHash("sha256").update(file).digest("hex");
    machine.cloud.objects = {
      "odin-config/alloy/nats.alloy": file,
      "odin-config/manifest": `${sum}  alloy/nats.alloy\n`,
    };
    ready(await machine.start());
    // The start does not wait for the files.
    assert.equal((await machine.systemctl("start", "odin-config-sync.service")).code, 0);
    await eventually("the log shipper", () => machine.runs("log-shipper"));
    const [shipper = ""] = machine.calls("docker", /^docker run .*--name odin-log-shipper /);
    for (const disk of ["/mnt/stateful_partition", "/mnt/disks/data"])
      assert.ok(shipper.includes(` --volume ${disk}:/host${disk}:ro `), shipper);
    assert.match(shipper, /--server\.http\.listen-addr=0\.0\.0\.0:12345 /);
    assert.match(shipper, /--cpus 0\.1 /);
    assert.doesNotMatch(shipper, /secrets/);
    const { LOKI_URL, ODIN_ROLE } = machine.environment("log-shipper");
    assert.deepEqual([LOKI_URL, ODIN_ROLE], ["http://monitoring:3100", "nats"]);
  });

  test("of a cluster restarts only while all other servers are healthy", async (t) => {
    const machine = await buildNats(t, makeAuthority(t), { ordinal: 0, peers: PEERS });
    ready(await machine.start());
    assert.match(await machine.shell("iptables -S INPUT"), /--dport 6222 /);
    const configuration = await machine.shell("cat /run/odin/nats/nats.conf");
    assert.match(configuration, /nats-route:\/\/cluster:clusterPassword3@nats-3:6222/);
    assert.match(configuration, /verify: true/);
    assert.match(configuration, /sync_interval: always /);

    machine.cloud.attributes["odin-image-nats"] = `${NATS_IMAGE}-other`;
    for (const status of [503, 0]) {
      machine.cloud.faults = [{ at: "^nats-2:8222/healthz", status }];
      failed(
        await machine.start(),
        /step=start: not restarted: http:\/\/nats-2:8222 is not healthy \(.*\), and the cluster cannot lose two servers$/,
      );
      assert.equal(starts(machine), 1);
      assert.ok(machine.runs("nats"));
    }
    machine.cloud.faults = [{ at: "^nats-2:8222/healthz", status: 503, times: 1 }];
    ready(await machine.start());
    assert.equal(starts(machine), 2);
    assert.match(machine.calls("docker", /^docker run /).at(-1) ?? "", /nats:2\.15\.1-other --config/);
    ready(await machine.start());
    assert.equal(starts(machine), 2);
  });

  test("of a cluster waits for its turn before it restarts, but not before it starts", async (t) => {
    const machine = await buildNats(t, makeAuthority(t), { ordinal: 2, peers: PEERS });
    const sleeps = () => machine.calls("sleep", /^sleep 14$/).length;
    await machine.shell(
      "rm /mnt/bin/sleep && printf '#!/bin/sh\\necho sleep $1 >> $ODIN_TEST/commands\\n' > /mnt/bin/sleep && chmod 755 /mnt/bin/sleep",
    );
    machine.env.ODIN_STAGGER = "7";
    ready(await machine.start());
    assert.equal(sleeps(), 0);
    machine.cloud.attributes["odin-image-nats"] = `${NATS_IMAGE}-other`;
    ready(await machine.start());
    assert.equal(sleeps(), 1);
  });

  test("of a new cluster is ready without the others while they are down, but must agree while they are up", async (t) => {
    const machine = await buildNats(t, makeAuthority(t), { ordinal: 0, peers: PEERS });
    const notAgreed = { at: "^127\\.0\\.0\\.1:8222/healthz$", status: 503 };
    machine.cloud.faults = [notAgreed, { at: "^nats-[23]:8222", status: 0 }];
    const first = await machine.start();
    ready(first);
    assert.match(first.stderr, /ready without its cluster/);
    machine.cloud.faults = [notAgreed];
    failed(
      await machine.start(),
      /step=live: odin-nats: HTTP 503 at http:\/\/127\.0\.0\.1:8222\/healthz for \d+ s; last of its log: /,
    );
  });
});
