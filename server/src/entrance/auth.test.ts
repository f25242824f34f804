import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { exportJWK, SignJWT, UnsecuredJWT } from "jose";
import { AuthError, type AuthSettings, createVerifier, type Verifier } from "./auth.ts";
import { KeysUnavailableError } from "./remote-keys.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const NOTHING = {
  AUTH_MODE: "jwt",
  JWT_SECRET: undefined,
  JWT_SECRET_PREVIOUS: undefined,
  JWT_PUBLIC_KEY: undefined,
  JWT_ISSUER: [] as string[],
  JWT_AUDIENCE: [] as string[],
  JWT_REQUIRE_EXP: true,
  JWKS_URL: undefined,
  JWKS_MAX_AGE: 600_000,
  JWKS_MAX_STALE_AGE: 86_400_000,
} satisfies AuthSettings;
const LOG = { info: () => {}, warn: () => {} };
const bytes = (text: string) => new TextEncoder().encode(text);
const now = () => Math.floor(Date.now() / 1000);

function verifier(settings: Partial<AuthSettings>): Verifier {
  const made = createVerifier({ ...NOTHING, ...settings }, LOG);
  assert.ok(made);
  return made;
}
const token = (
  claims: Record<string, unknown>,
  key: Parameters<SignJWT["sign"]>[0] = bytes(SECRET),
  alg = "HS256",
  kid = "k",
) => new SignJWT({ exp: now() + 60, ...claims }).setProtectedHeader({ alg, kid }).sign(key);
const refused = (verify: Verifier, jwt: string, reason: RegExp) =>
  assert.rejects(
    verify(jwt),
    (error) => error instanceof AuthError && error.code === "unauthorized" && reason.test(error.message),
  );

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = (key: typeof rsa.publicKey) => key.export({ type: "spki", format: "pem" }).toString();

test("returns the user, the expiry and the allowed channels", async () => {
  const verify = verifier({ JWT_SECRET: SECRET });
  const exp = now() + 60;
  const nothing = { channels: undefined, tokenId: undefined, issuedAt: undefined };
  assert.deepEqual(await verify(await token({ sub: "ann", exp })), {
    ...nothing,
    user: "ann",
    expiresAt: exp,
  });
  const channels = ["odin.token.BTC.trade", "*.social"];
  assert.deepEqual(await verify(await token({ sub: "ann", exp, channels, jti: "t1", iat: 7 })), {
    user: "ann",
    expiresAt: exp,
    channels: ["BTC.trade", "*.social"],
    tokenId: "t1",
    issuedAt: 7,
  });
  assert.deepEqual((await verify(await token({ sub: "ann", channels: [] }))).channels, []);
});

test("refuses tokens that are expired, not yet valid, forged, malformed or unsigned", async () => {
  const verify = verifier({ JWT_SECRET: SECRET });
  await refused(verify, await token({ sub: "ann", exp: now() - 1 }), /expired/);
  await refused(verify, await token({ sub: "ann", nbf: now() + 60 }), /not valid/);
  await refused(verify, await token({ sub: "ann" }, bytes("another secret, also 32 bytes ok")), /not valid/);
  const good = await token({ sub: "ann" });
  const [head, , signature] = good.split(".");
  await refused(
    verify,
    `${head}.${Buffer.from('{"sub":"eve"}').toString("base64url")}.${signature}`,
    /not valid/,
  );
  for (const jwt of ["", "x", "a.b.c", good.slice(0, -2), `${good}.x`])
    await refused(verify, jwt, /not valid/);
  await refused(verify, new UnsecuredJWT({ sub: "ann" }).encode(), /not valid/);
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  await refused(verify, `${none}.${good.split(".")[1]}.${signature}`, /not valid/);
});

test("refuses claims that are missing or malformed", async () => {
  const verify = verifier({ JWT_SECRET: SECRET });
  await refused(verify, await token({}), /sub/);
  await refused(verify, await token({ sub: "" }), /sub/);
  await refused(verify, await token({ sub: "ann", channels: "BTC.trade" }), /channels/);
  await refused(verify, await token({ sub: "ann", channels: ["BTC.trade", "a.b.c"] }), /channels/);
  await refused(verify, await token({ sub: "ann", channels: [7] }), /channels/);
});

test("refuses tokens without expiry, unless the settings allow them", async () => {
  const endless = await token({ sub: "ann", exp: undefined });
  await refused(verifier({ JWT_SECRET: SECRET }), endless, /no claim exp/);
  const { expiresAt } = await verifier({ JWT_SECRET: SECRET, JWT_REQUIRE_EXP: false })(endless);
  assert.equal(expiresAt, 0);
});

