/** Tokens: which users may connect, which channels they may subscribe to, and for how long. */

import { strict as assert } from "node:assert";
import { before, describe, test } from "node:test";
import { connect, refusal } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { suiteOwner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { issue, newIssuer, serveKeys, tampered, unsigned } from "../harness/tokens.ts";
import { eventually, within } from "../harness/wait.ts";

const SECRET = "a secret of at least thirty-two bytes, as HS256 wants it";
// AUTH_MODE is not set, because its default is jwt.
const jwt = (env: Record<string, string>) => ({ env: { AUTH_MODE: "", ...env } });

describe("auth", { concurrency: true }, () => {
  const owner = suiteOwner();
  let gateway: Gateway;

  before(async () => {
    gateway = await startGateway(owner, jwt({ JWT_SECRET: SECRET }));
  });

  test("a client with a valid token connects", async (t) => {
    const client = await connect(t, gateway, { token: await issue(SECRET, { sub: "good" }) });
    assert.deepEqual(
      (await client.subscribe(["*.trade", "BTC.*"])).count,
      2,
      "a token without a `channels` claim allows all channels",
    );
  });

  test("a missing, wrong or expired token is refused with 401 before the upgrade", async (t) => {
    const good = await issue(SECRET, { sub: "thief" });
    const tokens: Record<string, string | undefined> = {
      none: undefined,
      empty: "",
      nonsense: "nonsense",
      dots: "..",
      "alg none": unsigned({ sub: "thief" }),
      "alg none with a signature": `${unsigned({ sub: "thief" })}${good.split(".")[2]}`,
      tampered: tampered(good),
      "signature cut off": good.slice(0, good.lastIndexOf(".") + 1),
      "another secret": await issue(`${SECRET}!`, { sub: "thief" }),
      expired: await issue(SECRET, { sub: "thief", expiresIn: -60 }),
      "not yet valid": await issue(SECRET, { sub: "thief", nbf: Math.floor(Date.now() / 1000) + 600 }),
      "key pair instead of secret": await (await newIssuer("RS256")).issue({ sub: "thief" }),
    };
    for (const [what, token] of Object.entries(tokens)) {
      const answer = await refusal(t, gateway, token === undefined ? {} : { token });
      assert.equal(answer.status, 401, what);
    }
    await gateway.assertAlive();
    assert.equal(gateway.process.output.includes(good), false, "a token must not reach the log");
  });

  test("a token of another issuer or for another audience is refused, and one signed with the previous secret connects", async (t) => {
    const previous = `${SECRET}, before the rotation`;
    const names = { JWT_ISSUER: "https://id.example.com", JWT_AUDIENCE: "prices" };
    const strict = await startGateway(
      t,
      jwt({ JWT_SECRET: SECRET, JWT_SECRET_PREVIOUS: previous, ...names }),
    );
    const right = { sub: "ann", iss: names.JWT_ISSUER, aud: names.JWT_AUDIENCE };
    for (const secret of [SECRET, previous]) {
      const client = await connect(t, strict, { token: await issue(secret, right) });
      assert.equal((await client.subscribe(["BTC.trade"])).count, 1);
    }
    const wrong = {
      "another issuer": { ...right, iss: "https://id.example.org" },
      "another audience": { ...right, aud: "orders" },
      "no issuer": { sub: "ann", aud: names.JWT_AUDIENCE },
      "no audience": { sub: "ann", iss: names.JWT_ISSUER },
    };
    for (const [what, claims] of Object.entries(wrong))
      assert.equal((await refusal(t, strict, { token: await issue(SECRET, claims) })).status, 401, what);
  });

  test("while the secret changes, an old token lasts until it expires, and after the change it is refused", async (t) => {
    const next = `${SECRET}, after the change`;
    const during = await startGateway(t, jwt({ JWT_SECRET: next, JWT_SECRET_PREVIOUS: SECRET }));
    const expiresIn = 3;
    const lazy = await connect(t, during, { token: await issue(SECRET, { sub: "lazy", expiresIn }) });
    const careful = await connect(t, during, { token: await issue(SECRET, { sub: "careful", expiresIn }) });
    const fresh = await issue(next, { sub: "careful" });
    await careful.ask({ type: "auth", token: fresh }, "subscription_ack");
    await lazy.ask({ type: "heartbeat" }, "heartbeat_ack");
    assert.equal((await within("4401", lazy.closed)).code, 4401);
    await careful.ask({ type: "heartbeat" }, "heartbeat_ack");
    const after = await startGateway(t, jwt({ JWT_SECRET: next }));
    const old = await issue(SECRET, { sub: "careful" });
    assert.equal((await refusal(t, after, { token: old })).status, 401);
    const open = await connect(t, after, { token: fresh });
    assert.equal((await open.error({ type: "auth", token: old })).code, "unauthorized");
    await open.ask({ type: "heartbeat" }, "heartbeat_ack");
    const poll = (token: string) =>
      fetch(`http://127.0.0.1:${after.wsPort}/poll?channels=BTC.trade&auth=${token}`);
    assert.deepEqual([(await poll(old)).status, (await poll(fresh)).status], [401, 200]);
  });

  test("with JWT_PUBLIC_KEY the gateway accepts RS256 and ES256, but not HS256 signed with the public key", async (t) => {
    for (const alg of ["RS256", "ES256"] as const) {
      const issuer = await newIssuer(alg);
      const keyed = await startGateway(t, jwt({ JWT_PUBLIC_KEY: issuer.publicKey }));
      await connect(t, keyed, { token: await issuer.issue({ sub: "a" }) });
      const confused = await issue(issuer.publicKey, { sub: "a" });
      assert.equal((await refusal(t, keyed, { token: confused })).status, 401);
      const other = await (await newIssuer(alg)).issue({ sub: "a" });
      assert.equal((await refusal(t, keyed, { token: other })).status, 401);
      assert.equal((await refusal(t, keyed, { token: unsigned({ sub: "a" }) })).status, 401);
    }
  });

  test("with JWKS_URL the gateway chooses the key by its id", async (t) => {
    const [rsa, elliptic, stranger] = await Promise.all([
      newIssuer("RS256", "rsa-1"),
      newIssuer("ES256", "ec-1"),
      newIssuer("RS256", "rsa-2"),
    ]);
    const keyed = await startGateway(t, jwt({ JWKS_URL: await serveKeys(t, [rsa.jwk, elliptic.jwk]) }));
    await connect(t, keyed, { token: await rsa.issue({ sub: "a" }) });
    await connect(t, keyed, { token: await elliptic.issue({ sub: "b" }) });
    assert.equal((await refusal(t, keyed, { token: await stranger.issue({ sub: "c" }) })).status, 401);
    assert.equal((await refusal(t, keyed, { token: unsigned({ sub: "c" }) })).status, 401);
  });

  test("while the gateway cannot fetch the key set, it refuses every client and keeps running", async (t) => {
    const issuer = await newIssuer("RS256");
    const url = `http://127.0.0.1:${await freePort()}/jwks.json`;
    const keyed = await startGateway(t, { ...jwt({ JWKS_URL: url }), until: "live" });
    const { status } = await refusal(t, keyed, { token: await issuer.issue({ sub: "a" }) });
    assert.ok(status === 401 || status === 503, `${status}`);
    await keyed.assertAlive();
  });

  test("a user's fourth connection gets 429 until one of the other three is closed", async (t) => {
    const token = await issue(SECRET, { sub: "busy" });
    const held = [];
    for (let n = 0; n < 3; n++) held.push(await connect(t, gateway, { token }));
    const answer = await refusal(t, gateway, { token: await issue(SECRET, { sub: "busy", jti: "other" }) });
    assert.equal(answer.status, 429);
    assert.ok(Number(answer.headers["retry-after"]) > 0, "Retry-After says when to retry");
    await connect(t, gateway, { token: await issue(SECRET, { sub: "neighbour" }) });
    // The gateway notices the end of a connection a moment after the client.
    const admitted = () => eventually("a free place", () => connect(t, gateway, { token }));
    await held[0]?.close();
    await admitted();
    await held[1]?.drop();
    await admitted();
    assert.equal((await refusal(t, gateway, { token })).status, 429);
  });

  test("the channels claim limits the channels that a client may subscribe to", async (t) => {
    const channels = ["BTC.*", "*.update", "global.trending", "ETH.trade"];
    const client = await connect(t, gateway, { token: await issue(SECRET, { sub: "limited", channels }) });
    const allowed = ["BTC.trade", "BTC.*", "XRP.update", "*.update", "global.trending", "ETH.trade"];
    assert.equal((await client.subscribe(allowed)).count, allowed.length);
    for (const channel of [
      "ETH.liquidity",
      "*.trade",
      "ETH.*",
      "*.*",
      "global.*",
      "global.new_listing",
      "XRP.trade",
    ]) {
      const { code } = await client.error({ type: "subscribe", channels: ["BTC.social", channel] });
      assert.equal(code, "forbidden_channel", channel);
    }
    const forbidden = { type: "subscribe", channels: ["odin.token.ETH.liquidity"] };
    assert.equal((await client.error(forbidden)).code, "forbidden_channel");
    const ack = await client.subscribe(["BTC.trade"]);
    assert.deepEqual(
      ack.subscribed.toSorted(),
      allowed.toSorted(),
      "a refused list must not take effect in part",
    );
  });

  test("a client whose channels claim is empty may not subscribe to any channel", async (t) => {
    const client = await connect(t, gateway, {
      token: await issue(SECRET, { sub: "nothing", channels: [] }),
    });
    assert.equal(
      (await client.error({ type: "subscribe", channels: ["BTC.trade"] })).code,
      "forbidden_channel",
    );
  });

  test("a connection with an expired token is closed with 4401, and one with a refreshed token stays open", async (t) => {
    const short = { expiresIn: 3 };
    const lazy = await connect(t, gateway, { token: await issue(SECRET, { sub: "lazy", ...short }) });
    const careful = await connect(t, gateway, { token: await issue(SECRET, { sub: "careful", ...short }) });
    const clumsy = await connect(t, gateway, { token: await issue(SECRET, { sub: "clumsy", ...short }) });
    await careful.subscribe(["BTC.trade"]);
    const fresh = await issue(SECRET, { sub: "careful" });
    const ack = await careful.ask({ type: "auth", token: fresh }, "subscription_ack");
    assert.deepEqual(ack.subscribed, ["BTC.trade"]);
    for (const token of ["nonsense", unsigned({ sub: "clumsy" }), tampered(fresh)]) {
      assert.equal((await clumsy.error({ type: "auth", token })).code, "unauthorized");
    }
    await clumsy.ask({ type: "heartbeat" }, "heartbeat_ack");
    const closed = await within("4401", Promise.all([lazy.closed, clumsy.closed]));
    assert.deepEqual(
      closed.map(({ code }) => code),
      [4401, 4401],
    );
    await careful.ask({ type: "heartbeat" }, "heartbeat_ack");
  });

  test("a refreshed token that allows fewer channels ends the other subscriptions", async (t) => {
    const client = await connect(t, gateway, { token: await issue(SECRET, { sub: "demoted" }) });
    await client.subscribe(["BTC.trade", "ETH.trade", "*.update"]);
    const token = await issue(SECRET, { sub: "demoted", channels: ["BTC.*"] });
    const ack = await client.ask({ type: "auth", token }, "subscription_ack");
    assert.deepEqual(ack.subscribed, ["BTC.trade"]);
    assert.equal(
      (await client.error({ type: "subscribe", channels: ["ETH.trade"] })).code,
      "forbidden_channel",
    );
  });
});
