import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Recorded } from "@odin-ws/infra";
import { isProduction } from "./config/config.ts";
import { repositoryFolder } from "./preview/record-stack.ts";
import { stackNames } from "./preview/stack-config.ts";
import { JWT_SECRET, recordWith } from "./recorded.fixture.ts";
import { THREE_REGIONS, TWO_REGIONS, withDrain } from "./regions.fixture.ts";

// Rules for every resource of every stack, also of stacks whose files a user adds.

const WEBHOOK = "https://alerts.example.com/token-of-the-rules-test";
const PAGER = "0123456789pagerOfTheRulesTest012";
const SLACK = "https://hooks.slack.com/services/token-of-the-rules-test";
const PREVIOUS = "previous-secret-of-the-tests";

interface Variant {
  title: string;
  /** The stack whose file is read. */
  stack: string;
  /** Name of the stack, where it differs from that of the file. */
  name?: string;
  /** Values of keys, in place of the values in the file. */
  values?: Record<string, string>;
}

/** Every stack with its own values, and prod with optional parts. */
const VARIANTS: Variant[] = [
  ...stackNames(repositoryFolder).map((stack) => ({ title: stack, stack })),
  { title: "a second prod stack", stack: "prod", name: "prod-b" },
  {
    title: "prod with everything",
    stack: "prod",
    values: {
      domain: "live.example.com",
      dnsZone: "example-com",
      alertEmail: "ops@example.com",
      alertWebhook: WEBHOOK,
      alertPagerduty: PAGER,
      alertSlack: SLACK,
      jwtSecretPrevious: PREVIOUS,
      runbookUrl: "https://example.com/docs/runbook.md",
      monthlyBudget: "400",
      allowedOrigins: '["https://app.example.com"]',
    },
  },
  {
    title: "prod with publishers in other networks and outside",
    stack: "prod",
    values: {
      publishers: '{"market":{"subjects":["odin.token.*.trade"],"logins":[1,2],"outside":true}}',
      publisherNetworks: '["projects/my-backend/global/networks/default"]',
      publisherRanges: '["10.128.0.0/20"]',
      natsPublicRanges: '["203.0.113.7/32"]',
    },
  },
  { title: "prod in three regions", stack: "prod", values: THREE_REGIONS },
  { title: "staging in two regions", stack: "staging", values: TWO_REGIONS },
  {
    title: "prod with a region that is being removed",
    stack: "prod",
    values: withDrain("asia-southeast1"),
  },
  {
    title: "prod with Synadia and an earlier image",
    stack: "prod",
    values: {
      nats: "synadia",
      natsCredentials: "-----BEGIN NATS USER JWT-----\na\n-----BEGIN USER NKEY SEED-----\nb\n",
      serverImage: `us-central1-docker.pkg.dev/p/odin/gateway@sha256:${"a".repeat(64)}`,
    },
  },
];

const type = (resource: Recorded) => resource.type.split(":").at(-1) ?? "";
const of = (resources: Recorded[], ...types: string[]) =>
  resources.filter((it) => it.custom && types.includes(type(it)));
const label = ({ type, name }: Recorded) => `${type} ${name}`;

/** All values at any depth with their paths. */
function* leaves(value: unknown, path = ""): Generator<[path: string, value: unknown]> {
  if (typeof value !== "object" || value === null) yield [path, value];
  else
    for (const [key, item] of Object.entries(value))
      yield* leaves(item, path === "" ? key : `${path}.${key}`);
}

/** Types that Google gives labels, among those that the stacks use. */
const LABELLED = [
  "Address",
  "GlobalAddress",
  "Disk",
  "Instance",
  "InstanceTemplate",
  "ForwardingRule",
  "GlobalForwardingRule",
  "Secret",
  "Repository",
  "Bucket",
  "Certificate",
  "CertificateMap",
  "CertificateMapEntry",
  "DnsAuthorization",
];

