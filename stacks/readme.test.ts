/** What README's "Publish from your backend" gives as keys, outputs and names, compared with the program. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { repositoryFolder } from "./preview/record-stack.ts";
import { recordWith } from "./recorded.fixture.ts";
import { TWO_REGIONS } from "./regions.fixture.ts";

const readme = readFileSync(join(repositoryFolder, "README.md"), "utf8");
const [, behind = ""] = readme.split("### Publish from your backend\n");
const section = behind.split(/^### /m)[0] ?? "";
const [, yaml = ""] = /^```yaml\n([\s\S]*?)^```/m.exec(section) ?? [];
const publishers = JSON.stringify(parse(yaml)["odin-ws:publishers"]);
/** The ways to NATS, by where the backend runs: place, what to set, what the owner of the backend does. */
const ways = [...section.matchAll(/^\| ((?!backend |---).+?) \| (.+?) \| (.+) \|$/gm)].map(
  ([, place = "", set = "", does = ""]) => ({ place, set, does }),
);
/** `key: [values]` in code as the value of a key. */
const keysIn = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/`(\w+): (\[.*?\])`/g)].map(([, key = "", list = ""]) => [
      key,
      JSON.stringify(parse(list)),
    ]),
  );

const SECRET = "gcp:secretmanager/secret:Secret";
const NETWORK = "gcp:compute/network:Network";
const SUBNET = "gcp:compute/subnetwork:Subnetwork";
const PEERING = "gcp:compute/networkPeering:NetworkPeering";
const FIREWALL = "gcp:compute/firewall:Firewall";

test("the README names four places of a backend", () => {
  assert.deepEqual(
    ways.map(({ place }) => place.split(" ")[0]),
    ["VM", "Cloud", "VM,", "outside"],
  );
});

for (const { place, set, does } of ways)
  test(`prod accepts the keys for a backend: ${place}`, async () => {
    const outside = /`outside: true`/.test(set);
    const named = outside ? publishers.replace('"market":{', '"market":{"outside":true,') : publishers;
    const ranges = keysIn(set);
    // The README leaves these to the reader: "its subnets".
    const subnets = { ...(/its subnets/.test(set) && { publisherRanges: '["10.128.0.0/20"]' }) };
    const values = { publishers: named, ...subnets, ...ranges };
    const { resources, all, one, result } = await recordWith("prod", values);
    assert.equal(one(NETWORK).inputs.name, "odin-prod-network");
    const secrets = all(SECRET).map(({ inputs }) => inputs.secretId);
    for (const [, secret = ""] of does.matchAll(/(odin-prod-[\w-]+):latest/g))
      assert.ok(secrets.includes(secret), `${secret} in ${secrets}`);
    for (const [, subnet] of does.matchAll(/--subnet (\S+)/g))
      assert.ok(
        all(SUBNET).some(({ inputs }) => inputs.name === subnet),
        subnet,
      );
    for (const [, network] of does.matchAll(/--(?:peer-)?network (odin-\S+)/g))
      assert.equal(network?.replace(/`.*/, ""), one(NETWORK).inputs.name);
    assert.equal(all(PEERING).length, "publisherNetworks" in ranges ? 1 : 0);
    const open = JSON.stringify(all(FIREWALL).map(({ inputs }) => inputs.sourceRanges));
    for (const key of ["publisherRanges", "natsPublicRanges"] as const)
      for (const range of JSON.parse(values[key as keyof typeof values] ?? "[]") as string[])
        assert.ok(open.includes(range), `${range} in ${open}`);
    assert.equal("natsPublicAddress" in (result as object), outside, "the output of the public address");
    assert.ok(resources.length > 50);
  });

test("the README names outputs and secrets that the program has", async () => {
  const { all, result } = await recordWith("prod", { publishers });
  const several = await recordWith("prod", {
    ...TWO_REGIONS,
    publishers,
    natsPublicRanges: '["203.0.113.7/32"]',
  });
  const outputs = new Set([...Object.keys(result as object), ...Object.keys(several.result as object)]);
  const named = [
    ...[...section.matchAll(/pulumi stack output (\w+)/g)].map(([, name]) => name),
    ...[...section.matchAll(/output `(\w+)`/g)].map(([, name]) => name),
  ];
  assert.ok(named.length >= 6, `${named}`);
  for (const name of named) assert.ok(outputs.has(name ?? ""), `${name} in ${[...outputs]}`);
  const secrets = all(SECRET).map(({ inputs }) => inputs.secretId);
  for (const [, secret = ""] of section.matchAll(/--secret (odin-prod-\S+)/g))
    assert.ok(secrets.includes(secret), `${secret} in ${secrets}`);
  const readers = all("gcp:secretmanager/secretIamMember:SecretIamMember").filter(
    ({ inputs }) => inputs.member === "serviceAccount:market@my-backend.iam.gserviceaccount.com",
  );
  assert.deepEqual(
    readers.map(({ inputs }) => inputs.role),
    ["roles/secretmanager.secretAccessor", "roles/secretmanager.secretAccessor"],
    "the reader may read the secret and the CA",
  );
});
