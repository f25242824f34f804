/** The limit of a user over several gateways, which count together over NATS. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startWitness } from "../client/witness.ts";
import { connect, Refused, refusal, type TestClient } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { type Owner, suiteOwner } from "../harness/owner.ts";
import { issue } from "../harness/tokens.ts";
import { eventually } from "../harness/wait.ts";

const SECRET = "a secret of at least thirty-two bytes, as HS256 wants it";
const SEATS = 3; // default of WS_MAX_CONNECTIONS_PER_USER
const RELEASE_MS = 10_000; // ms after which a gateway that was killed holds no seat
const ENV = { AUTH_MODE: "jwt", JWT_SECRET: SECRET, WS_WORKER_POOL_SIZE: "1" };

let users = 0;
const newToken = (): Promise<string> => issue(SECRET, { sub: `user-${users++}` });

interface Health {
  status: string;
  user_limit: { counted_by: string; gateways: number };
}

async function limitOf(gateway: Gateway): Promise<Health["user_limit"]> {
  return (JSON.parse((await gateway.ops("/health")).body) as Health).user_limit;
}

/** Waits until this many gateways count together. */
async function together(gateways: readonly Gateway[]): Promise<void> {
  const expected = { counted_by: "service", gateways: gateways.length };
  for (const gateway of gateways)
    await eventually(
      () => `gateways that count together:\n${gateway.process.tail()}`,
      async () => JSON.stringify(await limitOf(gateway)) === JSON.stringify(expected),
    );
}

async function startTogether(
  owner: Owner,
  nats: Nats,
  envs: readonly Record<string, string>[],
): Promise<Gateway[]> {
  const gateways = await Promise.all(
    envs.map((env) => startGateway(owner, { nats, env: { ...ENV, ...env } })),
  );
  await together(gateways);
  return gateways;
}

const isAlive = (client: TestClient) => client.ask({ type: "heartbeat" }, "heartbeat_ack");

type Three = [Gateway, Gateway, Gateway];

describe("the limit of a user over several gateways", { skip: withoutNats(), concurrency: 3 }, () => {
  const owner = suiteOwner();
  let nats: Nats;
  before(async () => {
    nats = await startNats(owner);
  });

  test("refuse: the limit holds over three gateways and their workers, when one is killed and when one drains", async (t) => {
    const [a, b, c] = (await startTogether(t, nats, [
      { WS_WORKER_POOL_SIZE: "2" },
      {},
      { WS_DRAIN_SECONDS: "60" },
    ])) as Three;
    const token = await newToken();
    const tabs = [
      await connect(t, a, { token }),
      await connect(t, b, { token }),
      await connect(t, a, { token }),
    ];
    for (const gateway of [a, b, c]) {
      const answer = await refusal(t, gateway, { token });
      assert.deepEqual([answer.status, JSON.parse(answer.body).error], [429, "per_user"]);
    }
    await tabs[0]?.close();
    tabs[0] = await eventually("the seat that was freed", () => connect(t, c, { token }).catch(() => false));
    assert.equal((await refusal(t, a, { token })).status, 429);
    for (const tab of tabs) await isAlive(tab);
    await c.metric("ws_user_seat_claims_total", { result: "refused" }, (value) => value >= 1);
    await c.metric("ws_user_limit_gateways", {}, (value) => value === 3);
    await c.metric("ws_user_limit_alone", {}, (value) => value === 0);

    // Crowds that ask three gateways at the same moment get exactly as many seats as the limit.
    const crowds = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const user = await newToken();
        const answers = await Promise.allSettled(
          [a, b, c, a, b, c].map((gateway) => connect(t, gateway, { token: user })),
        );
        for (const answer of answers)
          assert.ok(
            answer.status === "fulfilled" || answer.reason instanceof Refused,
            JSON.stringify(answer),
          );
        return answers.filter(({ status }) => status === "fulfilled").length;
      }),
    );
    assert.deepEqual(crowds, Array(10).fill(SEATS));

    const killed = await Promise.all(Array.from({ length: 6 }, newToken));
    for (const token of killed) for (let seat = 0; seat < SEATS; seat++) await connect(t, a, { token });
    const drained = await newToken();
    for (let seat = 0; seat < SEATS; seat++) await connect(t, c, { token: drained });

    // The VM ends: no process of the gateway says goodbye.
    await a.process.dispose();
    const from = performance.now();
    const [first = "", ...others] = killed;
    await connect(t, b, { token: first });
    await together([b, c]);
    assert.ok(performance.now() - from < RELEASE_MS, `released after ${performance.now() - from} ms`);
    const before = performance.now();
    for (const token of others) for (let seat = 0; seat < SEATS; seat++) await connect(t, b, { token });
    assert.equal(
      (await refusal(t, b, { token: others[0] as string })).status,
      429,
      "the limit holds as before",
    );
    assert.ok(performance.now() - before < 3000, "no seat of the gateway that was killed is left");

    c.process.signal("SIGTERM");
    await c.health(503);
    for (let seat = 0; seat < SEATS; seat++)
      await eventually("a seat that the drain released", () =>
        connect(t, b, { token: drained }).catch(() => false),
      );
    assert.ok((await c.stats()).connections > 0, "clients of the gateway are still connected");
    await together([b]);
  });

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
    for (const tab of rest) await isAlive(tab);
    await a.metric("ws_disconnects_total", { code: "4409" }, (value) => value === 1);
    await b.metric("ws_disconnects_total", { code: "4409" }, (value) => value === 1);
  });

  test("NATS away: each gateway counts alone and says so; NATS back: they agree again", async (t) => {
    const own = await startNats(t);
    const [a, b] = (await startTogether(t, own, [{}, {}])) as Three;
    const token = await newToken();
    const tabs = [await connect(t, a, { token }), await connect(t, a, { token })];
    await own.kill();
    for (const gateway of [a, b])
      await eventually(
        "a gateway that counts alone",
        async () => (await limitOf(gateway)).counted_by === "gateway",
      );
    assert.match(b.process.output, /holds for this gateway alone/);
    await b.metric("ws_user_limit_alone", {}, (value) => value === 1);
    for (let seat = 0; seat < SEATS; seat++) tabs.push(await connect(t, b, { token }));
    assert.equal((await refusal(t, b, { token })).status, 429, "its own connections count");
    await own.start();
    await together([a, b]);
    // The newest two of five are closed.
    await eventually("the limit", () => tabs.filter(({ closedWith }) => closedWith).length === 2);
    assert.deepEqual(
      tabs.map(({ closedWith }) => closedWith?.code),
      [undefined, undefined, undefined, 4409, 4409],
    );
    for (const gateway of [a, b]) assert.equal((await refusal(t, gateway, { token })).status, 429);
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
  return permissions.replaceAll("\\$", "$");
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
