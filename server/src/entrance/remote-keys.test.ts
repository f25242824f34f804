import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { exportJWK, generateKeyPair } from "jose";
import { KeysUnavailableError, RemoteKeys } from "./remote-keys.ts";

const HOUR_MS = 3_600_000;

test("a failure while the keys are young is logged when a token has an unknown key", async (t) => {
  const { publicKey } = await generateKeyPair("ES256");
  const known = { ...(await exportJWK(publicKey)), alg: "ES256", kid: "known" };
  let status = 200;
  const server = createServer((_request, response) => {
    response.writeHead(status).end(JSON.stringify({ keys: [known] }));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  let now = 0;
  const logged: [object, string | undefined][] = [];
  const log = (fields: object, message?: string) => void logged.push([fields, message]);
  const keys = new RemoteKeys({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    maxAgeMs: HOUR_MS,
    maxStaleMs: 24 * HOUR_MS,
    log: { info: log, warn: log } as never,
    now: () => now,
  });
  const keyOf = (kid: string) => keys.keyOf({ alg: "ES256", kid }, { payload: "", signature: "" });
  await keyOf("known");
  status = 500;
  now += 29_000;
  await assert.rejects(keyOf("new"), { code: "ERR_JWKS_NO_MATCHING_KEY" }, "asked less than 30 s ago");
  assert.deepEqual(logged, []);
  now += 2_000;
  await assert.rejects(keyOf("new"), KeysUnavailableError);
  assert.deepEqual(logged, [
    [
      { reason: "status 500 instead of 200", age_seconds: 31 },
      "JWKS_URL gives no keys: tokens with a key that is not known yet are refused",
    ],
  ]);
  await keyOf("known");
});
