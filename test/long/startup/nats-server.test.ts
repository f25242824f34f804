/** The nats-server that the script of a NATS VM starts: its users, its publishers, and a gateway. */

import { strict as assert } from "node:assert";
import { chmodSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutNats } from "../../harness/nats.ts";
import { eventually, within } from "../../harness/wait.ts";
import { type Machine, SUITE, whyNoMachine } from "../../startup/machine.ts";
import { buildNats, failed, makeAuthority, PASSWORDS, ready } from "../../startup/nats-machine.ts";

const ATTEMPTS = fileURLToPath(new URL("../../startup/nats-attempts.ts", import.meta.url));
const GATEWAY = fileURLToPath(new URL("../../../server/src/main.ts", import.meta.url));
const STREAM = JSON.stringify({
  name: "ODIN_TOKENS",
  subjects: ["odin.token.>", "odin.global.>"],
  storage: "file",
});
const LAST_STREAM = JSON.stringify({
  name: "ODIN_TOKENS_LAST",
  mirror: { name: "ODIN_TOKENS" },
  storage: "file",
});

/** Results of the attempts as that user, in the same order. */
async function attempt(
  machine: Machine,
  user: string,
  ca: string,
  attempts: string[],
  password = PASSWORDS[`nats-${user}-password`],
): Promise<unknown[]> {
  const url = `tls://${user}:${password}@10.9.0.1:4222`;
  const client = machine.near(process.execPath, [ATTEMPTS, url, ...attempts], { NODE_EXTRA_CA_CERTS: ca });
  const { code } = await within(() => `attempts:\n${client.tail()}`, client.exited, 30_000);
  assert.equal(code, 0, client.tail());
  return client.output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

const README = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");

/** A block of commands of README's section for backends. */
function readmeBlock(index: number): string {
  const [, section = ""] = README.split("### Publish from your backend");
  const [, commands = ""] = [...section.matchAll(/```sh\n([\s\S]*?)```/g)][index] ?? [];
  assert.notEqual(commands, "");
  return commands;
}

/**
 * Runs commands on a machine near NATS, and returns what they printed. Rejects when one fails.
 *
 * @param programs stand-ins for programs: what each prints, as a command, by its arguments
 */
async function runAsBackend(
  machine: Machine,
  commands: string,
  programs: Record<string, Record<string, string>>,
): Promise<string> {
  for (const [name, answers] of Object.entries(programs)) {
    const cases = Object.entries(answers).map(([args, command]) => `"${args}") ${command} ;;\n`);
    machine.write(name, `#!/bin/sh\ncase "$*" in\n${cases.join("")}*) exit 1 ;;\nesac\n`);
    chmodSync(join(machine.folder, name), 0o755);
  }
  const path = [machine.folder, dirname(process.execPath), process.env.PATH].join(":");
  const script = `set -eu; trap 'rm -f nats-ca.pem' EXIT\n${commands}`;
  const backend = machine.near("bash", ["-c", script], { PATH: path });
  const { code } = await within(() => `the backend:\n${backend.tail()}`, backend.exited, 30_000);
  if (code !== 0) throw new Error(backend.tail());
  return backend.output;
}

describe("the real nats-server of a NATS VM", {
  skip: whyNoMachine() || withoutNats(),
  timeout: SUITE,
}, () => {
  test("serves TLS and allows each user only the requests that it needs", async (t) => {
    const authority = makeAuthority(t);
    const machine = await buildNats(t, authority, { real: true });
    ready(await machine.start());
    const create = "$JS.API.STREAM.CREATE.ODIN_TOKENS";
    const info = "$JS.API.STREAM.INFO.ODIN_TOKENS=";
    const consumer =
      '$JS.API.CONSUMER.CREATE.ODIN_TOKENS.one={"stream_name":"ODIN_TOKENS","config":{"name":"one"}}';
    const forbidden = (outcome: unknown) => assert.match(String(outcome), /permission|timeout|responders/i);

    const gateway = await attempt(machine, "gateway", authority.caFile, [
      `${create}=${STREAM}`,
      info,
      consumer,
      `$JS.API.STREAM.UPDATE.ODIN_TOKENS=${STREAM}`,
      `$JS.API.STREAM.CREATE.ODIN_TOKENS_LAST=${LAST_STREAM}`,
      "$JS.API.STREAM.DELETE.ODIN_TOKENS_LAST=",
      'odin.token.BTC.trade={"price":1}',
      "$JS.API.STREAM.DELETE.ODIN_TOKENS=",
      "$JS.API.STREAM.PURGE.ODIN_TOKENS=",
    ]);
    assert.deepEqual(gateway.slice(0, 6), [true, true, true, true, true, true]);
    gateway.slice(6).forEach(forbidden);

    const publisher = await attempt(machine, "publisher", authority.caFile, [
      info,
      'odin.token.BTC.trade={"price":1}',
      'odin.global.trending={"list":[]}',
      consumer,
      "$JS.API.STREAM.DELETE.ODIN_TOKENS=",
      "other.subject=1",
    ]);
    assert.deepEqual(publisher.slice(0, 3), [true, true, true]);
    publisher.slice(3).forEach(forbidden);
    await assert.rejects(attempt(machine, "cluster", authority.caFile, [info]), /uthoriz/);
    await assert.rejects(attempt(machine, "gateway", "/dev/null", [info]), /certificate/);

    assert.equal(
      await machine.shell("stat -c '%a %u' /run/odin/nats/nats.conf /run/odin/secrets/*"),
      "600 65532\n".repeat(5),
    );
    assert.match(await machine.shell("cat /run/odin/nats/nats.conf"), /sync_interval: 1s /);
    const [line = ""] = machine.calls("docker", /^docker run /);
    assert.match(line, /--user 65532:65532 .* --config \/run\/odin\/nats\/nats\.conf$/);
    for (const password of Object.values(PASSWORDS)) assert.ok(!machine.read("commands").includes(password));
    const open = await machine.shell("iptables -S INPUT");
    assert.deepEqual(
      [...open.matchAll(/--dport (\d+) /g)].map(([, port]) => port),
      ["22", "4222", "8222", "12345"],
    );
  });

  test("a backend gets from the stack's outputs to a stored message by the commands of the README", async (t) => {
    const authority = makeAuthority(t);
    const machine = await buildNats(t, authority, { real: true });
    ready(await machine.start());
    const create = `$JS.API.STREAM.CREATE.ODIN_TOKENS=${STREAM}`;
    assert.deepEqual(await attempt(machine, "gateway", authority.caFile, [create]), [true]);
    const password = PASSWORDS["nats-publisher-password"];
    const output = await runAsBackend(machine, readmeBlock(0), {
      // Stands in for Pulumi: prints the stack's outputs.
      pulumi: {
        "stack output natsUrl --show-secrets --stack prod": `echo 'tls://publisher:${password}@10.9.0.1:4222'`,
        "stack output natsCa --stack prod": `cat ${authority.caFile}`,
      },
    });
    assert.match(output, /^stored as message 1$/m);
    const info = await machine.shell("curl -s 'http://127.0.0.1:8222/jsz?streams=true'");
    assert.match(info, /"messages": 1,/);
  });

  test("a backend with a login of its own reads its secrets by the commands of the README", async (t) => {
    const authority = makeAuthority(t);
    const machine = await buildNats(t, authority, { real: true });
    const version = "projects/1/secrets/nats-publishers/versions/1";
    const password = "1".padStart(32, "p");
    machine.cloud.secrets[version] = `market ${password} odin.token.*.trade odin.global.>\n`;
    machine.cloud.attributes["odin-secret-file-nats-publishers"] = version;
    ready(await machine.start());
    const create = `$JS.API.STREAM.CREATE.ODIN_TOKENS=${STREAM}`;
    assert.deepEqual(await attempt(machine, "gateway", authority.caFile, [create]), [true]);
    const read = "secrets versions access latest --secret";
    const gcloud = {
      [`${read} odin-prod-publisher-market --project MY_PROJECT`]: `echo 'tls://market:${password}@10.9.0.1:4222'`,
      [`${read} odin-prod-nats-ca --project MY_PROJECT`]: `cat ${authority.caFile}`,
    };
    // The first block shows how a backend publishes with these values.
    const [, publish = ""] = /(export NODE_EXTRA_CA_CERTS[\s\S]*)/.exec(readmeBlock(0)) ?? [];
    const script = `${readmeBlock(1)}\n${publish}`;
    assert.match(await runAsBackend(machine, script, { gcloud }), /^stored as message 1$/m);
    const social = script.replace('event: "trade"', 'event: "social"');
    assert.notEqual(social, script);
    await assert.rejects(
      runAsBackend(machine, social, { gcloud }),
      /permissions violation for publish to "odin\.token\.BTC\.social"/i,
    );
  });

  test("each publisher may publish to its own subjects only, and changes its login without a cut", async (t) => {
    const authority = makeAuthority(t);
    const machine = await buildNats(t, authority, { real: true });
    const version = (number: number) => `projects/1/secrets/nats-publishers/versions/${number}`;
    const login = (number: number) => `${number}`.padStart(32, "p");
    const logins = (version_: number, ...lines: string[]) => {
      machine.cloud.secrets[version(version_)] = lines.map((line) => `${line}\n`).join("");
      machine.cloud.attributes["odin-secret-file-nats-publishers"] = version(version_);
    };
    const market = (number: number) =>
      `market${number === 1 ? "" : `-${number}`} ${login(number)} odin.token.*.trade odin.global.>`;
    logins(1, market(1), `other ${login(9)} odin.token.BTC.>`);
    ready(await machine.start());
    const as = async (user: string, password: string, ...attempts: string[]) =>
      attempt(machine, user, authority.caFile, attempts, password);
    const trade = 'odin.token.BTC.trade={"price":1}';
    const denied = /permission/i;
    assert.deepEqual(
      await as(
        "market",
        login(1),
        `$JS.API.STREAM.CREATE.ODIN_TOKENS=${STREAM}`,
        trade,
        "odin.global.trending={}",
      ),
      [true, true, true],
    );
    assert.match(String((await as("market", login(1), "odin.token.BTC.social={}"))[0]), denied);
    assert.deepEqual(await as("other", login(9), "odin.token.BTC.social={}"), [true]);
    assert.match(String((await as("other", login(9), "odin.token.ETH.social={}"))[0]), denied);
    await assert.rejects(attempt(machine, "publisher", authority.caFile, [trade]), /uthoriz/);

    logins(2, market(1), market(2));
    ready(await machine.start());
    for (const [user, number] of [
      ["market", 1],
      ["market-2", 2],
    ] as const)
      assert.deepEqual(await as(user, login(number), trade), [true], `${user} during the rotation`);
    logins(3, market(2));
    ready(await machine.start());
    assert.deepEqual(await as("market-2", login(2), trade), [true]);
    await assert.rejects(as("market", login(1), trade), /uthoriz/);

    for (const line of [
      "market short odin.>",
      'market "pppppppppppppppp odin.>',
      `gateway ${login(1)} odin.>`,
      `market ${login(1)} $JS.API.>`,
      `market ${login(1)}`,
    ]) {
      logins(4, market(2), line);
      const outcome = await machine.start();
      failed(outcome, /step=start: secret nats-publishers: line 2 is not 'USER PASSWORD SUBJECT…'/);
      assert.ok(!outcome.stderr.includes(login(1)), "the reason shows no password");
    }
  });

  test("a gateway reads the messages of a publisher, and works after a reboot of NATS", async (t) => {
    const authority = makeAuthority(t);
    const machine = await buildNats(t, authority, { real: true });
    ready(await machine.start());
    const env = {
      NATS_URL: `tls://gateway:${PASSWORDS["nats-gateway-password"]}@10.9.0.1:4222`,
      NODE_EXTRA_CA_CERTS: authority.caFile,
      AUTH_MODE: "none",
      GCP_METRICS: "off",
      WS_WORKER_POOL_SIZE: "1",
      WS_CPU_LIMIT: "64",
      WS_DRAIN_SECONDS: "0",
      JS_STREAM_MAX_AGE: "10m",
    };
    const gateway = machine.near(process.execPath, [GATEWAY], env);
    t.after(() => gateway.dispose());
    const stats = async () =>
      JSON.parse(await machine.shell("curl -s http://127.0.0.1:3002/stats || echo '{}'")) as {
        messages_in?: number;
      };
    const healthy = () =>
      machine.shell("curl -sf http://127.0.0.1:3002/health > /dev/null && echo yes || echo no");
    await eventually(
      () => `health:\n${gateway.tail()}`,
      async () => (await healthy()) === "yes\n",
      30_000,
    );
    const publish = ['odin.token.BTC.trade={"price":1}', 'odin.token.ETH.trade={"price":2}'];
    assert.deepEqual(await attempt(machine, "publisher", authority.caFile, publish), [true, true]);
    await eventually("messages", async () => (await stats()).messages_in === 2);

    await machine.systemctl("stop", "odin-nats.service");
    await machine.shell("rm -rf /run/odin");
    ready(await machine.start());
    const before = (await stats()).messages_in;
    assert.deepEqual(await attempt(machine, "publisher", authority.caFile, publish), [true, true]);
    await eventually(
      "messages after the reboot",
      async () => ((await stats()).messages_in ?? 0) > (before ?? 0),
      30_000,
    );
  });
});
