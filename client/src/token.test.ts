import assert from "node:assert/strict";
import { test } from "node:test";
import { renewIn } from "./token.ts";

const NOW = 1_800_000_000_000;
const token = (claims: object) =>
  `head.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.signature`;
const lasting = (seconds: number) => renewIn(token({ exp: NOW / 1000 + seconds }), NOW);

test("renewed a fifth of what is left before the end, at most 30 s before", () => {
  assert.equal(lasting(3600), 3_570_000);
  assert.equal(lasting(100), 80_000);
  assert.equal(lasting(10), 8_000);
  assert.equal(lasting(1), 1_000);
});

test("a clock that is wrong does not make it ask every second", () => {
  assert.equal(lasting(0), 60_000);
  assert.equal(lasting(-3600), 60_000);
});

test("claims may hold any text", () => {
  const exp = NOW / 1000 + 100;
  for (const sub of ["Jürgen 猫 🚀", "?>?>?>", "~~~", "ÿÿÿþþ"])
    assert.equal(renewIn(token({ sub, exp }), NOW), 80_000);
});

test("no end, no renewal", () => {
  for (const text of ["", "opaque", "a.b.c", token({}), token({ exp: "soon" }), "a..c"]) {
    assert.equal(renewIn(text, NOW), undefined, text);
  }
});
