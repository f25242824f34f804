import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { ManagedCertificate } from "./managed-certificate.ts";

const TYPE = "gcp:certificatemanager";

const certificate = () =>
  record(() => new ManagedCertificate("tls", { site: testSite, domain: "live.example.com" }));

test("the certificate of the domain is managed by Google, and a certificate map contains it", async () => {
  const { one } = await certificate();
  const managed = one(`${TYPE}/certificate:Certificate`);
  assert.deepEqual(managed.inputs.managed, {
    domains: ["live.example.com"],
    dnsAuthorizations: ["tls-authorization-id"],
  });
  const entry = one(`${TYPE}/certificateMapEntry:CertificateMapEntry`).inputs;
  assert.equal(entry.map, "odin-test-wss");
  assert.equal(entry.hostname, "live.example.com");
  assert.deepEqual(entry.certificates, ["tls-managed-id"]);
  assert.equal(one(`${TYPE}/dnsAuthorization:DnsAuthorization`).inputs.domain, "live.example.com");
});

test("resources that are replaced with the domain have no fixed name", async () => {
  const { resources } = await certificate();
  assert.deepEqual(
    resources.filter(({ inputs }) => "name" in inputs).map(({ type }) => type),
    [`${TYPE}/certificateMap:CertificateMap`],
  );
});

test("every resource has labels", async () => {
  const { resources } = await certificate();
  for (const { inputs } of resources.filter(({ custom }) => custom))
    assert.deepEqual(inputs.labels, { app: "odin-ws", stack: "test", role: "wss-entrance" });
});

test("the proof is the DNS record that Google asks for", async () => {
  const { result } = await certificate();
  const proof = await new Promise((resolve) => result.proof.apply(resolve));
  assert.deepEqual(proof, {
    name: "_acme-challenge.live.example.com.",
    type: "CNAME",
    data: "authorization.example.com.",
  });
});
