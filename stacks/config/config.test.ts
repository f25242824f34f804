import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigError, parseConfig, type RawConfig } from "./config.ts";
import { defaults, project } from "./defaults.fixture.ts";
import { KEYS } from "./keys.ts";

/**
 * The configuration as the engine passes it to the program: the stack's values, and defaults of Pulumi.yaml
 * for the rest.
 */
function raw(values: Record<string, unknown> = {}, rest: Partial<RawConfig> = {}): RawConfig {
  return {
    values: defaults({ zones: ["us-central1-a", "us-central1-b"], ...values }),
    stack: "staging",
    project: "my-project",
    region: "us-central1",
    ...rest,
  };
}

const jwtSecret = "a secret of thirty-two characters";
const creds =
  "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\ny\n";

function mistakesOf(values: Record<string, unknown>, rest: Partial<RawConfig> = {}): readonly string[] {
  try {
    parseConfig(raw(values, rest));
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.mistakes;
  }
  return [];
}

test("the schema in Pulumi.yaml and the program know the same keys, and each is described and has a default", () => {
  const own = Object.entries(project.config).filter(([key]) => !key.includes(":"));
  assert.deepEqual(
    own.map(([key]) => key),
    Object.keys(KEYS),
  );
  for (const [key, row] of own) {
    assert.ok((row.description ?? "").length > 10, key);
    assert.notEqual(row.default, undefined, key);
  }
});

test("defaults, and values that follow from the stack's name", () => {
  const config = parseConfig(raw({ jwtSecret }));
  assert.equal(config.kind, "service");
  assert.deepEqual([config.minInstances, config.maxInstances, config.cpuTarget], [2, 5, 60]);
  assert.deepEqual([config.connectionsTarget, config.scaleInMinutes], [8000, 10]);
  assert.equal(config.machineType, "e2-standard-2");
  assert.deepEqual([config.serverImage, config.domain, config.gateway], [undefined, undefined, {}]);
  assert.deepEqual(config.site, {
    project: "my-project",
    region: "us-central1",
    prefix: "odin-staging",
    labels: { app: "odin-ws", stack: "staging" },
    production: false,
  });
  assert.equal(parseConfig(raw({ jwtSecret }, { stack: "prod-eu" })).site.production, true);
});

test("numbers and booleans of the gateway's map become their text", () => {
  const config = parseConfig(
    raw({ jwtSecret, gateway: { WS_DRAIN_SECONDS: 30, WS_COMPRESSION: false, JS_STREAM_MAX_AGE: "1m" } }),
  );
  assert.deepEqual(config.gateway, {
    WS_DRAIN_SECONDS: "30",
    WS_COMPRESSION: "false",
    JS_STREAM_MAX_AGE: "1m",
  });
});

