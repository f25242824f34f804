/**
 * Gateway and publisher with a nats-server that requires a login and TLS: which logins succeed, what /health
 * and the log say about the others, and that no password is shown.
 */

import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { credsAuthenticator } from "@nats-io/transport-node";
import { connectPublisher } from "@odin-ws/publisher";
import { connectionOptions } from "@odin-ws/publisher/nats-servers";
import { createAccount, type UserClaims } from "../../publisher/src/nats/credentials.fixture.ts";
import { type Certificates, issueCertificates, withoutOpenssl } from "../harness/certificates.ts";
import { connect } from "../harness/client.ts";
import { type Gateway, runGateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually, within } from "../harness/wait.ts";

const CLI = fileURLToPath(new URL("../../publisher/src/programs/cli.ts", import.meta.url));
/** Contains the characters with a special meaning in URLs. */
const PASSWORD = "p@ss:w/rd,?#%41";
const ENCODED = encodeURIComponent(PASSWORD);
const WRONG = "n0t-the-passw0rd";
/** Deadline for /health to fail. NATS may be away for 10 s before /health fails. */
const GRACE_MS = 20_000; // 20 s

const users = (password: string) =>
  `authorization { users: [{ user: gateway, password: ${JSON.stringify(password)} }] }`;
const tlsOf = ({ certificate, key }: Certificates) =>
  `tls { cert_file: ${JSON.stringify(certificate)}, key_file: ${JSON.stringify(key)} }`;

/** The server's URL with this login and scheme. */
const urlOf = ({ url }: Nats, login: string, scheme = "nats") =>
  url.replace("nats://", `${scheme}://${login}@`);

function certificatesFor(owner: Owner, name: string): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "odin-certificates-"));
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  return issueCertificates(folder, name);
}

/**
 * Starts a server with TLS. Its certificate is only for its IP address, as in a network without host names.
 */
async function startSecured(t: Owner): Promise<{ nats: Nats; certificates: Certificates }> {
  const certificates = certificatesFor(t, "IP:127.0.0.1");
  const { tls } = connectionOptions({ servers: ["127.0.0.1:4222"], login: {}, tls: true });
  const login = {
    user: "gateway",
    pass: PASSWORD,
    tls: { ...tls, ca: readFileSync(certificates.ca, "utf8") },
  };
  const nats = await startNats(t, { config: `${tlsOf(certificates)}\n${users(PASSWORD)}`, login });
  return { nats, certificates };
}

const startWith = (t: Owner, NATS_URL: string, env: Record<string, string> = {}, until?: "live") =>
  startGateway(t, { env: { NATS_URL, LOG_LEVEL: "trace", ...env }, until: until ?? "health" });

const reasonsOf = async (gateway: Gateway) =>
  (JSON.parse((await gateway.health(503)).body) as { reasons: string[] }).reasons;

/** Waits for a log line that matches the pattern. */
const logged = (gateway: Gateway, pattern: RegExp) =>
  eventually(
    () => `a line that matches ${pattern}:\n${gateway.process.tail()}`,
    () => gateway.process.output.split("\n").find((line) => pattern.test(line)),
  );

/** Asserts that neither the log nor an endpoint contains any of these secrets. */
async function assertNotShown(gateway: Gateway, ...secrets: string[]): Promise<void> {
  const texts = [gateway.process.output];
  for (const path of ["/health", "/stats", "/metrics"]) texts.push((await gateway.ops(path)).body);
  for (const secret of secrets) assert.ok(!texts.join("\n").includes(secret), `${secret} in:\n${texts[0]}`);
}

