import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { resolved } from "../offline/resolved.fixture.ts";
import { testSite } from "../offline/site.fixture.ts";
import { Nats, type SelfHostedArgs } from "./nats.ts";
import { NatsMirror } from "./nats-mirror.ts";

const INSTANCE = "gcp:compute/instance:Instance";
const selfHosted: Omit<SelfHostedArgs, "mode"> = {
  site: testSite,
  gateway: "serviceAccount:gateway@test",
  zones: ["us-central1-a", "us-central1-b", "us-central1-c"],
  subnet: "subnet-id",
  account: { email: "nats@test", member: "serviceAccount:nats@test" },
  image: "nats@sha256:1",
  machineType: "e2-small",
  cosImage: "cos-133-19999-44-85",
  diskGb: 10,
  snapshots: true,
  startupCheck: "await startup",
};

/** The attributes of a VM that the start-up script reads, without `odin-`. */
function settingsOf(inputs: Record<string, unknown>): Record<string, unknown> {
  const metadata = Object.entries(inputs.metadata as Record<string, unknown>);
  return Object.fromEntries(
    metadata.flatMap(([key, value]) => (key.startsWith("odin-") ? [[key.slice("odin-".length), value]] : [])),
  );
}

const both = (joinable: boolean) =>
  record(() => {
    const nats = new Nats("nats", { mode: "cluster", ...selfHosted, joinable });
    const { home } = nats;
    if (home === undefined) return { nats, mirror: undefined };
    const site = { ...testSite, region: "europe-west1", prefix: "odin-test-euw1" };
    const { account, gateway, image, machineType, cosImage, diskGb, startupCheck } = selfHosted;
    const common = { account, gateway, image, machineType, cosImage, diskGb, startupCheck };
    const mirror = new NatsMirror("nats-europe-west1", {
      ...common,
      site,
      homeSite: testSite,
      home,
      subnet: "subnet-europe",
      zone: "europe-west1-b",
    });
    return { nats, mirror };
  });

test("without other regions, the servers have no domain, no login for servers and nothing to join", async () => {
  const { all, resources, result } = await both(false);
  assert.equal(result.nats.home, undefined);
  for (const { inputs } of all(INSTANCE))
    assert.doesNotMatch(JSON.stringify(Object.keys(settingsOf(inputs))), /domain|leaf|nats-home/);
  assert.ok(!resources.some(({ name }) => /leaf/.test(name)));
});

test("the server of another region joins all servers of the home region, with the same logins", async () => {
  const { one, all, result } = await both(true);
  const { inputs } = one(INSTANCE, "nats-europe-west1");
  const settings = settingsOf(inputs);
  assert.equal(inputs.zone, "europe-west1-b");
  assert.equal(settings["nats-home"], "10.10.0.10:7422 10.10.0.11:7422 10.10.0.12:7422");
  assert.equal(settings["nats-domain"], "europe-west1");
  assert.equal(settings["nats-peers"], "");
  assert.equal(settings["secret-file-nats-cluster-password"], undefined);
  const homes = all(INSTANCE).filter(({ name }) => name !== "nats-europe-west1");
  for (const { inputs: home } of homes) {
    const own = settingsOf(home);
    assert.equal(own["nats-domain"], "home");
    assert.equal(own["nats-home"], undefined);
    for (const user of ["gateway", "publisher", "leaf"]) {
      const name = `secret-file-nats-${user}-password`;
      assert.ok(own[name] !== undefined && own[name] === settings[name], name);
    }
    assert.equal(own["file-nats-ca"], settings["file-nats-ca"]);
    assert.notEqual(own["secret-file-nats-server-key"], settings["secret-file-nats-server-key"]);
  }
  const { mirror } = result;
  const { environment, secrets } = (await resolved(mirror?.connection ?? {})) as {
    environment: Record<string, string>;
    secrets: Record<string, string>;
  };
  assert.deepEqual(environment, {
    NODE_EXTRA_CA_CERTS: "/run/odin/files/nats-ca",
    JS_REPLICAS: "1",
    JS_HOME_DOMAIN: "home",
  });
  assert.match(secrets["env-NATS_URL"] ?? "", /odin-test-euw1-nats-europe-west1-gateway-url/);
  assert.match(String(await resolved(mirror?.address)), /^10\.\d+\.0\.\d+:4222$/);
  assert.ok(
    !all("gcp:compute/address:Address").every(({ inputs: address }) => address.subnetwork === "subnet-id"),
  );
});