describe("mistakes name the key, the value and what is allowed", () => {
  const digest = "0".repeat(64);
  const cases: [string, Record<string, unknown>, RegExp, Partial<RawConfig>?][] = [
    ["unknown key", { maxInstance: 8 }, /^maxInstance is not a key \(did you mean maxInstances\?\)/],
    [
      "unknown key, mistyped",
      { maxInstancs: 8 },
      /^maxInstancs is not a key \(did you mean maxInstances\?\)/,
    ],
    ["unknown key, unlike any other", { colour: "red" }, /^colour is not a key: remove it/],
    ["min > max", { minInstances: 6 }, /^minInstances is 6: at most maxInstances, which is 5/],
    ["min < 1", { minInstances: 0 }, /^minInstances is 0: allowed is a whole number from 1 to 100/],
    ["not a number", { maxInstances: "many" }, /^maxInstances is many: allowed is a whole number/],
    ["cpu target", { cpuTarget: 95 }, /^cpuTarget is 95: allowed is a whole number from 10 to 90/],
    ["cpu target as a fraction", { cpuTarget: 0.6 }, /^cpuTarget is 0\.6: allowed is a whole number from 10/],
    [
      "connections target above the limit",
      { connectionsTarget: 12000 },
      /^connectionsTarget is 12000: at most WS_MAX_CONNECTIONS, which is 10000/,
    ],
    ["scale-in", { scaleInMinutes: 61 }, /^scaleInMinutes is 61: allowed is .* from 1 to 60/],
    [
      "zone of another region",
      { zones: ["europe-west1-b"] },
      /^zones\[0\] is europe-west1-b: it must be a zone of region us-central1/,
    ],
    [
      "no zone",
      { zones: [] },
      /^zones is empty: it must name at least one zone of region us-central1, pulumi config set/,
    ],
    [
      "monitoring in another region",
      { monitoringZone: "europe-west1-b" },
      /^monitoringZone is europe-west1-b: it must be a zone of region us-central1/,
    ],
    [
      "monitoring in no zone",
      { monitoringZone: "b" },
      /^monitoringZone is b: allowed is a zone, for example/,
    ],
    ["zone twice", { zones: ["us-central1-a", "us-central1-a"] }, /^zones is .*each once/],
    ["not a zone", { zones: ["us-central1"] }, /^zones is \["us-central1"\]: allowed is a list of zones/],
    ["image by tag", { serverImage: "r.example/p/gateway:v1" }, /^serverImage is r\.example.*by digest/],
    ["another word than build", { serverImage: "latest" }, /^serverImage is latest: allowed is build, or an/],
    ["image by short digest", { serverImage: "r.example/p/g@sha256:00" }, /^serverImage is /],
    [
      "machine of another architecture",
      { machineType: "t2a-standard-2" },
      /^machineType is t2a-standard-2: allowed is a machine type of x86/,
    ],
    ["COS family", { cosImage: "cos-stable" }, /^cosImage is cos-stable: allowed is an exact image/],
    ["nats", { nats: "kafka" }, /^nats is kafka: allowed is one of synadia, single, cluster/],
    ["credentials", { nats: "synadia" }, /^natsCredentials is missing: nats synadia needs it/],
    ["url without synadia", { natsUrl: "tls://n.example:4222" }, /^natsUrl is .*: only with nats synadia/],
    [
      "password in the url",
      { nats: "synadia", natsCredentials: creds, natsUrl: "tls://u:p@h:1" },
      /^natsUrl is /,
    ],
    ["cluster with two zones", { nats: "cluster" }, /^zones is .*: nats cluster needs three/],
    ["origin with a path", { allowedOrigins: ["https://a.example/x"] }, /^allowedOrigins is /],
    ["origin with a wildcard", { allowedOrigins: ["https://*.a.example"] }, /^allowedOrigins is /],
    ["origin in capitals", { allowedOrigins: ["https://A.example"] }, /^allowedOrigins is /],
    ["origin with the default port", { allowedOrigins: ["https://a.example:443"] }, /^allowedOrigins is /],
    ["zone without domain", { dnsZone: "example-com" }, /^dnsZone is example-com: .* key domain/],
    ["domain", { domain: "https://live.example.com" }, /^domain is .*: allowed is a host name/],
    ["budget", { monthlyBudget: -1 }, /^monthlyBudget is -1/],
    ["pager's key", { alertPagerduty: "hunter2" }, /^alertPagerduty is not right: .*Events API v2/],
    ["Slack without https", { alertSlack: "hunter2" }, /^alertSlack is not right: .*incoming webhook/],
    [
      "runbook, a path",
      { runbookUrl: "docs/runbook.md" },
      /^runbookUrl is docs\/runbook\.md: allowed is an https/,
    ],
    [
      "runbook, one section of it",
      { runbookUrl: "https://example.com/runbook.md#nats" },
      /^runbookUrl is .*without #/,
    ],
    [
      "memory that the machine does not have",
      { machineType: "e2-medium", gateway: { WS_MEMORY_LIMIT: 4_000_000_000 } },
      /^gateway\.WS_MEMORY_LIMIT is 4000000000: at most 3\d{9} with machineType e2-medium/,
    ],
    [
      "machine that is not known",
      { machineType: "x9-standard-2", gateway: { WS_CPU_LIMIT: 1.9 } },
      /^machineType is x9-standard-2, which is not in .*: set gateway\.WS_MEMORY_LIMIT, gateway\.WS_MAX_CONNECTIONS \(/,
    ],
    [
      "more connections than the memory holds",
      { gateway: { WS_MAX_CONNECTIONS: 150_000, WS_MEMORY_LIMIT: 2_000_000_000 } },
      /^gateway\.WS_MAX_CONNECTIONS is 150000: 150000 connections in 2 processes need \d{4} MiB, .* to at most \d{5}, or/,
    ],
    [
      "a machine without memory for the processes",
      { machineType: "e2-micro" },
      /^machineType is e2-micro: 1250 connections in 2 processes need .*: choose a machine with more memory/,
    ],
    [
      "more connections than files",
      { machineType: "e2-standard-16", gateway: { WS_MAX_CONNECTIONS: 250_000 } },
      /^gateway\.WS_MAX_CONNECTIONS is 250000: at most 197600, because each process .* 200000 files/,
    ],
    [
      "more cores than the machine has",
      { gateway: { WS_CPU_LIMIT: 3.9 } },
      /^gateway\.WS_CPU_LIMIT is 3\.9: at most 2, the cores of machineType e2-standard-2/,
    ],
    [
      "a gateway that refuses before the autoscaler adds one",
      { cpuTarget: 75 },
      /^cpuTarget is 75: below 71 with machineType e2-standard-2, because a gateway refuses clients above 75 %/,
    ],
    [
      "few connections for the autoscaler",
      { connectionsTarget: 50 },
      /^connectionsTarget is 50: allowed is a whole number from 100 to 1000000, or 0 for 80 %/,
    ],
    [
      "connections target above the limit of a machine",
      { machineType: "e2-standard-4", connectionsTarget: 21_000 },
      /^connectionsTarget is 21000: at most WS_MAX_CONNECTIONS, which is 20000/,
    ],
    ["gateway is no map", { gateway: ["a"] }, /^gateway is \["a"\]: allowed is a map/],
    [
      "gateway, unknown",
      { gateway: { WS_MAX_CONNECTION: 1 } },
      /^gateway\.WS_MAX_CONNECTION is not a setting/,
    ],
    ["gateway, wrong value", { gateway: { WS_PING_SECONDS: "often" } }, /^gateway\.WS_PING_SECONDS /],
    [
      "gateway, set elsewhere",
      { gateway: { NATS_URL: "nats://h:4222" } },
      /^gateway\.NATS_URL cannot be set here/,
    ],
    [
      "gateway, replicas on our own NATS",
      { gateway: { JS_REPLICAS: 3 } },
      /^gateway\.JS_REPLICAS cannot be set here: its value follows from nats/,
    ],
    [
      "gateway, too many replicas with Synadia",
      { nats: "synadia", natsCredentials: creds, gateway: { JS_REPLICAS: 9 } },
      /^gateway\.JS_REPLICAS must be a whole number from 1 to 5/,
    ],
    ["gateway, path", { gateway: { WS_PATH: "/x" } }, /^gateway\.WS_PATH cannot be set here/],
    ["gateway, metric", { gateway: { GCP_METRICS: "off" } }, /^gateway\.GCP_METRICS cannot be set here/],
    ["gateway, source", { gateway: { SOURCE: "simulator" } }, /^gateway\.SOURCE cannot be set here/],
    ["slow pings", { gateway: { WS_PING_SECONDS: 31 } }, /^gateway\.WS_PING_SECONDS is 31: at most 30/],
    ["long drain", { gateway: { WS_DRAIN_SECONDS: 101 } }, /^gateway\.WS_DRAIN_SECONDS is 101: at most 100,/],
    [
      "long drain on spot",
      { spot: true, gateway: { WS_DRAIN_SECONDS: 21 } },
      /^gateway\.WS_DRAIN_SECONDS is 21: at most 20 with spot/,
    ],
    [
      "stack name",
      {},
      /^the stack is called Production_EU: allowed are at most 13/,
      { stack: "Production_EU" },
    ],
    ["no project", {}, /^gcp:project is missing/, { project: undefined }],
    ["no region", {}, /^gcp:region is missing/, { region: undefined }],
    [
      "previous secret in the gateway's map",
      { gateway: { JWT_SECRET_PREVIOUS: "hunter2" } },
      /^gateway\.JWT_SECRET_PREVIOUS cannot be set here: .*jwtSecretPrevious/,
    ],
    [
      "previous secret alone",
      { jwtSecret: "", jwtSecretPrevious: "hunter2", gateway: { JWKS_URL: "https://id.example/keys" } },
      /^jwtSecretPrevious has no use without jwtSecret/,
    ],
    ["secret with its line end", { jwtSecret: "hunter2\n" }, /^jwtSecret is not right: .*white space/],
    [
      "prod with one zone",
      { zones: ["us-central1-a"] },
      /^zones is \[us-central1-a\]: prod needs/,
      { stack: "prod" },
    ],
    [
      "prod with one gateway",
      { minInstances: 1 },
      /^minInstances is 1: prod needs at least 2/,
      { stack: "prod" },
    ],
    ["prod on spot", { spot: true }, /^spot is true: not allowed in prod/, { stack: "prod" }],
    [
      "prod without auth",
      { gateway: { AUTH_MODE: "none" } },
      /^gateway\.AUTH_MODE is none: not allowed in prod/,
      { stack: "prod" },
    ],
  ];
  for (const [name, values, expected, rest] of cases) {
    test(name, () => {
      const mistakes = mistakesOf(
        { jwtSecret, serverImage: `r.example/g@sha256:${digest}`, ...values },
        rest,
      );
      assert.equal(mistakes.length, 1, mistakes.join("\n"));
      assert.match(mistakes[0] ?? "", expected);
      assert.doesNotMatch(mistakes[0] ?? "", /hunter2|thirty-two/, "secrets are not shown");
    });
  }
});

test("a missing key for tokens is reported once, with the command", () => {
  for (const stack of ["staging", "prod"]) {
    const mistakes = mistakesOf({}, { stack });
    assert.equal(mistakes.length, 1, mistakes.join("\n"));
    assert.match(mistakes[0] ?? "", /^jwtSecret is missing: .*pulumi config set --secret jwtSecret --stack/);
  }
  assert.deepEqual(mistakesOf({ gateway: { JWKS_URL: "https://id.example/keys" } }), []);
  assert.deepEqual(mistakesOf({ gateway: { AUTH_MODE: "none" } }), []);
});

test("a smaller or an unknown machine is allowed with its own limits", () => {
  const gateway = { WS_MEMORY_LIMIT: 3_000_000_000 };
  assert.deepEqual(mistakesOf({ jwtSecret, machineType: "e2-medium", gateway }), []);
  const all = { ...gateway, WS_CPU_LIMIT: 1.9, WS_MAX_CONNECTIONS: 10_000 };
  assert.deepEqual(mistakesOf({ jwtSecret, machineType: "x9-standard-2", gateway: all }), []);
  for (const machineType of ["e2-small", "e2-standard-4", "n2-highcpu-8"])
    assert.deepEqual(mistakesOf({ jwtSecret, machineType }), []);
});

test("the autoscaler's target follows from the machine type and from WS_MAX_CONNECTIONS", () => {
  const target = (values: object) => parseConfig(raw({ jwtSecret, ...values })).connectionsTarget;
  assert.equal(target({ machineType: "e2-standard-4" }), 16_000);
  assert.equal(target({ gateway: { WS_MAX_CONNECTIONS: 5000 } }), 4000);
  assert.equal(target({ machineType: "e2-standard-4", connectionsTarget: 7000 }), 7000);
});

test("runbookUrl is read, and undefined without a value", () => {
  const runbookUrl = "https://github.com/o/r/blob/main/docs/runbook.md";
  assert.equal(parseConfig(raw({ jwtSecret, runbookUrl })).runbookUrl, runbookUrl);
  assert.equal(parseConfig(raw({ jwtSecret })).runbookUrl, undefined);
});

test("a capacity test refuses keys that it does not use, and needs AUTH_MODE none", () => {
  const kind = "capacity-test";
  const open = { AUTH_MODE: "none" };
  assert.deepEqual(mistakesOf({ kind, gateway: open }), []);
  const idle = {
    jwtSecret,
    domain: "live.example.com",
    alertEmail: "ops@example.com",
    alertPagerduty: "0123456789abcdef0123456789abcdef",
    alertSlack: "https://hooks.slack.com/services/T/B/C",
  };
  const mistakes = mistakesOf({ kind, gateway: open, ...idle });
  assert.deepEqual(
    mistakes.map((line) => line.split(":")[0]),
    ["jwtSecret is set", "domain is set", "alertEmail is set", "alertPagerduty is set", "alertSlack is set"],
  );
  assert.match(mistakesOf({ kind }).join("\n"), /^gateway\.AUTH_MODE is missing: a capacity test needs none/);
});

test("all mistakes are reported at once", () => {
  const mistakes = mistakesOf(
    { minInstances: 9, cpuTarget: 200, zones: ["asia-east1-a"], nats: "synadia", size: 3 },
    { stack: "prod", project: undefined },
  );
  const reported = mistakes.map((line) => line.split(" ")[0]);
  for (const key of ["gcp:project", "size", "cpuTarget", "minInstances", "natsCredentials", "jwtSecret"])
    assert.ok(reported.includes(key), `${key} in\n${mistakes.join("\n")}`);
  assert.deepEqual(
    reported.filter((key) => key?.startsWith("zones")),
    ["zones[0]", "zones"],
  );
});
