/** The limit of a user over several gateways, which count together over NATS. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startWitness } from "../client/witness.ts";
import { connect, refusal } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { eventually } from "../harness/wait.ts";
import { ENV, limitOf, newToken, SEATS, startTogether } from "./counting-together.ts";

type Three = [Gateway, Gateway, Gateway];

describe("the limit of a user over several gateways", { skip: withoutNats() }, () => {
  test("replace: the oldest connection is closed with 4409 on its gateway, and its client stays away", async (t) => {
    const env = { WS_USER_LIMIT_ACTION: "replace" };
    const own = await startNats(t);
    const [a, b, c] = (await startTogether(t, own, [
      env,
      { ...env, WS_WORKER_POOL_SIZE: "2" },
      env,
    ])) as Three;
    const token = await newToken();
    const library = startWitness(t, a.url, { token });
    await library.until("open");
    const first = await connect(t, b, { token });
    const rest = [await connect(t, b, { token }), await connect(t, c, { token })];
    await library.until("closed");
    assert.equal(library.client.status.code, 4409);
    assert.match(library.client.status.reason, /another connection of this user took the seat/);
    rest.push(await connect(t, a, { token }));
    assert.equal((await first.ended()).code, 4409);
    for (const tab of rest) await tab.ask({ type: "heartbeat" }, "heartbeat_ack");
    await a.metric("ws_disconnects_total", { code: "4409" }, (value) => value === 1);
    await b.metric("ws_disconnects_total", { code: "4409" }, (value) => value === 1);
  });
});

const SCRIPT = fileURLToPath(new URL("../../infra/startup/nats-server.sh", import.meta.url));

/** The permissions of the gateways' user, as the start-up script of our own NATS servers writes them. */
function permissionsOfScript(): string {
  const [, permissions = ""] =
    /user: gateway, password: "\$gateway", permissions: \{([\s\S]*?)\n {4}\} \}/.exec(
      readFileSync(SCRIPT, "utf8"),
    ) ?? [];
  assert.match(permissions, /odin-gateways/);
  // The home region has no mirrors.
  return permissions.replace("$mirrors", "").replaceAll("\\$", "$");
}

describe("logins at NATS", { skip: withoutNats() }, () => {
  const config = (permissions: string) => `authorization { users: [
    { user: admin, password: secret }
    { user: gateway, password: secret, permissions: {${permissions}} }
  ] }`;
  const login = { user: "admin", pass: "secret" };
  const envOf = (nats: Nats) => ({ NATS_URL: nats.url.replace("//", "//gateway:secret@") });

  test("the permissions of our own servers suffice; without those, the gateway serves and counts alone", async (t) => {
    const nats = await startNats(t, { config: config(permissionsOfScript()), login });
    await startTogether(t, nats, [envOf(nats), envOf(nats)]);

    const without = permissionsOfScript().replaceAll(', "odin-gateways.>"', "");
    const strict = await startNats(t, { config: config(without), login });
    const gateway = await startGateway(t, { nats: strict, env: { ...ENV, ...envOf(strict) } });
    await eventually("the warning", () =>
      /the login at NATS needs to publish and subscribe there/.test(gateway.process.output),
    );
    const token = await newToken();
    for (let seat = 0; seat < SEATS; seat++) await connect(t, gateway, { token });
    assert.equal((await refusal(t, gateway, { token })).status, 429);
    assert.deepEqual(await limitOf(gateway), { counted_by: "gateway", gateways: 1 });
    await gateway.metric("ws_nats_connected", {}, (value) => value === 1);
  });
});

describe("without NATS", () => {
  test("the limit holds for the gateway alone, and its start says so", async (t) => {
    const gateway = await startGateway(t, { env: { ...ENV, SOURCE: "simulator" } });
    assert.match(gateway.process.output, /WS_MAX_CONNECTIONS_PER_USER holds for this gateway alone/);
    assert.deepEqual(await limitOf(gateway), { counted_by: "gateway", gateways: 1 });
    const unlimited = await startGateway(t, { env: { ...ENV, WS_MAX_CONNECTIONS_PER_USER: "0" } });
    assert.equal((await limitOf(unlimited)).counted_by, "none");
  });
});
