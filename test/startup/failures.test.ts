/** Every way in which the start of a gateway can fail: each ends with its own line, once, and exit code 1. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { buildGateway, CREDENTIALS, IMAGE, ready } from "./gateway-machine.ts";
import { type Machine, type Outcome, SUITE, whyNoMachine } from "./machine.ts";

const FAILED = "odin-startup: failed role=gateway ";

/** Asserts the one line of a failure, which begins so and goes on as `reason` says. */
function assertFailed({ code, serial, stderr, stdout }: Outcome, step: string, reason: RegExp): void {
  assert.equal(code, 1, stderr);
  assert.equal(serial.length, 1, serial.join("\n"));
  const [line = ""] = serial;
  assert.ok(line.startsWith(`${FAILED}step=${step}: `), line);
  assert.match(line.slice(`${FAILED}step=${step}: `.length), reason);
  assert.equal(stderr.trimEnd().split("\n").at(-1), line);
  assert.equal(`${stdout}${stderr}`.match(/^odin-startup: /gm)?.length, 1);
}

interface Case {
  what: string;
  /** What is wrong. */
  given(machine: Machine): void;
  step: string;
  reason: RegExp;
}

const cases: Case[] = [
  {
    what: "the metadata server is silent",
    given: ({ cloud }) => cloud.faults.push({ at: "^metadata", status: 0 }),
    step: "metadata",
    reason:
      /^the metadata server at http:\/\/metadata\.google\.internal\S* does not answer \(no answer: .*timed out/,
  },
  {
    what: "the metadata server ends the silence too late",
    given: ({ cloud }) => cloud.faults.push({ at: "^metadata", status: 503, times: 3 }),
    step: "metadata",
    reason: /does not answer \(HTTP 503\)$/,
  },
  {
    what: "the image is not named",
    given: ({ cloud }) => delete cloud.attributes["odin-image-gateway"],
    step: "metadata",
    reason: /^metadata attribute odin-image-gateway is missing$/,
  },
  {
    what: "it is another role's script",
    given: ({ cloud }) => Object.assign(cloud.attributes, { "odin-role": "nats" }),
    step: "metadata",
    reason: /^metadata attribute odin-role is 'nats', but this is the script of gateway$/,
  },
  {
    what: "a number is none",
    given: ({ cloud }) => Object.assign(cloud.attributes, { "odin-drain-seconds": "1m" }),
    step: "metadata",
    reason: /^metadata attribute odin-drain-seconds must be a whole number, not '1m'$/,
  },
  {
    what: "a variable would lead docker astray",
    given: ({ cloud }) => Object.assign(cloud.attributes, { "odin-env-DOCKER_HOST": "tcp://10.0.0.1" }),
    step: "inputs",
    reason: /^the environment variable DOCKER_HOST cannot be set$/,
  },
  {
    what: "the VM has no service account",
    given: ({ cloud }) => delete cloud.token,
    step: "secrets",
    reason: /^no access token from the metadata server \(HTTP 404\): does the VM have a service account\?$/,
  },
  {
    what: "the VM may not read a secret",
    given: ({ cloud }) => cloud.faults.push({ at: "^secrets.*nats-credentials", status: 403 }),
    step: "secrets",
    reason: new RegExp(
      `^${CREDENTIALS}: HTTP 403: as the test wants it; .*needs roles/secretmanager\\.secretAccessor`,
    ),
  },
  {
    what: "a version of a secret does not exist",
    given: ({ cloud }) => delete cloud.secrets[CREDENTIALS],
    step: "secrets",
    reason: new RegExp(`^${CREDENTIALS}: there is no such version \\(HTTP 404: Secret not found\\)$`),
  },
  {
    what: "Secret Manager stays broken",
    given: ({ cloud }) => cloud.faults.push({ at: "^secrets", status: 500 }),
    step: "secrets",
    reason: /HTTP 500: as the test wants it from http:\/\/127\.0\.0\.1:8001 after 3 attempts$/,
  },
  {
    what: "Secret Manager says nothing",
    given: ({ cloud }) => cloud.faults.push({ at: "^secrets", status: 200, body: "{}" }),
    step: "secrets",
    reason: /^projects\/1\/secrets\/\S+: has no payload$/,
  },
  {
    what: "a payload is damaged",
    given: ({ cloud }) =>
      cloud.faults.push({ at: "^secrets", status: 200, body: '{"payload": {"data": "=a="}}' }),
    step: "secrets",
    reason: /^projects\/1\/secrets\/\S+: its payload is not base64$/,
  },
  {
    what: "a secret is named badly",
    given: ({ cloud }) => Object.assign(cloud.attributes, { "odin-secret-env-NATS_URL": "nats-url:3" }),
    step: "secrets",
    reason:
      /^metadata attribute odin-secret-env-NATS_URL must be projects\/…\/secrets\/…\/versions\/…, not 'nats-url:3'$/,
  },
  {
    what: "docker does not answer",
    given: (machine) => machine.fault("docker"),
    step: "docker",
    reason: /^docker does not answer: Cannot connect to the Docker daemon$/,
  },
  {
    what: "the image cannot be pulled",
    given: (machine) => machine.fault("pull", "99"),
    step: "pull",
    reason: new RegExp(`^${IMAGE} cannot be pulled, tried 3 times: denied: no such repository$`),
  },
  {
    what: "systemd does not read the unit",
    given: (machine) => machine.fault("daemon-reload"),
    step: "start",
    reason: /^systemd does not take \/etc\/systemd\/system\/odin-gateway\.service$/,
  },
  {
    what: "the unit does not start",
    given: (machine) => machine.fault("start-odin-gateway.service"),
    step: "start",
    reason: /^odin-gateway\.service does not start; last of its log: \(nothing\)$/,
  },
  {
    what: "the gateway lives but never answers",
    given: ({ cloud }) => cloud.faults.push({ at: ":3002/live", status: 500 }),
    step: "live",
    reason:
      /^odin-gateway: HTTP 500 at http:\/\/127\.0\.0\.1:3002\/live for 4 s; last of its log: \(nothing\)$/,
  },
  {
    what: "the gateway ends again and again",
    given: (machine) => machine.fault("end-odin-gateway", "WS_PORT: must be a whole number\nstopped\n"),
    step: "live",
    reason: /^odin-gateway keeps ending; last of its log: .*stopped/,
  },
  {
    what: "the kernel refuses",
    given: (machine) =>
      (machine.cloud.attributes["startup-script"] = (
        machine.cloud.attributes["startup-script"] ?? ""
      ).replace("tcp_syncookies=1", "no_such_setting=1")),
    step: "kernel",
    reason: /^exit code \d+ of "sysctl --quiet --write "\$@" > \/dev\/null" in line \d+$/,
  },
];

describe("a start that fails", { skip: whyNoMachine(), timeout: SUITE }, () => {
  for (const { what, given, step, reason } of cases) {
    test(`${what}: step ${step}`, async (t) => {
      const machine = await buildGateway(t);
      given(machine);
      assertFailed(await machine.start(), step, reason);
    });
  }
});

describe("a start that has to ask again", { skip: whyNoMachine(), timeout: SUITE }, () => {
  const requestsOf = (machine: Machine, secret: string) =>
    machine.requests().filter(({ to, path }) => to === "secrets" && path.includes(secret)).length;

  test("Secret Manager recovers, and a grant arrives", async (t) => {
    const machine = await buildGateway(t);
    machine.cloud.faults.push({ at: "^secrets.*nats-url", status: 503, times: 2 });
    machine.cloud.faults.push({ at: "^secrets.*jwt-key", status: 403, times: 1 });
    machine.cloud.faults.push({ at: "^metadata.*token", status: 0, times: 1 });
    const { serial, stderr } = await machine.start();
    assert.match(serial[0] ?? "", ready(IMAGE), stderr);
    assert.deepEqual([requestsOf(machine, "nats-url"), requestsOf(machine, "jwt-key")], [3, 2]);
  });

  test("what will never be there is asked for once, what may come a limited number of times", async (t) => {
    const machine = await buildGateway(t);
    delete machine.cloud.secrets[CREDENTIALS];
    await machine.start();
    assert.equal(requestsOf(machine, "nats-credentials"), 1);
    machine.cloud.faults.push({ at: "^secrets.*nats-credentials", status: 403 });
    await machine.start();
    assert.equal(requestsOf(machine, "nats-credentials"), 4);
  });

  test("the registry recovers", async (t) => {
    const machine = await buildGateway(t);
    machine.fault("pull", "2");
    const { serial } = await machine.start();
    assert.match(serial[0] ?? "", ready(IMAGE));
    assert.equal(machine.calls("docker", /^docker pull/).length, 3);
  });

  test("what failed once can succeed later, on the same machine", async (t) => {
    const machine = await buildGateway(t);
    machine.fault("start-odin-gateway.service");
    assertFailed(await machine.start(), "start", /does not start/);
    machine.mend("start-odin-gateway.service");
    const { serial } = await machine.start();
    assert.equal(serial.length, 1);
    assert.match(serial[0] ?? "", ready(IMAGE));
  });

  test("a run that is stopped says that too", async (t) => {
    const machine = await buildGateway(t);
    machine.cloud.faults.push({ at: "^metadata", status: 0 });
    const running = machine.start({ ODIN_HTTP_SECONDS: "30" });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await machine.shell("pkill -TERM -f '[s]tartup-script'; pkill -TERM curl");
    assertFailed(await running, "metadata", /^stopped by a signal$/);
  });

  test("without test settings it asks Google", async (t) => {
    const machine = await buildGateway(t);
    delete machine.env.ODIN_SECRETS_URL;
    await machine.shell("echo 127.0.0.1 secretmanager.googleapis.com >> /etc/hosts");
    assertFailed(
      await machine.start(),
      "secrets",
      /no answer: .*secretmanager\.googleapis\.com port 443.* from https:\/\/secretmanager\.googleapis\.com after 3 attempts$/,
    );
  });
});