test("refuses tokens of another issuer or for another audience", async () => {
  const verify = verifier({
    JWT_SECRET: SECRET,
    JWT_ISSUER: ["https://login.example", "https://old.example"],
    JWT_AUDIENCE: ["live"],
  });
  for (const claims of [
    { iss: "https://login.example", aud: "live" },
    { iss: "https://old.example", aud: ["app", "live"] },
  ])
    assert.equal((await verify(await token({ sub: "ann", ...claims }))).user, "ann");
  for (const [claims, reason] of [
    [{ iss: "https://login.example" }, /no claim aud/],
    [{ iss: "https://login.example", aud: "admin" }, /claim aud has another value/],
    [{ iss: "https://evil.example", aud: "live" }, /claim iss has another value/],
    [{ aud: "live" }, /no claim iss/],
  ] as const)
    await refused(verify, await token({ sub: "ann", ...claims }), reason);
});

test("accepts tokens of two secrets while the secret is being changed", async () => {
  const old = "the secret of last year, 32 bytes";
  const verify = verifier({ JWT_SECRET: SECRET, JWT_SECRET_PREVIOUS: old });
  assert.equal((await verify(await token({ sub: "ann" }))).user, "ann");
  assert.equal((await verify(await token({ sub: "bob" }, bytes(old)))).user, "bob");
  await refused(verify, await token({ sub: "bob", exp: now() - 60 }, bytes(old)), /expired/);
  await refused(verify, await token({ sub: "eve" }, bytes("another secret, also 32 bytes ok")), /not valid/);
  await refused(verifier({ JWT_SECRET: SECRET }), await token({ sub: "bob" }, bytes(old)), /not valid/);
});

test("an error names the user of a token only when its signature is right", async () => {
  const verify = verifier({ JWT_SECRET: SECRET, JWT_AUDIENCE: ["live"] });
  const userOf = (jwt: string) =>
    verify(jwt).then(
      () => assert.fail("the token is valid"),
      (error: AuthError) => error.user,
    );
  const exp = now() - 60;
  assert.equal(await userOf(await token({ sub: "ann", aud: "live", exp })), "ann");
  assert.equal(await userOf(await token({ sub: "ann", aud: "live", exp: now() - 1 })), "ann");
  assert.equal(await userOf(await token({ sub: "ann", aud: "admin" })), "ann");
  assert.equal(await userOf(await token({ sub: "ann", aud: "live", channels: "BTC" })), "ann");
  assert.equal(await userOf(await token({ sub: 5, aud: "live", exp })), undefined);
  assert.equal(await userOf(await token({ sub: "ann", aud: "live", exp }, bytes(`${SECRET}!`))), undefined);
  assert.equal(await userOf(new UnsecuredJWT({ sub: "ann", aud: "live", exp }).encode()), undefined);
});

test("a public key checks signatures only: it cannot be used as a secret", async () => {
  for (const [pair, alg] of [
    [rsa, "RS256"],
    [rsa, "PS512"],
    [ec, "ES256"],
  ] as const) {
    const verify = verifier({ JWT_PUBLIC_KEY: pem(pair.publicKey) });
    assert.equal((await verify(await token({ sub: "ann" }, pair.privateKey, alg))).user, "ann");
    await refused(verify, await token({ sub: "eve" }, bytes(pem(pair.publicKey)), "HS256"), /not valid/);
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await refused(verify, await token({ sub: "eve" }, other.privateKey, "ES256"), /not valid/);
  }
  const escaped = verifier({ JWT_PUBLIC_KEY: pem(ec.publicKey).replaceAll("\n", "\\n") });
  assert.equal((await escaped(await token({ sub: "ann" }, ec.privateKey, "ES256"))).user, "ann");
});

test("a secret does not accept signatures of key pairs", async () => {
  await refused(
    verifier({ JWT_SECRET: SECRET }),
    await token({ sub: "eve" }, rsa.privateKey, "RS256"),
    /not valid/,
  );
});

test("keys from a URL are fetched and chosen by their id", async (t) => {
  const keys = [
    { ...(await exportJWK(rsa.publicKey)), kid: "one" },
    { ...(await exportJWK(ec.publicKey)), kid: "two" },
  ];
  let fetched = 0;
  const server = createServer((_, response) => {
    fetched++;
    response.setHeader("Content-Type", "application/json").end(JSON.stringify({ keys }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const verify = verifier({ JWKS_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` });
  assert.equal((await verify(await token({ sub: "ann" }, rsa.privateKey, "RS256", "one"))).user, "ann");
  assert.equal((await verify(await token({ sub: "bob" }, ec.privateKey, "ES256", "two"))).user, "bob");
  await refused(verify, await token({ sub: "eve" }, ec.privateKey, "ES256", "one"), /not valid/);
  await refused(verify, await token({ sub: "eve" }, ec.privateKey, "ES256", "three"), /not valid/);
  assert.equal(fetched, 1, "fetched once, not for every client");
});

test("when the keys cannot be fetched, tokens are refused with KeysUnavailableError", async () => {
  const verify = verifier({ JWKS_URL: "http://127.0.0.1:9/keys" });
  // The token may be valid, so the client must keep it.
  await assert.rejects(verify(await token({ sub: "ann" }, rsa.privateKey, "RS256")), KeysUnavailableError);
});

test("without authentication there is no verifier", () => {
  assert.equal(createVerifier({ ...NOTHING, AUTH_MODE: "none", JWT_SECRET: SECRET }, LOG), undefined);
});
