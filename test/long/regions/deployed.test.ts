/**
 * The NATS servers of two regions as the start-up script configures them: TLS, logins, and the permissions of
 * a server that joins the home region's.
 */

import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Gateway, startGateway } from "../../harness/gateway.ts";
import { type Nats, STREAM, startNats, withoutNats } from "../../harness/nats.ts";
import type { Owner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";
import { ProcessGroup } from "../../harness/process-group.ts";
import { eventually, within } from "../../harness/wait.ts";
import { guardFolder } from "../../harness/watchdog.ts";
import { type Authority, makeAuthority } from "../../startup/nats-machine.ts";
import { HOME_DOMAIN } from "./regions.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const ATTEMPTS = fileURLToPath(new URL("../../startup/nats-attempts.ts", import.meta.url));
const PUBLISH = fileURLToPath(new URL("../../../publisher/src/programs/cli.ts", import.meta.url));
const RECOVERY_MS = 20_000;
const TEST = { user: "test", pass: "passwordOfTheTest" };
/** With tokens, gateways count the connections of users together, and read revocations. */
const TOKENS = { AUTH_MODE: "jwt", JWT_SECRET: "a secret of the identity service" };
const USERS = ["gateway", "publisher", "leaf"];

/** Prints the configuration that the start-up script writes with these attributes. */
function configOf(owner: Owner, authority: Authority, attributes: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "odin-deployed-"));
  guardFolder(folder);
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["nats", "secrets", "files"]) mkdirSync(join(folder, name));
  const { key, certificate } = authority.issue(["127.0.0.1"]);
  writeFileSync(join(folder, "files/nats-ca"), authority.ca);
  writeFileSync(join(folder, "files/nats-server-cert"), certificate);
  writeFileSync(join(folder, "secrets/nats-server-key"), key);
  for (const user of USERS)
    writeFileSync(join(folder, `secrets/nats-${user}-password`), `passwordOf-${user}`);
  const values = Object.entries(attributes).map(([name, value]) => `${name}) echo '${value}' ;;`);
  const script = `set -eu; RUN='${folder}'; ROLE=nats
    fail() { echo "$*" >&2; exit 1; }
    attribute() { case "$1" in ${values.join(" ")} *) echo "$2" ;; esac; }
    . infra/startup/nats-server.sh; nats_config '${folder}'`;
  return execFileSync("bash", ["-c", script], { cwd: ROOT, encoding: "utf8" });
}

/** Starts a server with this configuration. The test itself may do everything. */
function start(owner: Owner, config: string): Promise<Nats> {
  const test = `{ user: ${TEST.user}, password: "${TEST.pass}" }`;
  return startNats(owner, {
    // The harness names a store of its own.
    config: config.replace(/store_dir: "[^"]*", /, "").replace("users: [", `users: [ ${test}`),
    // The harness has no name for the server, which the certificate has no name for either.
    login: { ...TEST, tls: { handshakeFirst: false, rejectUnauthorized: false } as object },
  });
}

const urlFor = (nats: Nats, user: string) => nats.url.replace("nats://", `tls://${user}:passwordOf-${user}@`);

describe("two regions with the configuration of the deployment", { skip: withoutNats() }, () => {
  test("gateways, publishers and the mirror may do what they need, and nothing else", async (t) => {
    const authority = makeAuthority(t);
    const leafPort = await freePort();
    const home = await start(
      t,
      configOf(t, authority, { "nats-name": "home", "nats-domain": HOME_DOMAIN }).replace(
        "7422",
        `${leafPort}`,
      ),
    );
    const far = await start(
      t,
      configOf(t, authority, {
        "nats-name": "far",
        "nats-domain": "europe-west1",
        "nats-home": `127.0.0.1:${leafPort}`,
      }),
    );
    const env = { NODE_EXTRA_CA_CERTS: authority.caFile };
    const gatewayOf = (nats: Nats, more: Record<string, string> = {}): Promise<Gateway> =>
      startGateway(t, {
        env: { ...env, ...TOKENS, NATS_URL: urlFor(nats, "gateway"), ...more },
      });
    const homeGateway = await gatewayOf(home);
    const farGateway = await gatewayOf(far, { JS_HOME_DOMAIN: HOME_DOMAIN });

    const path = process.env.PATH ?? "";
    const run = async (script: string, args: string[], more: Record<string, string> = {}) => {
      const program = new ProcessGroup(process.execPath, [script, ...args], { PATH: path, ...env, ...more });
      t.after(() => program.dispose());
      const { code } = await within(() => `${script}:\n${program.tail()}`, program.exited, RECOVERY_MS);
      assert.equal(code, 0, program.tail());
      return program.output;
    };
    const attempt = async (user: string, ...attempts: string[]) => {
      const output = await run(ATTEMPTS, [urlFor(far, user), ...attempts]);
      return output
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown);
    };

    await run(PUBLISH, ["--rate", "50", "--seconds", "1", "--tokens", "5"], {
      NATS_URL: urlFor(far, "publisher"),
      JS_HOME_DOMAIN: HOME_DOMAIN,
    });
    const { state, config } = await home.jsm.streams.info(STREAM);
    assert.ok(state.last_seq > 40, `${state.last_seq} messages`);
    for (const gateway of [homeGateway, farGateway])
      await eventually(
        () => `all messages:\n${gateway.process.tail()}`,
        async () => (await gateway.stats()).offset === state.last_seq,
        RECOVERY_MS,
      );
    const { epoch } = await homeGateway.stats();
    assert.equal((await farGateway.stats()).epoch, epoch);

    for (const gateway of [homeGateway, farGateway])
      await gateway.metric("ws_user_limit_gateways", {}, (count) => count === 2, RECOVERY_MS);
    assert.equal((await far.jsm.streams.info("ODIN_REVOCATIONS")).config.mirror?.name, "ODIN_REVOCATIONS");

    // The gateways of the region create the mirror again, and write an epoch at home.
    await home.recreateStream();
    await eventually(
      () => `another epoch:\n${farGateway.process.tail()}`,
      async () => (await farGateway.stats()).epoch !== epoch,
      RECOVERY_MS,
    );
    const update = `$JS.${HOME_DOMAIN}.API.STREAM.UPDATE.${STREAM}=${JSON.stringify({ ...config, metadata: {} })}`;
    assert.deepEqual(await attempt("gateway", update), [true]);

    for (const forbidden of [
      `$JS.${HOME_DOMAIN}.API.STREAM.DELETE.${STREAM}=`,
      `$JS.${HOME_DOMAIN}.API.STREAM.PURGE.${STREAM}=`,
      'odin.token.BTC.trade={"price":1}',
    ])
      assert.match(String((await attempt("gateway", forbidden))[0]), /permission/i, forbidden);
    const local = `$JS.API.STREAM.CREATE.OTHER=${JSON.stringify({ name: "OTHER", subjects: ["odin.other"] })}`;
    assert.match(String((await attempt("publisher", local))[0]), /permission/i);
    assert.deepEqual(await attempt("publisher", 'odin.token.BTC.trade={"price":1}'), [true]);
    // The login of servers is not one of clients.
    await assert.rejects(run(ATTEMPTS, [urlFor(home, "leaf"), `$JS.API.STREAM.INFO.${STREAM}=`]), /uthoriz/);
  });
});
