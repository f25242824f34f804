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

test("prod in two regions accepts the keys of every place at once, and has the names that the README gives", async () => {
  const keys = ways.map(({ set }) => keysIn(set));
  const ranges = keys.flatMap(({ publisherRanges = "[]" }) => JSON.parse(publisherRanges) as string[]);
  assert.ok(ways.some(({ set }) => /`outside: true` for the publisher/.test(set)));
  const { all, result } = await recordWith("prod", {
    ...TWO_REGIONS,
    ...Object.assign({}, ...keys),
    // "its subnets": the README leaves the range to the reader.
    publisherRanges: JSON.stringify([...ranges, "10.128.0.0/20"]),
    publishers: publishers.replace('"market":{', '"market":{"outside":true,'),
  });
  const named = (type: string) => all(type).map(({ inputs }) => inputs.name ?? inputs.secretId);
  const [network] = named(NETWORK);
  assert.equal(network, "odin-prod-network");
  const does = ways.map((way) => way.does).join("\n");
  const mentioned = (pattern: RegExp) => [...section.matchAll(pattern)].map(([, name = ""]) => name);
  const secrets = [...mentioned(/(odin-prod-[\w-]+):latest/g), ...mentioned(/--secret (odin-prod-\S+)/g)];
  assert.ok(secrets.length >= 4);
  for (const secret of secrets) assert.ok(named(SECRET).includes(secret), `${secret} in ${named(SECRET)}`);
  for (const subnet of mentioned(/--subnet (\S+)/g)) assert.ok(named(SUBNET).includes(subnet), subnet);
  for (const name of mentioned(/--(?:peer-)?network (odin-[\w-]+)/g)) assert.equal(name, network);
  assert.equal(all(PEERING).length, 1);
  assert.match(does, /--peer-network odin-prod-network/);
  const open = JSON.stringify(all(FIREWALL).map(({ inputs }) => inputs.sourceRanges));
  for (const range of ["10.10.0.0/20", "10.128.0.0/20", "203.0.113.7/32"])
    assert.ok(open.includes(range), `${range} in ${open}`);
  const outputs = [...mentioned(/pulumi stack output (\w+)/g), ...mentioned(/output `(\w+)`/g)];
  assert.ok(outputs.length >= 6, `${outputs}`);
  for (const name of outputs)
    assert.ok(name in (result as object), `${name} in ${Object.keys(result as object)}`);
  const member = "serviceAccount:market@my-backend.iam.gserviceaccount.com";
  const readers = all("gcp:secretmanager/secretIamMember:SecretIamMember").filter(
    ({ inputs }) => inputs.member === member,
  );
  assert.deepEqual(
    readers.map(({ inputs }) => inputs.role),
    ["roles/secretmanager.secretAccessor", "roles/secretmanager.secretAccessor"],
    "the reader may read the secret with the login, and the one with the CA",
  );
});
