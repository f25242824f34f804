import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { type Recorded, type Recording, record } from "../offline/offline.ts";
import { resolved } from "../offline/resolved.fixture.ts";
import { testSite } from "../offline/site.fixture.ts";
import { Nats, type SelfHostedArgs } from "./nats.ts";

const INSTANCE = "gcp:compute/instance:Instance";
const COMMAND = "command:local:Command";
const GATEWAY = "serviceAccount:gateway@test";
const NATS = "serviceAccount:nats@test";
const selfHosted: Omit<SelfHostedArgs, "mode"> = {
  site: testSite,
  gateway: GATEWAY,
  zones: ["us-central1-a", "us-central1-b", "us-central1-c"],
  subnet: "subnet-id",
  account: { email: "nats@test", member: NATS },
  image: "nats@sha256:1",
  machineType: "e2-small",
  cosImage: "cos-133-19999-44-85",
  diskGb: 10,
  snapshots: true,
  startupCheck: "await startup",
};
const PASSWORD = "offline-password-xxxxxxxxxxxxxxx";

test("synadia: no machine, credentials that only gateways may read, and replicas that follow from the account", async () => {
  const { all, resources, result } = await record(
    () => new Nats("nats", { mode: "synadia", site: testSite, gateway: GATEWAY, credentials: "the creds" }),
  );
  assert.deepEqual(all(INSTANCE), []);
  assert.deepEqual(secretsOf(resources), { "nats-credentials": { value: "the creds", readers: [GATEWAY] } });
  assert.deepEqual(await resolved(result.connection), {
    environment: {
      NATS_URL: "tls://connect.ngs.global:4222",
      NATS_CREDS_FILE: "/run/odin/secrets/nats-creds",
    },
    secrets: {
      "file-nats-creds": version("nats-credentials"),
    },
    files: {},
  });
  assert.deepEqual(await resolved([result.publisherUrl, result.ca, result.monitoring]), [
    "tls://connect.ngs.global:4222",
    "",
    [],
  ]);
});

test("synadia: another address of Synadia's", async () => {
  const { result } = await record(
    () =>
      new Nats("nats", {
        mode: "synadia",
        site: testSite,
        gateway: GATEWAY,
        credentials: "x",
        url: "tls://eu:4222",
      }),
  );
  assert.equal(await resolved(result.connection.environment.NATS_URL), "tls://eu:4222");
  assert.equal(await resolved(result.publisherUrl), "tls://eu:4222");
});

test("single: a VM with its disk, passwords and key, and the settings that a gateway needs to connect", async () => {
  const { one, all, resources, result } = await record(
    () => new Nats("nats", { mode: "single", ...selfHosted }),
  );
  const { inputs } = one(INSTANCE, "nats");
  assert.equal(all(INSTANCE).length, 1);
  assert.equal(inputs.zone, "us-central1-a");
  assert.equal(inputs.machineType, "e2-small");
  assert.deepEqual(inputs.networkInterfaces, [{ subnetwork: "subnet-id", networkIp: "10.10.0.10" }]);
  assert.equal(one("gcp:compute/disk:Disk", "nats-data").inputs.size, 10);
  assert.equal(all("gcp:compute/resourcePolicy:ResourcePolicy").length, 1);
  assert.deepEqual(settingsOf(one(INSTANCE)), {
    "odin-role": "nats",
    "odin-image-nats": "nats@sha256:1",
    "odin-secret-file-nats-gateway-password": version("nats-gateway-password"),
    "odin-secret-file-nats-publisher-password": version("nats-publisher-password"),
    "odin-secret-file-nats-server-key": version("nats-server-key"),
    "odin-file-nats-ca": "offline CA certificate",
    "odin-file-nats-server-cert": "offline certificate",
    "odin-nats-name": "odin-test-nats",
    "odin-nats-ordinal": "0",
    "odin-nats-peers": "",
    "odin-data-device": "data",
  });
  assert.deepEqual(secretsOf(resources), {
    "nats-gateway-password": { value: PASSWORD, readers: [NATS] },
    "nats-publisher-password": { value: PASSWORD, readers: [NATS] },
    "nats-server-key": { value: "offline private key", readers: [NATS] },
    "nats-gateway-url": { value: `tls://gateway:${PASSWORD}@10.10.0.10:4222`, readers: [GATEWAY] },
  });
  assert.deepEqual(await resolved(result.connection), {
    environment: { NODE_EXTRA_CA_CERTS: "/run/odin/files/nats-ca", JS_REPLICAS: "1" },
    secrets: { "env-NATS_URL": version("nats-gateway-url") },
    files: { "nats-ca": "offline CA certificate" },
  });
  assert.equal(await resolved(result.publisherUrl), `tls://publisher:${PASSWORD}@10.10.0.10:4222`);
  assert.equal(result.publisherUrl && (await pulumi.isSecret(result.publisherUrl)), true);
  assert.equal(await resolved(result.ca), "offline CA certificate");
  assert.deepEqual(await resolved(result.monitoring), ["10.10.0.10:8222"]);
});

