/**
 * The ways in which the start of a gateway can fail. Each ends with exactly one line for its reason, and exit
 * code 1.
 */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { buildGateway, CREDENTIALS, IMAGE, ready } from "../../startup/gateway-machine.ts";
import { type Machine, type Outcome, SUITE, whyNoMachine } from "../../startup/machine.ts";

const FAILED = "odin-startup: failed role=gateway ";

/** Asserts that the run printed one line, for a failure in this step and with this reason. */
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
  /** Name of the test. */
  what: string;
  /** Makes the start fail. */
  given(machine: Machine): void;
  step: string;
  reason: RegExp;
}

const cases: Case[] = [
  {
    what: "the metadata server does not answer",
    given: ({ cloud }) => cloud.faults.push({ at: "^metadata", status: 0 }),
    step: "metadata",
    reason:
      /^the metadata server at http:\/\/metadata\.google\.internal\S* does not answer \(no answer: .*timed out/,
  },
  {
    what: "the metadata server recovers too late",
    given: ({ cloud }) => cloud.faults.push({ at: "^metadata", status: 503, times: 3 }),
    step: "metadata",
    reason: /does not answer \(HTTP 503\)$/,
  },
  {
    what: "the attribute with the image is missing",
    given: ({ cloud }) => delete cloud.attributes["odin-image-gateway"],
    step: "metadata",
    reason: /^metadata attribute odin-image-gateway is missing$/,
  },
  {
    what: "the script belongs to another role",
    given: ({ cloud }) => Object.assign(cloud.attributes, { "odin-role": "nats" }),
    step: "metadata",
    reason: /^metadata attribute odin-role is 'nats', but this is the script of gateway$/,
  },
  {
    what: "a number is not a number",
    given: ({ cloud }) => Object.assign(cloud.attributes, { "odin-drain-seconds": "1m" }),
    step: "metadata",
    reason: /^metadata attribute odin-drain-seconds must be a whole number, not '1m'$/,
  },
  {
    what: "a variable would change how docker works",
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
    what: "Secret Manager returns no payload",
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
    what: "the name of a secret's version is wrong",
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
    what: "systemd cannot load the unit",
    given: (machine) => machine.fault("daemon-reload"),
    step: "start",
    reason: /^systemd cannot load \/etc\/systemd\/system\/odin-gateway\.service$/,
  },
  {
    what: "the unit does not start",
    given: (machine) => machine.fault("start-odin-gateway.service"),
    step: "start",
    reason: /^odin-gateway\.service does not start; last of its log: \(nothing\)$/,
  },
  {
    what: "the gateway runs but never answers with 200",
    given: ({ cloud }) => cloud.faults.push({ at: ":3002/live", status: 500 }),
    step: "live",
    reason:
      /^odin-gateway: HTTP 500 at http:\/\/127\.0\.0\.1:3002\/live for 4 s; last of its log: \(nothing\)$/,
  },
  {
    what: "the gateway exits again and again",
    given: (machine) => machine.fault("end-odin-gateway", "WS_PORT: must be a whole number\nstopped\n"),
    step: "live",
    reason: /^odin-gateway keeps exiting; last of its log: .*stopped/,
  },
  {
    what: "the kernel refuses a parameter",
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

describe("a start that has to retry", { skip: whyNoMachine(), timeout: SUITE }, () => {
  const requestsOf = (machine: Machine, secret: string) =>
    machine.requests().filter(({ to, path }) => to === "secrets" && path.includes(secret)).length;

  test("succeeds after Secret Manager recovers and a grant arrives", async (t) => {
    const machine = await buildGateway(t);
    machine.cloud.faults.push({ at: "^secrets.*nats-url", status: 503, times: 2 });
    machine.cloud.faults.push({ at: "^secrets.*jwt-key", status: 403, times: 1 });
    machine.cloud.faults.push({ at: "^metadata.*token", status: 0, times: 1 });
    const { serial, stderr } = await machine.start();
    assert.match(serial[0] ?? "", ready(IMAGE), stderr);
    assert.deepEqual([requestsOf(machine, "nats-url"), requestsOf(machine, "jwt-key")], [3, 2]);
  });

  test("asks once for a secret that does not exist, and a limited number of times after a temporary error", async (t) => {
    const machine = await buildGateway(t);
    delete machine.cloud.secrets[CREDENTIALS];
    await machine.start();
    assert.equal(requestsOf(machine, "nats-credentials"), 1);
    machine.cloud.faults.push({ at: "^secrets.*nats-credentials", status: 403 });
    await machine.start();
    assert.equal(requestsOf(machine, "nats-credentials"), 4);
  });

  test("succeeds after the registry recovers", async (t) => {
    const machine = await buildGateway(t);
    machine.fault("pull", "2");
    const { serial } = await machine.start();
    assert.match(serial[0] ?? "", ready(IMAGE));
    assert.equal(machine.calls("docker", /^docker pull/).length, 3);
  });

  test("can succeed later on the same machine", async (t) => {
    const machine = await buildGateway(t);
    machine.fault("start-odin-gateway.service");
    assertFailed(await machine.start(), "start", /does not start/);
    machine.clearFault("start-odin-gateway.service");
    const { serial } = await machine.start();
    assert.equal(serial.length, 1);
    assert.match(serial[0] ?? "", ready(IMAGE));
  });

  test("a run that is stopped by a signal reports that", async (t) => {
    const machine = await buildGateway(t);
    machine.cloud.faults.push({ at: "^metadata", status: 0 });
    const running = machine.start({ ODIN_HTTP_SECONDS: "30" });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await machine.shell("pkill -TERM -f '[s]tartup-script'; pkill -TERM curl");
    assertFailed(await running, "metadata", /^stopped by a signal$/);
  });

  test("without the tests' settings the script asks Google", async (t) => {
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
