import assert from "node:assert/strict";
import { test } from "node:test";
import { schemaProblems } from "./check-schema.ts";

const problems = (type: string, inputs: Record<string, unknown>) =>
  schemaProblems([{ type, name: "it", custom: true, inputs }]).map((line) =>
    line.slice(`${type} it: `.length),
  );

const FIREWALL = "gcp:compute/firewall:Firewall";
const BUDGET = "gcp:billing/budget:Budget";

test("declared arguments pass, nested ones too", () => {
  const allows = [{ protocol: "tcp", ports: ["3004"] }];
  assert.deepEqual(problems(FIREWALL, { network: "n", allows, description: undefined, name: null }), []);
  assert.deepEqual(
    problems("command:local:Command", { triggers: [1, "a", {}], environment: { A: "b" } }),
    [],
  );
  assert.deepEqual(problems("gcp:compute/uRLMap:URLMap", { defaultService: "s" }), []);
  assert.deepEqual(
    problems("gcp:projects/iAMMember:IAMMember", { project: "p", role: "r", member: "m" }),
    [],
  );
});

test("an unknown argument is reported", () => {
  assert.deepEqual(problems(FIREWALL, { network: "n", sourceRange: ["x"] }), [
    "sourceRange is not an argument",
  ]);
  assert.deepEqual(
    problems(FIREWALL, { network: "n", allows: [{ protocol: "tcp" }, { protocol: "tcp", port: "1" }] }),
    ["allows[1].port is not an argument"],
  );
});

test("inputs of a provider, which are text, are checked", () => {
  const provider = "pulumi:providers:gcp";
  const right = { project: "123", userProjectOverride: "true", batching: '{"sendAfter":"3s"}' };
  assert.deepEqual(problems(provider, right), []);
  assert.deepEqual(problems(provider, { userProjectOverride: "3", batching: '{"after":"3s"}', quota: "x" }), [
    "userProjectOverride is the number 3 and must be a boolean",
    "batching.after is not an argument",
    "quota is not an argument",
  ]);
});

test("a missing argument is reported", () => {
  assert.deepEqual(problems(FIREWALL, {}), ["network is required and missing"]);
  assert.deepEqual(problems(FIREWALL, { network: "n", allows: [{ ports: ["1"] }] }), [
    "allows[0].protocol is required and missing",
  ]);
  assert.deepEqual(problems(FIREWALL, { network: undefined }), ["network is required and missing"]);
});

test("a deprecated argument and a deprecated type are reported", () => {
  const found = problems(FIREWALL, { network: "n", enableLogging: true });
  assert.equal(found.length, 1);
  assert.match(found[0] ?? "", /^enableLogging is deprecated: Deprecated in favor of log_config/);
  const nested = problems("gcp:bigtable/gCPolicy:GCPolicy", {
    instanceName: "i",
    table: "t",
    columnFamily: "c",
    maxAge: { days: 3 },
  });
  assert.deepEqual(nested, ["maxAge.days is deprecated: Deprecated in favor of duration"]);
  assert.match(
    problems("gcp:compute/mangedSslCertificate:MangedSslCertificate", {})[0] ?? "",
    /^is deprecated: /,
  );
});

test("a value of another type is reported", () => {
  assert.deepEqual(problems(FIREWALL, { network: 3 }), ["network is the number 3 and must be a string"]);
  assert.deepEqual(problems(FIREWALL, { network: "n", allows: { protocol: "tcp" } }), [
    "allows is an object and must be a list",
  ]);
  assert.deepEqual(problems(FIREWALL, { network: "n", sourceRanges: ["a", 1] }), [
    "sourceRanges[1] is the number 1 and must be a string",
  ]);
  assert.deepEqual(problems("gcp:compute/disk:Disk", { labels: { a: 1 } }), [
    "labels.a is the number 1 and must be a string",
  ]);
  assert.deepEqual(problems(BUDGET, { billingAccount: "b", amount: "5" }), [
    'amount is the string "5" and must be an object',
  ]);
});

test("a value that is not allowed is reported", () => {
  const address = "gcp:compute/address:Address";
  assert.deepEqual(problems(address, { addressType: "INTERNAL" }), []);
  assert.deepEqual(problems(address, { addressType: "PRIVATE" }), [
    'addressType is "PRIVATE" and must be one of INTERNAL, EXTERNAL',
  ]);
});

test("an unknown type is reported, and components are not checked", () => {
  assert.deepEqual(problems("gcp:compute/disk:Disc", {}), ["is of a type that no installed SDK has"]);
  const component = { type: "odin-ws:index:Network", name: "n", custom: false, inputs: { x: 1 } };
  assert.deepEqual(schemaProblems([component]), []);
});