test("passwords need no escaping in a URL", async () => {
  const { all } = await record(() => new Nats("nats", { mode: "cluster", ...selfHosted }));
  const passwords = all("random:index/randomPassword:RandomPassword");
  assert.deepEqual(
    passwords.map(({ name }) => name),
    ["nats-gateway", "nats-publisher", "nats-cluster"],
  );
  for (const { inputs } of passwords) assert.deepEqual(inputs, { length: 32, special: false });
});

test("metadata contains no secret, and every secret is marked as a secret", async () => {
  const { all, resources } = await record(() => new Nats("nats", { mode: "cluster", ...selfHosted }));
  for (const { inputs, secrets } of all(INSTANCE)) {
    assert.doesNotMatch(JSON.stringify(inputs), /offline-password|private key/);
    assert.deepEqual(secrets, [], "certificates and names of versions are public");
  }
  for (const resource of resources) {
    for (const [path, value] of Object.entries(resource.inputs)) {
      if (typeof value === "string" && /offline-password|private key/.test(value))
        assert.ok(resource.secrets.includes(path), `${resource.name}: ${path} is not marked as secret`);
    }
  }
});

test("certificates: ten years for the CA, two years for a server and its own address", async () => {
  const { one } = await record(() => new Nats("nats", { mode: "single", ...selfHosted }));
  const KEY = { algorithm: "ECDSA", ecdsaCurve: "P256" };
  assert.deepEqual(one("tls:index/privateKey:PrivateKey", "nats-tls-ca").inputs, KEY);
  assert.deepEqual(one("tls:index/privateKey:PrivateKey", "nats-tls-nats").inputs, KEY);
  assert.deepEqual(one("tls:index/selfSignedCert:SelfSignedCert").inputs, {
    privateKeyPem: "offline private key",
    subject: { commonName: "odin-test NATS CA" },
    isCaCertificate: true,
    setSubjectKeyId: true,
    setAuthorityKeyId: true,
    allowedUses: ["cert_signing", "crl_signing", "digital_signature"],
    validityPeriodHours: 87_600,
    earlyRenewalHours: 18_960, // the two years of a server's certificate and its 60 days of early renewal
  });
  assert.deepEqual(one("tls:index/certRequest:CertRequest").inputs, {
    privateKeyPem: "offline private key",
    subject: { commonName: "nats" },
    ipAddresses: ["10.10.0.10", "127.0.0.1"],
  });
  assert.deepEqual(one("tls:index/locallySignedCert:LocallySignedCert").inputs, {
    certRequestPem: "offline certificate request",
    caPrivateKeyPem: "offline private key",
    caCertPem: "offline CA certificate",
    allowedUses: ["digital_signature", "server_auth", "client_auth"],
    validityPeriodHours: 17_520,
    earlyRenewalHours: 1_440,
  });
});