for (const { title, stack, name = stack, values = {} } of VARIANTS) {
  // One stack after the other, because the SDK runs one program at a time.
  const { resources } = await recordWith(stack, values, name);
  describe(title, () => {
    const machines = of(resources, "Instance", "InstanceTemplate");

    test("there are resources and machines to check", () => {
      assert.ok(resources.length > 40, `${resources.length} resources`);
      assert.ok(machines.length > 1);
    });

    test("no machine has a public address, and only entrances own public addresses", () => {
      for (const machine of machines)
        for (const [path] of leaves(machine.inputs))
          assert.doesNotMatch(path, /accessConfigs|ipv6AccessConfigs/, label(machine));
      const external = of(resources, "Address", "GlobalAddress").filter(
        ({ inputs }) => inputs.addressType !== "INTERNAL",
      );
      for (const address of external)
        assert.match(address.parent, /LoadBalancer|WssAddress|NatsAddress/, label(address));
      const further = Math.max(0, Object.keys(JSON.parse(values.regions ?? "{}")).length - 1);
      assert.ok(external.length <= 2 + further, `${external.length}`);
      for (const nat of of(resources, "RouterNat")) assert.equal(nat.inputs.natIpAllocateOption, "AUTO_ONLY");
    });

    test("no secret is in metadata or in an input that is not marked as secret", () => {
      for (const machine of machines) {
        const marked = machine.secrets.filter((path) => path.startsWith("metadata"));
        assert.deepEqual(marked, [], label(machine));
      }
      for (const resource of resources)
        for (const [path, value] of leaves(resource.inputs))
          for (const secret of [JWT_SECRET, PREVIOUS, WEBHOOK, PAGER, SLACK, "NKEY SEED", "offline-password"])
            if (typeof value === "string" && value.includes(secret))
              assert.ok(
                resource.secrets.some((marked) => path.startsWith(marked)),
                `${label(resource)}: ${path} shows a secret`,
              );
    });

    test("every resource with labels has the labels of its stack and its role", () => {
      for (const resource of of(resources, ...LABELLED)) {
        const labels = resource.inputs.labels as Record<string, string> | undefined;
        assert.equal(labels?.app, "odin-ws", label(resource));
        assert.equal(labels?.stack, name, label(resource));
        assert.ok(labels?.role, label(resource));
      }
    });

    test("templates are auto-named, and no resource on which they depend is deleted before its replacement exists", () => {
      for (const template of of(resources, "InstanceTemplate")) {
        assert.equal(template.inputs.name, undefined);
        const upstream = (urn: string, seen = new Set<string>()): Set<string> => {
          for (const next of resources.find((it) => it.urn === urn)?.dependencies ?? [])
            if (!seen.has(next)) upstream(next, seen.add(next));
          return seen;
        };
        const deletedFirst = resources.filter((it) => it.deleteBeforeReplace && it.custom);
        for (const resource of deletedFirst)
          assert.ok(
            !upstream(template.urn).has(resource.urn),
            `${label(resource)} would replace the template, too`,
          );
      }
    });

    test("every firewall rule admits something, gives a reason, and knows machines by their accounts", () => {
      const rules = of(resources, "Firewall");
      assert.ok(rules.length >= 5);
      for (const rule of rules) {
        const { inputs } = rule;
        assert.ok(String(inputs.description).length > 15, label(rule));
        assert.equal(inputs.targetTags, undefined);
        assert.equal(inputs.sourceTags, undefined);
        assert.ok((inputs.targetServiceAccounts as string[]).length > 0, label(rule));
        const ranges = (inputs.sourceRanges ?? []) as string[];
        assert.ok(ranges.length > 0 || (inputs.sourceServiceAccounts as string[]).length > 0, label(rule));
        if (!ranges.includes("0.0.0.0/0")) continue;
        assert.deepEqual(inputs.allows, [{ protocol: "tcp", ports: ["3004"] }], label(rule));
      }
    });

    test("no machine uses the retired container agent, and images are pinned", () => {
      for (const machine of machines) {
        const metadata = machine.inputs.metadata as Record<string, string>;
        assert.equal(metadata["gce-container-declaration"], undefined);
        assert.equal(metadata["google-container-manifest"], undefined);
        assert.equal(metadata["startup-script-url"], undefined);
        for (const [key, value] of Object.entries(metadata))
          if (key.startsWith("odin-image-")) assert.match(value, /:[\w.-]+$|@sha256:[0-9a-f]{64}$/, key);
      }
      for (const template of of(resources, "InstanceTemplate"))
        assert.match(
          String((template.inputs.metadata as Record<string, string>)["odin-image-gateway"]),
          /@sha256:[0-9a-f]{64}$/,
        );
    });

    test("machines are shielded, have OS Login and their own account", () => {
      for (const { inputs, ...machine } of machines) {
        const shielded = inputs.shieldedInstanceConfig as Record<string, boolean>;
        assert.deepEqual(
          [shielded.enableSecureBoot, shielded.enableVtpm, shielded.enableIntegrityMonitoring],
          [true, true, true],
          machine.name,
        );
        assert.equal((inputs.metadata as Record<string, string>)["enable-oslogin"], "TRUE");
        assert.match(JSON.stringify(inputs.serviceAccount), new RegExp(`"odin-${name}-[a-z]+@`));
      }
    });

    test("no account has a basic role, and each secret is granted separately", () => {
      for (const { inputs } of of(resources, "IAMMember")) {
        assert.doesNotMatch(String(inputs.role), /^roles\/(owner|editor|viewer)$|admin$|secretAccessor/i);
      }
      const secrets = of(resources, "Secret");
      const grants = of(resources, "SecretIamMember");
      for (const secret of secrets)
        assert.ok(
          grants.some((it) => it.parent === secret.parent),
          label(secret),
        );
    });

    test("buckets are private", () => {
      for (const { inputs } of of(resources, "Bucket")) {
        assert.equal(inputs.uniformBucketLevelAccess, true);
        assert.equal(inputs.publicAccessPrevention, "enforced");
      }
    });

    test("every resource belongs to a component, whose name begins the name of the resource", () => {
      for (const resource of resources.filter(({ custom }) => custom)) {
        const parent = resources.find(({ urn }) => urn === resource.parent);
        assert.ok(parent, `${label(resource)} has no component`);
        assert.ok(resource.name.startsWith(parent.name), `${label(resource)} in ${parent.name}`);
      }
    });

    test("names are unique and short enough: 63 characters, account ids 30", () => {
      const seen = new Set<string>();
      for (const resource of resources.filter(({ custom }) => custom)) {
        const { inputs } = resource;
        if (typeof inputs.accountId === "string")
          assert.match(inputs.accountId, /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/);
        if (typeof inputs.name !== "string" || !resource.type.startsWith("gcp:compute/")) continue;
        assert.match(inputs.name, /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/, label(resource));
        const key = `${resource.type} ${inputs.region ?? inputs.zone ?? ""} ${inputs.name}`;
        assert.ok(!seen.has(key), `${key} twice`);
        seen.add(key);
      }
    });

    test("every prod stack protects its data, its addresses and its group, and other stacks protect nothing", () => {
      const kept = ["Address", "GlobalAddress", "Disk", "RegionInstanceGroupManager"];
      const leaving = Object.entries(
        JSON.parse(values.regions ?? "{}") as Record<string, { drain?: boolean }>,
      )
        .filter(([, { drain }]) => drain)
        .map(([region]) => region);
      for (const resource of resources.filter(({ custom }) => custom)) {
        const isLost =
          resource.inputs.addressType !== "INTERNAL" &&
          resource.name !== "gateway-canary-group" &&
          !leaving.some((region) => resource.name.includes(region));
        const isLogs = type(resource) === "Bucket" && /-logs$/.test(String(resource.inputs.name));
        const isData = isLogs || (kept.includes(type(resource)) && isLost);
        if (!isProduction(name)) assert.ok(!resource.protect, `${label(resource)} is protected`);
        else if (isData) assert.ok(resource.protect, `${label(resource)} is not protected`);
      }
    });
  });
}

