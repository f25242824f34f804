import assert from "node:assert/strict";
import { test } from "node:test";
import { Revocations } from "./revocations.ts";

const NOW = 1_000_000;
const ann = { user: "ann", tokenId: "t1", issuedAt: NOW - 60 };

test("a revoked user's tokens are refused when they were issued before, and later ones are accepted", () => {
  const known = new Revocations();
  assert.equal(known.includes(ann, NOW), false);
  known.add([{ revoked: { user: "ann" }, issuedUpTo: NOW, until: NOW + 60 }]);
  assert.equal(known.includes(ann, NOW), true);
  assert.equal(known.includes({ ...ann, issuedAt: NOW }, NOW), true, "issued in the same second");
  assert.equal(known.includes({ ...ann, issuedAt: NOW + 1 }, NOW), false);
  assert.equal(known.includes({ user: "ann" }, NOW), true, "a token without iat may be old");
  assert.equal(known.includes({ ...ann, user: "bob" }, NOW), false);
});

test("a revoked token is refused, and other tokens of its user are accepted", () => {
  const known = new Revocations();
  known.add([{ revoked: { jti: "t1" }, issuedUpTo: 0, until: Number.POSITIVE_INFINITY }]);
  assert.equal(known.includes(ann, NOW), true);
  assert.equal(known.includes({ ...ann, tokenId: "t2" }, NOW), false);
  assert.equal(known.includes({ user: "ann" }, NOW), false);
});

test("a revocation ends with its time, and is forgotten then", () => {
  const known = new Revocations();
  known.add([
    { revoked: { user: "ann" }, issuedUpTo: NOW, until: NOW + 60 },
    { revoked: { jti: "t9" }, issuedUpTo: NOW, until: NOW + 90 },
  ]);
  assert.equal(known.includes(ann, NOW + 59), true);
  assert.equal(known.includes(ann, NOW + 60), false);
  known.sweep(NOW + 60);
  assert.deepEqual(
    known.all().map(({ revoked }) => revoked),
    [{ jti: "t9" }],
  );
  assert.equal(known.size, 1);
});
