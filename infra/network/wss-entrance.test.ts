import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { LoadBalancer } from "./load-balancer.ts";
import { WssEntrance, type WssEntranceArgs } from "./wss-entrance.ts";

const GROUP = "https://www.googleapis.com/compute/v1/projects/p/regions/r/instanceGroups/g";
const LABELS = { app: "odin-ws", stack: "test", role: "wss-entrance" };
const ARGS: WssEntranceArgs = {
  site: testSite,
  domain: "live.example.com",
  address: "203.0.113.20",
  instanceGroup: GROUP,
  drainSeconds: 60,
  connectsPerMinutePerAddress: 120,
  pollsPerMinutePerAddress: 3600,
};

const entrance = (changes: Partial<WssEntranceArgs> = {}) =>
  record(() => new WssEntrance("wss", { ...ARGS, ...changes }));

test("the backend service keeps WebSockets for a day and is limited", async () => {
  const { one } = await entrance();
  const { securityPolicy, ...inputs } = one("gcp:compute/backendService:BackendService").inputs;
  assert.match(String(securityPolicy), /wss-policy/);
  assert.deepEqual(inputs, {
    project: "test-project",
    name: "odin-test-wss",
    description: "gateways for wss:// clients",
    loadBalancingScheme: "EXTERNAL_MANAGED",
    protocol: "HTTP",
    portName: "ws",
    healthChecks: "projects/test-project/global/healthChecks/odin-test-wss-health",
    sessionAffinity: "CLIENT_IP",
    localityLbPolicy: "MAGLEV",
    timeoutSec: 86_400,
    connectionDrainingTimeoutSec: 120,
    backends: [{ group: GROUP, balancingMode: "RATE", maxRatePerInstance: 1000 }],
    logConfig: { enable: false }, // a log would contain the clients' tokens
  });
});

test("both backend services drain for the same time and can share the group", async () => {
  const { one } = await record(() => {
    new LoadBalancer("ws", { site: testSite, instanceGroup: GROUP, drainSeconds: 45 });
    new WssEntrance("wss", { ...ARGS, drainSeconds: 45 });
  });
  const services = [
    one("gcp:compute/regionBackendService:RegionBackendService"),
    one("gcp:compute/backendService:BackendService"),
  ];
  assert.deepEqual(
    services.map(({ inputs }) => inputs.connectionDrainingTimeoutSec),
    [105, 105],
  );
  assert.deepEqual(
    services.map(({ inputs }) => (inputs.backends as { balancingMode: string }[])[0]?.balancingMode),
    ["CONNECTION", "RATE"],
  );
  const checks = [
    one("gcp:compute/regionHealthCheck:RegionHealthCheck"),
    one("gcp:compute/healthCheck:HealthCheck"),
  ].map(({ inputs: { name, region, ...inputs } }) => inputs);
  assert.deepEqual(checks[0], checks[1]);
});

test("an address that connects or polls too often gets a 429, and all others are admitted", async () => {
  const { inputs } = (await entrance()).one("gcp:compute/securityPolicy:SecurityPolicy");
  assert.equal(inputs.type, "CLOUD_ARMOR");
  assert.deepEqual(inputs.labels, LABELS);
  const match = { versionedExpr: "SRC_IPS_V1", config: { srcIpRanges: ["*"] } };
  const limit = (count: number) => ({
    action: "throttle",
    rateLimitOptions: {
      conformAction: "allow",
      exceedAction: "deny(429)",
      enforceOnKey: "IP",
      rateLimitThreshold: { count, intervalSec: 60 },
    },
  });
  assert.deepEqual(inputs.rules, [
    {
      priority: 900,
      description: "limits the polls of one address",
      match: { expr: { expression: "request.path == '/poll'" } },
      ...limit(3600),
    },
    { priority: 1000, description: "limits the connects of one address", match, ...limit(120) },
    { priority: 2_147_483_647, description: "default", action: "allow", match },
  ]);
});

test("TLS from the address to the gateways", async () => {
  const { one } = await entrance();
  const common = { project: "test-project", name: "odin-test-wss" };
  const { target, ...rule } = one("gcp:compute/globalForwardingRule:GlobalForwardingRule").inputs;
  assert.match(String(target), /wss-proxy/);
  assert.deepEqual(rule, {
    ...common,
    description: "wss:// clients",
    loadBalancingScheme: "EXTERNAL_MANAGED",
    ipProtocol: "TCP",
    ipAddress: "203.0.113.20",
    portRange: "443",
    labels: LABELS,
  });
  const proxy = one("gcp:compute/targetHttpsProxy:TargetHttpsProxy").inputs;
  assert.match(String(proxy.urlMap), /wss-urls/);
  assert.match(String(proxy.sslPolicy), /wss-tls/);
  assert.match(
    String(proxy.certificateMap),
    /^\/\/certificatemanager\.googleapis\.com\/.*wss-certificate-map/,
  );
  assert.equal(proxy.quicOverride, "DISABLE");
  const tls = one("gcp:compute/sSLPolicy:SSLPolicy").inputs;
  assert.deepEqual([tls.minTlsVersion, tls.profile], ["TLS_1_2", "MODERN"]);
  assert.equal(
    one("gcp:compute/uRLMap:URLMap").inputs.defaultService,
    "projects/test-project/global/backendServices/odin-test-wss",
  );
});

test("without a DNS zone the records are outputs only", async () => {
  const { all, result } = await entrance();
  assert.deepEqual(all("gcp:dns/recordSet:RecordSet"), []);
  const records = await new Promise((resolve) => result.dnsRecords.apply(resolve));
  assert.deepEqual(records, [
    { name: "live.example.com.", type: "A", data: "203.0.113.20" },
    { name: "_acme-challenge.live.example.com.", type: "CNAME", data: "authorization.example.com." },
  ]);
});

test("with a DNS zone the records are created", async () => {
  const { all } = await entrance({ dnsZone: "example-com" });
  const common = { project: "test-project", managedZone: "example-com", ttl: 300 };
  assert.deepEqual(
    all("gcp:dns/recordSet:RecordSet").map(({ inputs }) => inputs),
    [
      { ...common, name: "live.example.com.", type: "A", rrdatas: ["203.0.113.20"] },
      {
        ...common,
        name: "_acme-challenge.live.example.com.",
        type: "CNAME",
        rrdatas: ["authorization.example.com."],
      },
    ],
  );
});

test("all mistakes are reported together", async () => {
  for (const domain of [
    "*.example.com",
    "live.example.com.",
    "https://live.example.com",
    "Live.example.com",
  ]) {
    await assert.rejects(
      entrance({ domain, connectsPerMinutePerAddress: 0, pollsPerMinutePerAddress: 0.5 }),
      (error: Error & { errors: { propertyPath: string }[] }) => {
        assert.match(
          error.message,
          /^wss entrance "wss" cannot be created:\n {2}domain is .*\n {2}connects.*\n {2}polls/,
        );
        assert.deepEqual(
          error.errors.map(({ propertyPath }) => propertyPath),
          ["domain", "connectsPerMinutePerAddress", "pollsPerMinutePerAddress"],
        );
        return true;
      },
    );
  }
});
