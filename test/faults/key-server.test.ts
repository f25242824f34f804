/** The key server is away: users whose keys are known must not notice. */

import { strict as assert } from "node:assert";
import { createServer, type RequestListener } from "node:http";
import { describe, test } from "node:test";
import { connect, refusal } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { newIssuer } from "../harness/tokens.ts";
import { eventually, pause } from "../harness/wait.ts";

/** A key server whose behaviour a test can change. */
async function startKeyServer(owner: Owner, keys: readonly object[]) {
  const answer =
    (body: unknown, status = 200): RequestListener =>
    (_request, response) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    };
  const state = { listener: answer({ keys }), requests: 0 };
  const server = createServer((request, response) => {
    state.requests++;
    state.listener(request, response);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { state, answer, url: `http://127.0.0.1:${port}/jwks.json` };
}

const MAX_AGE_MS = 1000;
const withKeys = (url: string, env: Record<string, string> = {}) => ({
  env: { AUTH_MODE: "jwt", JWKS_URL: url, JWKS_MAX_AGE: `${MAX_AGE_MS}ms`, ...env },
});

describe("key server", { concurrency: true }, () => {
  test("tokens of known keys connect and renew while the key server fails, in every way", async (t) => {
    const known = await newIssuer("RS256", "known");
    const unknown = await newIssuer("RS256", "new");
    const { state, answer, url } = await startKeyServer(t, [known.jwk]);
    const gateway = await startGateway(t, withKeys(url));
    const client = await connect(t, gateway, { token: await known.issue({ sub: "a" }) });
    const failures: Record<string, RequestListener> = {
      "a reset": (request) => request.socket.resetAndDestroy(),
      "status 500": answer({ keys: [known.jwk] }, 500),
      "a redirect": (_request, response) => response.writeHead(302, { location: "/elsewhere" }).end(),
      "a page": answer("<html>maintenance</html>"),
      "no keys": answer({ keys: [] }),
      nothing: answer("null"),
    };
    for (const [what, failure] of Object.entries(failures)) {
      state.listener = failure;
      const { requests } = state;
      await pause(MAX_AGE_MS + 100);
      await (await connect(t, gateway, { token: await known.issue({ sub: "b" }) })).close();
      assert.ok(state.requests > requests, what);
      await client.ask({ type: "auth", token: await known.issue({ sub: "a" }) }, "subscription_ack");
      const answered = await refusal(t, gateway, { token: await unknown.issue({ sub: "c" }) });
      assert.deepEqual([answered.status, JSON.parse(answered.body).error], [503, "keys"], what);
      assert.ok(Number(answered.headers["retry-after"]) >= 1);
      const { code } = await client.error({ type: "auth", token: await unknown.issue({ sub: "a" }) });
      assert.equal(code, "keys_unavailable", what);
    }
    const warnings = gateway.process.output.match(
      /JWKS_URL gives no keys: tokens are checked with old keys/g,
    );
    assert.equal(warnings?.length, 1, "once a minute");
    assert.match(gateway.process.output, /"reason":".+","age_seconds":\d+/);
    assert.equal(gateway.process.output.includes(url), false, "the address may contain a secret");
    // The server is back, with another key: the known one is no longer valid.
    state.listener = answer({ keys: [unknown.jwk] });
    const token = await unknown.issue({ sub: "d" });
    await eventually("the new key", () => connect(t, gateway, { token }));
    assert.equal((await refusal(t, gateway, { token: await known.issue({ sub: "d" }) })).status, 401);
    assert.match(gateway.process.output, /JWKS_URL answers again/);
  });

  test("a failure at the start is logged before a client connects, and young keys are not fetched again for an unknown key", async (t) => {
    const known = await newIssuer("ES256", "known");
    const unknown = await newIssuer("ES256", "new");
    const { state, answer, url } = await startKeyServer(t, [known.jwk]);
    const works = state.listener;
    state.listener = answer("", 503);
    const gateway = await startGateway(t, { env: { AUTH_MODE: "jwt", JWKS_URL: url, JWKS_MAX_AGE: "1h" } });
    const logged = (line: RegExp) =>
      eventually(
        () => `${line} in:\n${gateway.process.tail()}`,
        () => line.test(gateway.process.output),
      );
    await logged(
      /"reason":"status 503 instead of 200","message":"JWKS_URL gives no keys: no token can be checked"/,
    );
    state.listener = works;
    const token = await known.issue({ sub: "a" });
    await eventually("keys", () => connect(t, gateway, { token }));
    await logged(/JWKS_URL answers again/);
    state.listener = answer("", 500);
    // Keys younger than 30 s are not fetched again for a key that is not known.
    const stranger = await unknown.issue({ sub: "b" });
    assert.equal((await refusal(t, gateway, { token: stranger })).status, 401);
  });

  test("a failure that begins later is in the log with its own reason and consequence", async (t) => {
    const issuer = await newIssuer("ES256");
    const { state, answer, url } = await startKeyServer(t, [issuer.jwk]);
    const works = state.listener;
    state.listener = answer("", 503);
    const gateway = await startGateway(t, withKeys(url));
    const logged = (line: RegExp) =>
      eventually(
        () => `${line} in:\n${gateway.process.tail()}`,
        () => line.test(gateway.process.output),
      );
    await logged(/"reason":"status 503 instead of 200","message":"JWKS_URL gives no keys: no token/);
    state.listener = works;
    const token = await issuer.issue({ sub: "a" });
    await eventually("keys", () => connect(t, gateway, { token }));
    await logged(/JWKS_URL answers again/);
    state.listener = answer("", 500);
    await pause(MAX_AGE_MS + 100);
    await connect(t, gateway, { token });
    // The warning at the start, less than a minute ago, does not hold this one back.
    await logged(
      /"reason":"status 500 instead of 200","age_seconds":\d+,"message":"JWKS_URL gives no keys: tokens are checked with old keys"/,
    );
  });

  test("a key server that does not answer delays a known key by 1 s at most", async (t) => {
    const known = await newIssuer("ES256", "known");
    const unknown = await newIssuer("ES256", "new");
    const { state, url } = await startKeyServer(t, [known.jwk]);
    const gateway = await startGateway(t, withKeys(url));
    const token = await known.issue({ sub: "a" });
    await connect(t, gateway, { token });
    state.listener = () => {};
    await pause(MAX_AGE_MS + 100);
    const from = performance.now();
    const refused = refusal(t, gateway, { token: await unknown.issue({ sub: "b" }) });
    await connect(t, gateway, { token });
    assert.ok(performance.now() - from < 2500, `admitted after ${performance.now() - from} ms`);
    assert.equal((await refused).status, 503);
    assert.match(gateway.process.output, /"reason":"no answer yet","age_seconds":\d+/);
  });

  test("keys older than JWKS_MAX_STALE_AGE are not used", async (t) => {
    const issuer = await newIssuer("ES256");
    const { state, answer, url } = await startKeyServer(t, [issuer.jwk]);
    const gateway = await startGateway(t, withKeys(url, { JWKS_MAX_STALE_AGE: "2s" }));
    const token = await issuer.issue({ sub: "a" });
    await connect(t, gateway, { token });
    state.listener = answer("", 503);
    await pause(2100);
    assert.equal((await refusal(t, gateway, { token })).status, 503);
    assert.match(gateway.process.output, /JWKS_URL gives no keys: no token can be checked/);
    state.listener = answer({ keys: [issuer.jwk] });
    await eventually("keys", () => connect(t, gateway, { token }));
  });

  test("tokens with unknown keys do not flood the key server", async (t) => {
    const known = await newIssuer("ES256", "known");
    const unknown = await newIssuer("ES256", "unknown");
    const { state, answer, url } = await startKeyServer(t, [known.jwk]);
    const gateway = await startGateway(t, { env: { AUTH_MODE: "jwt", JWKS_URL: url } });
    await connect(t, gateway, { token: await known.issue({ sub: "a" }) });
    const token = await unknown.issue({ sub: "b" });
    const crowd = () => Promise.all(Array.from({ length: 20 }, () => refusal(t, gateway, { token })));
    assert.ok((await crowd()).every(({ status }) => status === 401));
    assert.equal(state.requests, 1);
    state.listener = answer("", 500);
    await crowd();
    assert.equal(state.requests, 1);
  });
});
