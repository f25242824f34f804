/** Tokens that are revoked over NATS, with the permissions of the deployment's NATS servers. */

import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { revoke } from "@odin-ws/publisher";
import { connect, refusal } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { startNatsDelay } from "../harness/nats-delay.ts";
import type { Owner } from "../harness/owner.ts";
import { issue } from "../harness/tokens.ts";
import { eventually, pause } from "../harness/wait.ts";

const SECRET = "a secret of the identity service";
const PASSWORD = "secret";
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const REVOKE = fileURLToPath(new URL("../../publisher/src/programs/revoke.ts", import.meta.url));
/** A revocation reaches every connection within this time. */
const SOON_MS = 1000; // 1 s

/** The users of a NATS server of the deployment, as its start-up script writes them. */
function deployedUsers(): string {
  const script = `set -e; RUN=$(mktemp -d); trap 'rm -r "$RUN"' EXIT; mkdir "$RUN/nats"; ROLE=nats
    . infra/startup/nats-server.sh; password() { printf ${PASSWORD}; }; nats_users`;
  return execFileSync("bash", ["-c", script], { cwd: ROOT, encoding: "utf8" });
}

async function startDeployedNats(t: Owner): Promise<Nats> {
  const test = `{ user: test, password: "${PASSWORD}" }`;
  const config = deployedUsers().replace("users: [", `users: [ ${test}`);
  return startNats(t, { config, login: { user: "test", pass: PASSWORD } });
}

const urlFor = (nats: Pick<Nats, "url">, user: string) => nats.url.replace("://", `://${user}:${PASSWORD}@`);

const start = (t: Owner, nats: Pick<Nats, "url">, workers = 1) =>
  startGateway(t, {
    env: {
      NATS_URL: urlFor(nats, "gateway"),
      AUTH_MODE: "jwt",
      JWT_SECRET: SECRET,
      WS_WORKER_POOL_SIZE: String(workers),
      WS_MAX_CONNECTIONS_PER_USER: "0",
    },
  });

/** Waits until a token that is issued now is younger than everything that happened before. */
async function nextSecond(): Promise<void> {
  await pause(1050 - (Date.now() % 1000));
}

const isRefused = async (t: Owner, gateway: Gateway, token: string) => {
  const { status, body } = await refusal(t, gateway, { token });
  assert.equal(status, 401, body);
  assert.match(body, /revoked/);
};

describe("revocation", { skip: withoutNats(), concurrency: true }, () => {
  test("a revoked user's connections on all gateways end with 4401 within a second, and new tokens work", async (t) => {
    const nats = await startDeployedNats(t);
    const gateways = await Promise.all([start(t, nats), start(t, nats, 2)]);
    const token = await issue(SECRET, { sub: "ann" });
    const other = await issue(SECRET, { sub: "bob" });
    const revoked = await Promise.all(
      gateways.flatMap((gateway) => Array.from({ length: 4 }, () => connect(t, gateway, { token }))),
    );
    const stays = await Promise.all(gateways.map((gateway) => connect(t, gateway, { token: other })));
    await revoke({ user: "ann" }, { servers: urlFor(nats, "publisher"), seconds: 600 });
    const storedAt = Date.now();
    for (const client of revoked) {
      const { code, reason, at } = await client.ended();
      assert.deepEqual([code, reason], [4401, "token revoked"]);
      assert.ok(at - storedAt < SOON_MS, `${at - storedAt} ms`);
    }
    for (const client of stays) await client.ask({ type: "heartbeat" }, "heartbeat_ack");
    for (const gateway of gateways) await isRefused(t, gateway, token);
    const { code } = await (stays[0] as (typeof stays)[0]).error({ type: "auth", token });
    assert.equal(code, "unauthorized");
    await nextSecond();
    const fresh = await issue(SECRET, { sub: "ann" });
    for (const gateway of gateways) await connect(t, gateway, { token: fresh });
  });

  test("a revocation survives restarts of gateway and NATS, and a gateway that starts knows it before it accepts", async (t) => {
    const nats = await startDeployedNats(t);
    const gateway = await start(t, nats);
    const token = await issue(SECRET, { sub: "ann", jti: "leaked" });
    const kept = await issue(SECRET, { sub: "ann", jti: "kept" });
    const client = await connect(t, gateway, { token });
    const env = { PATH: process.env.PATH ?? "", NATS_URL: urlFor(nats, "publisher") };
    const command = spawnSync(process.execPath, [REVOKE, "--jti", "leaked", "--for", "10m"], {
      env,
      encoding: "utf8",
    });
    assert.equal(command.status, 0, command.stderr);
    assert.match(command.stdout, /^revoked the token leaked: NATS at 127/);
    assert.equal((await client.ended()).code, 4401);
    await connect(t, gateway, { token: kept });
    await gateway.stop();
    await nats.kill();
    await nats.start();
    const next = await start(t, nats, 2);
    await isRefused(t, next, token);
    await connect(t, next, { token: kept });
  });

  for (const workers of [1, 2])
    test(`a gateway accepts nobody before it knows the revocations, however slowly they come (${workers} processes)`, async (t) => {
      const nats = await startDeployedNats(t);
      const token = await issue(SECRET, { sub: "ann", jti: "leaked" });
      const kept = await issue(SECRET, { sub: "ann", jti: "kept" });
      await revoke({ jti: "leaked" }, { servers: urlFor(nats, "publisher"), seconds: 600 });
      // Without the wait for the revocations, the gateway would be healthy long before they come.
      const slow = await startNatsDelay(t, nats, /REVOCATIONS/, 500);
      const gateway = await start(t, slow, workers);
      await isRefused(t, gateway, token);
      await connect(t, gateway, { token: kept });
      // The stream, its consumer, and the messages.
      assert.ok(slow.delayed >= 3, `${slow.delayed} requests for the stream of revocations`);
    });

  test("a gateway that was running while NATS restarted gets later revocations", async (t) => {
    const nats = await startDeployedNats(t);
    const gateway = await start(t, nats);
    await nats.kill();
    await nats.start();
    const token = await issue(SECRET, { sub: "ann" });
    const client = await connect(t, gateway, { token });
    await revoke({ user: "ann" }, { servers: urlFor(nats, "publisher"), seconds: 600 });
    assert.equal((await client.ended()).code, 4401);
  });

  test("a revocation ends after its time, and NATS forgets it", async (t) => {
    const nats = await startDeployedNats(t);
    const gateway = await start(t, nats);
    const token = await issue(SECRET, { sub: "ann" });
    await revoke({ user: "ann" }, { servers: urlFor(nats, "publisher"), seconds: 1 });
    await eventually("the end of the revocation", () => connect(t, gateway, { token }));
    await eventually("an empty stream", async () => {
      const { state } = await nats.jsm.streams.info("ODIN_REVOCATIONS");
      return state.messages === 0 && state.last_seq === 1;
    });
  });

  test("an account that refuses the stream of revocations still gets its events, and the log reports it", async (t) => {
    const permissions = deployedUsers().replaceAll("STREAM.CREATE.*", "STREAM.CREATE.ODIN_TOKENS");
    const config = permissions.replace("users: [", `users: [ { user: test, password: "${PASSWORD}" }`);
    const nats = await startNats(t, { config, login: { user: "test", pass: PASSWORD } });
    const gateway = await start(t, nats);
    await connect(t, gateway, { token: await issue(SECRET, { sub: "ann" }) });
    assert.match(gateway.process.output, /cannot read the revocations of tokens/);
  });
});
