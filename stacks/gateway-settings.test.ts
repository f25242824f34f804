import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { createAddressOf } from "@odin-ws/server/client-address";
import { SETTINGS } from "@odin-ws/server/settings";
import { recordWith } from "./recorded.fixture.ts";

const TEMPLATE = "gcp:compute/instanceTemplate:InstanceTemplate";
const ATTRIBUTE = "odin-env-WS_TRUSTED_PROXIES";

async function prod(values: Record<string, string> = {}) {
  const recording = await recordWith("prod", values);
  const metadata = recording.one(TEMPLATE).inputs.metadata as Record<string, string>;
  return { ...recording, proxies: metadata[ATTRIBUTE] };
}

test("without a TLS entrance the gateways trust no proxy", async () => {
  const { proxies, all } = await prod();
  assert.equal(proxies, undefined);
  assert.deepEqual(all("gcp:compute/globalAddress:GlobalAddress"), []);
});

test("gateways get both secrets of tokens as secrets, and the gate's token has the issuer and the audience", async () => {
  const gateway = JSON.stringify({ JWT_ISSUER: "https://login.example, old", JWT_AUDIENCE: "live" });
  const { one } = await prod({ jwtSecretPrevious: "the secret of last year", gateway });
  const metadata = one(TEMPLATE).inputs.metadata as Record<string, string>;
  assert.match(metadata["odin-secret-env-JWT_SECRET"] ?? "", /secrets\/.*jwt-secret\/versions/);
  assert.match(
    metadata["odin-secret-env-JWT_SECRET_PREVIOUS"] ?? "",
    /secrets\/.*jwt-secret-previous\/versions/,
  );
  const gate = one("command:local:Command", "rollout-test").inputs.environment as Record<string, string>;
  assert.equal(gate.ODIN_SMOKE_JWT_ISSUER, "https://login.example");
  assert.equal(gate.ODIN_SMOKE_JWT_AUDIENCE, "live");
});

test("behind the TLS entrance the gateways take the client's address from the header that the entrance sends", async () => {
  const { proxies, one } = await prod({ domain: "live.example.com", dnsZone: "example-com" });
  const entrance = String(one("gcp:compute/globalForwardingRule:GlobalForwardingRule").inputs.ipAddress);
  assert.equal(proxies, `35.191.0.0/16,130.211.0.0/22,${entrance}/32`);
  assert.deepEqual(one("gcp:dns/recordSet:RecordSet", "wss-domain").inputs.rrdatas, [entrance]);

  const addressOf = createAddressOf(SETTINGS.WS_TRUSTED_PROXIES.parse(proxies));
  const client = (peer: string, forwarded: string) =>
    addressOf({
      socket: { remoteAddress: peer },
      headers: { "x-forwarded-for": forwarded },
    } as unknown as IncomingMessage);
  assert.equal(client("35.191.8.4", `203.0.113.7,${entrance}`), "203.0.113.7");
  assert.equal(client("130.211.1.9", `192.0.2.1,198.51.100.9,${entrance}`), "198.51.100.9");
});

test("the address of the TLS entrance is created before the gateways, and can be replaced without replacing them", async () => {
  const { one, resources } = await prod({ domain: "live.example.com" });
  const upstream = (urn: string, seen = new Set<string>()): Set<string> => {
    for (const next of resources.find((it) => it.urn === urn)?.dependencies ?? [])
      if (!seen.has(next)) upstream(next, seen.add(next));
    return seen;
  };
  const address = one("gcp:compute/globalAddress:GlobalAddress");
  const template = one(TEMPLATE);
  assert.ok(upstream(template.urn).has(address.urn));
  assert.ok(upstream(one("gcp:compute/backendService:BackendService").urn).has(template.urn));
  assert.equal(
    address.inputs.name,
    undefined,
    "an address with a fixed name would be deleted first, and the template with the address",
  );
});

test("with Synadia the stream has one replica, or as many as the account's plan allows", async () => {
  const natsCredentials =
    "-----BEGIN NATS USER JWT-----\na\n-----BEGIN USER NKEY SEED-----\nb\n------END USER NKEY SEED------\n";
  const replicas = async (gateway: object) => {
    const values = { nats: "synadia", natsCredentials, gateway: JSON.stringify(gateway) };
    const { one } = await recordWith("prod", values);
    return (one(TEMPLATE).inputs.metadata as Record<string, string>)["odin-env-JS_REPLICAS"];
  };
  assert.equal(await replicas({}), undefined, "the gateway's default, 1");
  assert.equal(await replicas({ JS_REPLICAS: 3 }), "3");
});