test("only the monitoring VM reads Alertmanager's secrets, each from the file that the configuration of Alertmanager names", async () => {
  const values = { alertWebhook: WEBHOOK, alertPagerduty: PAGER, alertSlack: SLACK };
  const { resources } = await recordWith("prod", values);
  const vm = of(resources, "Instance").find(({ name }) => name.startsWith("monitoring"));
  const metadata = (vm?.inputs.metadata ?? {}) as Record<string, string>;
  const configuration = of(resources, "BucketObject").find(
    ({ inputs }) => inputs.name === "alertmanager/alertmanager.yml",
  );
  for (const [name, value] of [
    ["webhook", WEBHOOK],
    ["pagerduty", PAGER],
    ["slack", SLACK],
  ] as const) {
    const [version, ...more] = of(resources, "SecretVersion").filter(
      ({ inputs }) => inputs.secretData === value,
    );
    assert.ok(version && more.length === 0, name);
    const grants = of(resources, "SecretIamMember").filter(({ parent }) => parent === version.parent);
    assert.equal(grants.length, 1, name);
    assert.match(String(grants[0]?.inputs.member), /monitoring/, name);
    assert.match(metadata[`odin-secret-file-alertmanager-${name}`] ?? "", new RegExp(`alert-${name}`), name);
    assert.match(
      String(configuration?.inputs.content),
      new RegExp(`_file: /run/odin/secrets/alertmanager-${name}$`, "m"),
    );
  }
});

test("of the inputs that may change, only those of the autoscaler have limits and targets", async () => {
  const { resources: before } = await recordWith("prod");
  const limits = {
    minInstances: "3",
    maxInstances: "8",
    cpuTarget: "55",
    connectionsTarget: "7000",
    scaleInMinutes: "20",
  };
  const { resources: after } = await recordWith("prod", limits);
  assert.deepEqual(
    after.map(({ urn }) => urn),
    before.map(({ urn }) => urn),
  );
  const changed = after.filter((resource, index) => {
    const other = before[index];
    return comparable(resource) !== comparable(other);
  });
  assert.deepEqual(changed.map(type), ["RegionAutoscaler"]);
});

/** A resource as text, without the inputs whose changes are ignored. */
function comparable(resource: Recorded | undefined): string {
  const kept = Object.entries(resource?.inputs ?? {}).filter(
    ([key]) => !resource?.ignoreChanges.includes(key),
  );
  return JSON.stringify({ ...resource, inputs: Object.fromEntries(kept) });
}
