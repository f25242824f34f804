import assert from "node:assert/strict";
import { test } from "node:test";
import { publisherMistakes } from "./publisher-mistakes.ts";
import { publishers } from "./publishers.ts";

const read = (value: unknown) => publishers(JSON.stringify(value));
const DEFAULTS = { subjects: ["odin.>"], logins: [1], readers: [], outside: false };

test("a publisher may publish everything with one login, unless its fields say otherwise", () => {
  assert.deepEqual(read({}), {});
  assert.deepEqual(read({ market: {} }), { market: DEFAULTS });
  const own = {
    subjects: ["odin.token.*.trade", "odin.global.trending", "odin.token.BTC.>"],
    logins: [1, 2],
    readers: ["serviceAccount:run@backend.iam.gserviceaccount.com", "principalSet://iam.googleapis.com/x/y"],
    outside: true,
  };
  assert.deepEqual(read({ "market-data": own }), { "market-data": own });
});

for (const [name, value, reason] of [
  ["a list", ["market"], /a map of publishers by name/],
  ["the gateways' user", { gateway: {} }, /names of lower-case .* not gateway$/],
  ["a name like a second login", { "market-2": {} }, /do not end with a dash and a number, not market-2$/],
  ["capitals", { Market: {} }, /not Market$/],
  [
    "an unknown field",
    { market: { subject: ["odin.>"] } },
    /subjects, logins, readers and outside, and market .*"subject"/,
  ],
  [
    "a subject of others",
    { market: { subjects: ["$JS.API.>"] } },
    /market\.subjects has a subject that does/,
  ],
  ["a subject with a space", { market: { subjects: ["odin.token.a b"] } }, /market\.subjects has a subject/],
  ["a tail in the middle", { market: { subjects: ["odin.>.trade"] } }, /market\.subjects has a subject/],
  ["a quote", { market: { subjects: ['odin."x'] } }, /market\.subjects has a subject/],
  ["no subject", { market: { subjects: [] } }, /market\.subjects is empty$/],
  ["no login", { market: { logins: [] } }, /market\.logins is empty$/],
  ["the same login twice", { market: { logins: [2, 2] } }, /market\.logins has a number twice$/],
  ["a login without a number", { market: { logins: ["a"] } }, /market\.logins must have whole numbers$/],
  ["a reader without its kind", { market: { readers: ["a@b.c"] } }, /market\.readers must have IAM members/],
] as const)
  test(`${name} is refused`, () => {
    assert.throws(() => read(value), reason);
  });

const own = { kind: "service", nats: "single", networkRange: "10.10.0.0/20" } as const;

test("keys of publishers need NATS servers of the stack", () => {
  const publisherRanges = ["10.30.0.0/16"];
  assert.deepEqual(publisherMistakes({ ...own, publisherRanges }), []);
  for (const other of [{ nats: "synadia" }, { kind: "capacity-test" }] as const)
    assert.deepEqual(
      publisherMistakes({ ...own, publishers: {}, publisherRanges, ...other }).map((text) =>
        text.replace(/:.*/, ""),
      ),
      ["publisherRanges is set"],
    );
});

test("a publisher outside needs public ranges, and public ranges are not internal", () => {
  const publishers = { market: { ...DEFAULTS, outside: true } };
  assert.match(
    String(publisherMistakes({ ...own, publishers })),
    /^publishers\.market\.outside is true: NATS has no/,
  );
  assert.deepEqual(publisherMistakes({ ...own, publishers, natsPublicRanges: ["203.0.113.0/24"] }), []);
  assert.match(
    String(publisherMistakes({ ...own, natsPublicRanges: ["172.16.0.0/11", "203.0.113.0/24"] })),
    /^natsPublicRanges has 172\.16\.0\.0\/11, which is internal: use publisherRanges$/,
  );
});

test("ranges of a peered network must not overlap the stack's range", () => {
  const publisherNetworks = ["projects/my-backend/global/networks/default"];
  for (const range of ["10.10.0.0/20", "10.0.0.0/8", "10.10.15.255/32"]) {
    const peered = { ...own, publisherNetworks, publisherRanges: [range] };
    assert.match(
      String(publisherMistakes(peered)),
      /^publisherRanges has .*, which overlaps networkRange/,
      range,
    );
    // Without a peering it is Cloud Run in the stack's own network.
    assert.deepEqual(publisherMistakes({ ...own, publisherRanges: [range] }), [], range);
  }
  const both = (...publisherRanges: string[]) =>
    publisherMistakes({ ...own, publisherNetworks, publisherRanges });
  assert.deepEqual(both("10.10.16.0/20"), []);
  // Backends in the stack's own network and in the peered network.
  assert.deepEqual(both("10.10.0.0/20", "10.128.0.0/20"), []);
  assert.equal(both("10.10.0.0/21", "10.128.0.0/20").length, 1);
});