test("cluster: three VMs in three zones that know each other and are updated one after the other", async () => {
  const recording = await record(() => new Nats("nats", { mode: "cluster", ...selfHosted }));
  const { one, all, result } = recording;
  const peers = "10.10.0.10:6222 10.10.0.11:6222 10.10.0.12:6222";
  assert.deepEqual(
    all(INSTANCE).map(({ name, inputs }) => [name, inputs.name, inputs.zone]),
    [
      ["nats-0", "odin-test-nats-0", "us-central1-a"],
      ["nats-1", "odin-test-nats-1", "us-central1-b"],
      ["nats-2", "odin-test-nats-2", "us-central1-c"],
    ],
  );
  for (const [ordinal, instance] of all(INSTANCE).entries()) {
    const settings = settingsOf(instance);
    assert.equal(settings["odin-nats-peers"], peers);
    assert.equal(settings["odin-nats-name"], `odin-test-nats-${ordinal}`);
    assert.equal(settings["odin-nats-ordinal"], String(ordinal));
    assert.equal(settings["odin-secret-file-nats-cluster-password"], version("nats-cluster-password"));
    assert.equal(settings["odin-secret-file-nats-server-key"], version(`nats-${ordinal}-server-key`));
  }
  const check = (ordinal: number) => one(COMMAND, `nats-${ordinal}-startup`).urn;
  assert.deepEqual(checksBefore(recording, "nats-0"), []);
  assert.deepEqual(checksBefore(recording, "nats-1"), [check(0)]);
  assert.deepEqual(checksBefore(recording, "nats-2"), [check(1)]);
  assert.equal(await resolved(result.connection.environment.JS_REPLICAS), "3");
  const hosts = ["10.10.0.10", "10.10.0.11", "10.10.0.12"];
  assert.equal(
    secretsOf(recording.resources)["nats-gateway-url"]?.value,
    hosts.map((host) => `tls://gateway:${PASSWORD}@${host}:4222`).join(","),
  );
});

test("a VM of a cluster depends only on the addresses of the others, which stay when a VM is replaced", async () => {
  const { one, all } = await record(() => new Nats("nats", { mode: "cluster", ...selfHosted }));
  const machines = [...all(INSTANCE), ...all(COMMAND)].map(({ urn }) => urn);
  for (const { name, dependencies } of all(INSTANCE)) {
    const others = dependencies.filter((urn) => machines.includes(urn));
    const check = name === "nats-0" ? undefined : one(COMMAND, `nats-${Number(name.at(-1)) - 1}-startup`);
    assert.deepEqual(
      others,
      check ? [check.urn] : [],
      "each VM waits only for the check of the VM before it",
    );
  }
  for (const { name, dependencies } of all(COMMAND))
    assert.ok(dependencies.includes(one(INSTANCE, name.replace("-startup", "")).urn), name);
  for (const { inputs } of all("gcp:compute/address:Address")) assert.equal(inputs.name, undefined);
});

test("each VM ships its log to Loki, with the configuration of the stack's bucket", async () => {
  const logs = { image: "alloy@sha256:1", lokiUrl: "http://monitoring:3100" };
  const { all } = await record(() => new Nats("nats", { mode: "cluster", ...selfHosted, logs }));
  for (const instance of all(INSTANCE)) {
    const settings = settingsOf(instance);
    assert.equal(settings["odin-image-alloy"], "alloy@sha256:1");
    assert.equal(settings["odin-loki-url"], "http://monitoring:3100");
    assert.equal(settings["odin-config-bucket"], "test-project-odin-test-config");
  }
});

test("a cluster needs three different zones", async () => {
  for (const zones of [["a", "b"], ["a", "b", "b"], []]) {
    await assert.rejects(
      record(() => new Nats("nats", { ...selfHosted, mode: "cluster", zones })),
      (error: pulumi.InputPropertiesError) => {
        assert.deepEqual(error.errors, [
          { propertyPath: "zones", reason: `needs three different zones, has ${JSON.stringify(zones)}` },
        ]);
        return true;
      },
    );
  }
});

function checksBefore({ one, all }: Recording<unknown>, instance: string): string[] {
  const checks = all(COMMAND).map(({ urn }) => urn);
  return one(INSTANCE, instance).dependencies.filter((urn) => checks.includes(urn));
}

function version(name: string): string {
  return `projects/test-project/secrets/odin-test-${name}/versions/1`;
}

/** The metadata attributes of a VM that start with `odin-`, without the revision. */
function settingsOf({ inputs }: Recorded): Record<string, string> {
  const metadata = Object.entries(inputs.metadata as Record<string, string>);
  return Object.fromEntries(metadata.filter(([key]) => key.startsWith("odin-") && key !== "odin-revision"));
}

/** Value and readers of each secret in Secret Manager. */
function secretsOf(resources: Recorded[]): Record<string, { value: unknown; readers: unknown[] }> {
  const versions = resources.filter(({ type }) => type.endsWith(":SecretVersion"));
  return Object.fromEntries(
    versions.map(({ parent, inputs }) => {
      const name = parent.split("::").at(-1) ?? "";
      const members = resources.filter(
        (other) => other.parent === parent && other.type.endsWith("IamMember"),
      );
      return [name, { value: inputs.secretData, readers: members.map((member) => member.inputs.member) }];
    }),
  );
}
