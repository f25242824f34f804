import assert from "node:assert/strict";
import { test } from "node:test";
import { jwtVerify } from "jose";
import { shortLivedToken } from "./token.ts";

const SECRET = "a secret of the tests, 32 bytes or more: ü";

test("another implementation accepts the token, with its user, expiry and channels", async () => {
  const token = shortLivedToken(SECRET, { channels: ["*.trade"], issuer: "me", audience: "live" });
  const { payload, protectedHeader } = await jwtVerify(token, new TextEncoder().encode(SECRET), {
    algorithms: ["HS256"],
    issuer: "me",
    audience: "live",
  });
  assert.equal(protectedHeader.alg, "HS256");
  assert.match(payload.sub ?? "", /^odin-smoke-[0-9a-f-]{36}$/);
  assert.deepEqual(payload.channels, ["*.trade"]);
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 300);
  await assert.rejects(jwtVerify(token, new TextEncoder().encode("another secret of the same length or so")));
  await assert.rejects(
    jwtVerify(shortLivedToken(SECRET, {}, Date.now() - 301_000), new TextEncoder().encode(SECRET)),
    /exp/,
  );
});

test("two runs are two users, so they do not share the limit of connections per user", () => {
  const user = (token: string) => JSON.parse(String(Buffer.from(token.split(".")[1] ?? "", "base64url"))).sub;
  assert.notEqual(user(shortLivedToken(SECRET, {})), user(shortLivedToken(SECRET, {})));
});
