import assert from "node:assert/strict";
import { test } from "node:test";
import { renewIn } from "./token.ts";

const NOW = 1_800_000_000_000;
const token = (claims: object) =>
  `head.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.signature`;
const lasting = (seconds: number) => renewIn(token({ exp: NOW / 1000 + seconds }), NOW);

test("a token is renewed a fifth of its remaining time before it expires, at most 30 s before", () => {
  assert.equal(lasting(3600), 3_570_000);
  assert.equal(lasting(100), 80_000);
  assert.equal(lasting(10), 8_000);
  assert.equal(lasting(1), 1_000);
});

test("a wrong clock does not cause a renewal every second", () => {
  assert.equal(lasting(0), 60_000);
  assert.equal(lasting(-3600), 60_000);
});

test("claims may have any text", () => {
  const exp = NOW / 1000 + 100;
  for (const sub of ["Jürgen 猫 🚀", "?>?>?>", "~~~", "ÿÿÿþþ"])
    assert.equal(renewIn(token({ sub, exp }), NOW), 80_000);
});

test("a token without exp is not renewed", () => {
  for (const text of ["", "opaque", "a.b.c", token({}), token({ exp: "soon" }), "a..c"]) {
    assert.equal(renewIn(text, NOW), undefined, text);
  }
});
