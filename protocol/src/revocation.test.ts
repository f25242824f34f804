import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRevocation, revocationSubject } from "./revocation.ts";

test("the subject of a revocation is valid for every id, and differs for each id", () => {
  const ids = ["ann", "a.b", "a b", "*", ">", "ünï@example.com", "a/b+c?", "x".repeat(300)];
  const subjects = ids.flatMap((id) => [revocationSubject({ user: id }), revocationSubject({ jti: id })]);
  for (const subject of subjects) assert.match(subject, /^odin\.revoked\.(user|jti)\.[A-Za-z0-9_-]+$/);
  assert.equal(new Set(subjects).size, subjects.length);
  assert.equal(revocationSubject({ user: "ann" }), "odin.revoked.user.YW5u");
});

test("a revocation applies to tokens that were issued before it was stored, for its time to live", () => {
  for (const [ttl, seconds] of [
    ["90", 90],
    ["90s", 90],
    ["1h30m", 5400],
    ["never", Number.POSITIVE_INFINITY],
    ["", Number.POSITIVE_INFINITY],
    ["soon", Number.POSITIVE_INFINITY],
  ] as const)
    assert.deepEqual(parseRevocation('{"user":"ann"}', 1000, ttl), {
      revoked: { user: "ann" },
      issuedUpTo: 1000,
      until: 1000 + seconds,
    });
  assert.deepEqual(parseRevocation('{"jti":"t1","issued_up_to":900}', 1000, "60"), {
    revoked: { jti: "t1" },
    issuedUpTo: 900,
    until: 1060,
  });
});

test("a body that is not a revocation is not read as one", () => {
  for (const body of [
    "",
    "null",
    "7",
    "[]",
    "{}",
    '{"user":""}',
    '{"user":7}',
    '{"jti":"a","user":"b"}',
    '{"user":"a","issued_up_to":"x"}',
  ])
    assert.equal(parseRevocation(body, 1000), undefined, body);
});