describe("login at NATS", { skip: withoutNats() || withoutOpenssl(), concurrency: true }, () => {
  test("a gateway connects with the right password over TLS to an IP address, with a private certificate authority", async (t) => {
    const { nats, certificates } = await startSecured(t);
    // No server listens at the first address of the list.
    const servers = `tls://127.0.0.1:${await freePort()}, ${urlOf(nats, `gateway:${ENCODED}`, "tls")}`;
    const gateway = await startWith(t, servers, { NODE_EXTRA_CA_CERTS: certificates.ca });
    const client = await connect(t, gateway);
    await client.subscribe(["BTC.trade"]);
    await nats.publish("odin.token.BTC.trade", { price: 1 });
    await client.receive(1);
    await assertNotShown(gateway, PASSWORD, ENCODED);
  });

  test("with a wrong password, /health and the log report it without the password", async (t) => {
    const { nats, certificates } = await startSecured(t);
    const url = urlOf(nats, `gateway:${WRONG}`, "tls");
    const gateway = await startWith(t, url, { NODE_EXTRA_CA_CERTS: certificates.ca }, "live");
    await logged(
      gateway,
      /cannot read the stream.*Authorization Violation|Authorization Violation.*cannot read/,
    );
    assert.deepEqual(await reasonsOf(gateway), ["nats_not_authorized"]);
    await assertNotShown(gateway, WRONG);
  });

  test("a running gateway reports that its password is no longer right, and recovers when it is right again", async (t) => {
    const login = { user: "gateway", pass: PASSWORD };
    const nats = await startNats(t, { config: users(PASSWORD), login });
    const gateway = await startWith(t, urlOf(nats, `gateway:${ENCODED}`));
    await nats.kill();
    await nats.configure(users(WRONG), { user: "gateway", pass: WRONG });
    await nats.start();
    await logged(gateway, /Authorization Violation/);
    const { body } = await gateway.health(503, GRACE_MS);
    assert.deepEqual(JSON.parse(body).reasons, ["nats_not_authorized"]);
    await nats.kill();
    await nats.configure(users(PASSWORD), login);
    await nats.start();
    await gateway.health(200);
    await assertNotShown(gateway, PASSWORD, ENCODED);
  });

  test("a gateway connects with a token", async (t) => {
    const config = `authorization { token: ${JSON.stringify(PASSWORD)} }`;
    const nats = await startNats(t, { config, login: { token: PASSWORD } });
    const gateway = await startWith(t, urlOf(nats, ENCODED));
    await assertNotShown(gateway, PASSWORD, ENCODED);
  });

  test("with credentials files, as with Synadia, gateway and backend connect as users of their own", async (t) => {
    const account = createAccount();
    const folder = mkdtempSync(join(tmpdir(), "odin-credentials-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = (name: string, claims: UserClaims = {}) => {
      writeFileSync(join(folder, name), account.credentials(claims));
      return join(folder, name);
    };
    const login = { authenticator: credsAuthenticator(Buffer.from(account.credentials())) };
    const nats = await startNats(t, { config: account.config, login });
    const gateway = await startWith(t, nats.url, { NATS_CREDS_FILE: file("gateway.creds") });
    const client = await connect(t, gateway);
    await client.subscribe(["BTC.trade"]);
    const publish = ["odin.token.*.trade", "$JS.API.STREAM.INFO.ODIN_TOKENS"];
    const backend = connectPublisher({
      servers: nats.url,
      credentialsFile: file("backend.creds", { publish }),
    });
    t.after(() => backend.close({ timeoutMs: 0 }).catch(() => {}));
    const event = (name: "trade" | "social") => ({
      id: "1",
      subject: `odin.token.BTC.${name}`,
      data: { price: 1 },
    });
    const { offset } = await backend.publish(event("trade"));
    assert.equal((await client.receive(1))[0]?.offset, offset);
    await assert.rejects(backend.publish(event("social")), /permission/i);
    assert.equal((await nats.jsm.streams.info("ODIN_TOKENS")).config.num_replicas, 1);
  });

  test("a tls:// address never connects without TLS, even when the server offers no TLS", async (t) => {
    const nats = await startNats(t, { config: users(PASSWORD), login: { user: "gateway", pass: PASSWORD } });
    const gateway = await startWith(t, urlOf(nats, `gateway:${ENCODED}`, "tls"), {}, "live");
    await logged(gateway, /does not support 'tls'/);
    assert.deepEqual(await reasonsOf(gateway), ["nats_not_connected"]);
  });

  test("a gateway refuses a server whose certificate is for another address or from an unknown authority", async (t) => {
    const certificates = certificatesFor(t, "IP:127.0.0.9");
    const config = `${tlsOf(certificates)}\n${users(PASSWORD)}`;
    const ca = readFileSync(certificates.ca, "utf8");
    const tls = { ca, checkServerIdentity: () => undefined };
    const nats = await startNats(t, { config, login: { user: "gateway", pass: PASSWORD, tls } });
    const url = urlOf(nats, `gateway:${ENCODED}`, "tls");
    const trusting = await startWith(t, url, { NODE_EXTRA_CA_CERTS: certificates.ca }, "live");
    await logged(trusting, /does not match certificate's altnames/);
    const strange = await startWith(t, url, {}, "live");
    await logged(strange, /unable to verify the first certificate|self-signed certificate/);
    for (const gateway of [trusting, strange]) {
      assert.deepEqual(await reasonsOf(gateway), ["nats_not_connected"]);
      await assertNotShown(gateway, PASSWORD, ENCODED);
    }
  });

  test("the publisher connects with the same URL, and reports a wrong password without showing it", async (t) => {
    const { nats, certificates } = await startSecured(t);
    const publish = (login: string) => {
      const args = [CLI, "--rate", "20", "--seconds", "1", "--url", urlOf(nats, login, "tls")];
      const env = { PATH: process.env.PATH ?? "", NODE_EXTRA_CA_CERTS: certificates.ca };
      const cli = new ProcessGroup(process.execPath, args, env);
      t.after(() => cli.dispose());
      return cli;
    };
    const [right, wrong] = [publish(`gateway:${ENCODED}`), publish(`gateway:${WRONG}`)];
    const ends = await Promise.all([right, wrong].map((cli) => within("end", cli.exited, GRACE_MS)));
    assert.deepEqual(
      ends.map(({ code }) => code),
      [0, 1],
      right.tail() + wrong.tail(),
    );
    assert.match(right.output, /published \d+, stored \d+, waiting 0\n$/);
    assert.match(wrong.output, /not connected to NATS at 127\.0\.0\.1:\d+: Authorization Violation/);
    for (const { output } of [right, wrong]) {
      for (const secret of [PASSWORD, ENCODED, WRONG]) assert.ok(!output.includes(secret), output);
    }
  });
});

test("an invalid login stops the start with a line for the mistake, and the login is not shown", async (t) => {
  for (const NATS_URL of [
    "tls://me:hunter2@a,tls://me:hunter3@b",
    "nats://me:hunt/er2@a",
    "nats://:hunter2@a",
  ]) {
    const { code, output } = await runGateway(t, { NATS_URL });
    assert.equal(code, 1);
    assert.match(output, /^odin-ws: NATS_URL .*\n$/, output);
    assert.doesNotMatch(output, /hunt/);
  }
});
