import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { recordWith } from "../recorded.fixture.ts";
import { cloudIdOf, IDS, kindOf } from "./cloud-ids.ts";

/** The forms of ids in the section "Import" of the SDK's documentation, with inputs in braces. */
function documented(type: string): string[] {
  const [, module = "", name = ""] = type.split(":");
  const file = name.replace(/^[A-Z]+/, (capitals) => capitals.toLowerCase());
  const path = import.meta
    .resolve("@pulumi/gcp")
    .replace(/index\.js$/, `${module.split("/")[0]}/${file}.d.ts`);
  const [, section = ""] = readFileSync(fileURLToPath(path), "utf8").split("## Import");
  const camel = (text: string) => text.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  return [...section.matchAll(/^ \* +\* `(.+)`$/gm)].map(([, form = ""]) =>
    form.replaceAll(/\{\{(\w+)\}\}/g, (_, input: string) => `{${camel(input)}}`),
  );
}

/** Forms that the documentation does not have, and why they are right. */
const UNDOCUMENTED: Record<string, string> = {
  "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager":
    "the documentation names only the short form; the provider makes this one of it",
  "gcp:dns/recordSet:RecordSet": "the documentation calls the input managedZone 'zone'",
  "gcp:storage/bucket:Bucket": "the documentation has no section; the provider sets the name",
};

test("ids have a form that the provider's documentation has", () => {
  const strange = Object.entries(IDS).filter(([type, form]) => !documented(type).includes(form));
  assert.deepEqual(strange.map(([type]) => type).sort(), Object.keys(UNDOCUMENTED).sort());
});

test("every resource of every stack can be judged after its creation was cut short", async () => {
  const prod = {
    domain: "live.example.com",
    dnsZone: "example-com",
    alertEmail: "ops@example.com",
    monthlyBudget: "400",
  };
  for (const recording of [
    await recordWith("prod", prod),
    await recordWith("staging"),
    await recordWith("capacity"),
  ])
    for (const { type, name, inputs } of recording.resources) {
      if (/^(odin-ws|pulumi):/.test(type)) continue;
      assert.notEqual(kindOf(type), "unknown", `${type}: add a row to stacks/recover/cloud-ids.ts`);
      if (kindOf(type) === "found by id") assert.ok(cloudIdOf(type, { name, ...inputs }), `${type} ${name}`);
    }
});

test("an id needs all its inputs", () => {
  const type = "gcp:compute/disk:Disk";
  assert.equal(cloudIdOf(type, { project: "p", zone: "z", name: "d" }), "projects/p/zones/z/disks/d");
  assert.equal(cloudIdOf(type, { project: "p", name: "d" }), undefined);
  assert.equal(cloudIdOf("gcp:monitoring/alertPolicy:AlertPolicy", { project: "p" }), undefined);
});
