import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Admission, type Applicant, closed } from "./admission.ts";

const LIMITS = { maxConnections: 100, maxPerUser: 3, maxPerIpPerSecond: 0 };
const anyone: Applicant = { user: undefined, ip: "10.0.0.1" };
const fill = (admission: Admission, count: number) => {
  for (let i = 0; i < count; i++) assert.equal(admission.take(anyone, 1), undefined);
};

test("a user gets three connections; the next one is refused with 429 until a seat is free again", () => {
  const admission = new Admission(LIMITS);
  const ann = { user: "ann", ip: "10.0.0.1" };
  for (let i = 0; i < 3; i++) assert.equal(admission.take(ann, 1), undefined);
  const refusal = admission.take(ann, 1);
  assert.equal(refusal?.status, 429);
  assert.equal(refusal.reason, "per_user");
  assert.ok((refusal.retryAfter ?? 0) > 0);
  assert.equal(admission.take({ user: "bob", ip: ann.ip }, 1), undefined);
  for (const left of [1, 2, 3]) {
    for (let i = 0; i < left; i++) admission.free(ann);
    for (let i = 0; i < left; i++) assert.equal(admission.take(ann, 1), undefined);
    assert.equal(admission.take(ann, 1)?.reason, "per_user", `after ${left} left and came back`);
  }
});

test("an address may connect this many times a second, and again in the next second", () => {
  const admission = new Admission({ ...LIMITS, maxPerIpPerSecond: 2 });
  const from = (ip: string, second: number) => admission.take({ user: undefined, ip }, second)?.reason;
  assert.deepEqual(
    [from("a", 7), from("a", 7), from("a", 7), from("b", 7)],
    [undefined, undefined, "per_ip", undefined],
  );
  assert.deepEqual([from("a", 8), from("a", 8), from("a", 8)], [undefined, undefined, "per_ip"]);
  assert.equal(admission.take({ user: undefined, ip: "a" }, 8)?.status, 429);
});

test("a full gateway refuses with 503 and is open again only when some seats are free", () => {
  const admission = new Admission(LIMITS);
  fill(admission, 100);
  assert.equal(admission.closure, "connections");
  const refusal = admission.take(anyone, 1);
  assert.equal(refusal?.status, 503);
  assert.ok((refusal.retryAfter ?? 0) > 0);
  admission.free(anyone);
  assert.equal(admission.closure, "connections", "with one free seat it still counts as full");
  assert.equal(admission.take(anyone, 1), undefined, "but a client that comes gets the seat");
  for (let i = 0; i < 5; i++) admission.free(anyone);
  assert.equal(admission.closure, undefined);
  fill(admission, 4);
  assert.equal(
    admission.closure,
    undefined,
    "hysteresis: only a gateway without free seats counts as full again",
  );
});

test("a gateway with a single seat is open again when the seat is free", () => {
  const admission = new Admission({ ...LIMITS, maxConnections: 1 });
  fill(admission, 1);
  assert.equal(admission.closure, "connections");
  admission.free(anyone);
  assert.equal(admission.closure, undefined);
});

test("overload and drain refuse all clients with their reason until they end", () => {
  const admission = new Admission(LIMITS);
  for (const closure of ["cpu", "memory", "draining"] as const) {
    admission.setClosure(closure, true);
    assert.equal(admission.closure, closure);
    assert.deepEqual(admission.take(anyone, 1), closed(closure));
    admission.setClosure(closure, false);
    assert.equal(admission.closure, undefined);
  }
  admission.setClosure("cpu", true);
  admission.setClosure("draining", true);
  assert.equal(admission.closure, "draining", "the closure that does not end comes first");
  assert.equal(admission.connections, 0);
});

test("in any sequence no limit is exceeded, no refusal is wrong and no count is left over", () => {
  const limits = fc.record({
    maxConnections: fc.integer({ min: 1, max: 8 }),
    maxPerUser: fc.integer({ min: 0, max: 3 }),
    maxPerIpPerSecond: fc.integer({ min: 0, max: 3 }),
  });
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        user: fc.constantFrom(undefined, "a", "b", "c"),
        ip: fc.constantFrom("x", "y"),
      }),
    },
    { weight: 4, arbitrary: fc.record({ leaves: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ seconds: fc.integer({ min: 1, max: 3 }) }) },
  );
  fc.assert(
    fc.property(limits, fc.array(step, { maxLength: 80 }), (limit, steps) => {
      const admission = new Admission(limit);
      const seated: Applicant[] = [];
      const attempts = new Map<string, number>();
      let second = 1;
      for (const one of steps) {
        if ("seconds" in one) {
          second += one.seconds;
          attempts.clear();
        } else if ("leaves" in one) {
          const [gone] = seated.splice(one.leaves % Math.max(1, seated.length), 1);
          if (gone !== undefined) admission.free(gone);
        } else {
          const ofUser = seated.filter(({ user }) => user === one.user).length;
          const full = seated.length >= limit.maxConnections;
          const fromIp = (attempts.get(one.ip) ?? 0) + (full ? 0 : 1);
          attempts.set(one.ip, fromIp);
          const expected = full
            ? "connections"
            : limit.maxPerIpPerSecond > 0 && fromIp > limit.maxPerIpPerSecond
              ? "per_ip"
              : one.user !== undefined && limit.maxPerUser > 0 && ofUser >= limit.maxPerUser
                ? "per_user"
                : undefined;
          assert.equal(admission.take(one, second)?.reason, expected);
          if (expected === undefined) seated.push(one);
        }
        assert.equal(admission.connections, seated.length);
      }
      for (const applicant of seated) admission.free(applicant);
      assert.equal(admission.connections, 0);
      // Clients that left no longer count.
      for (let i = 0; i < (limit.maxPerUser || 1); i++) {
        if (admission.connections < limit.maxConnections) {
          assert.equal(admission.take({ user: "a", ip: `new-${i}` }, second + 10), undefined);
        }
      }
    }),
  );
});
