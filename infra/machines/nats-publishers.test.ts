import assert from "node:assert/strict";
import { test } from "node:test";
import { type Recording, record } from "../offline/offline.ts";
import { resolved } from "../offline/resolved.fixture.ts";
import { testSite } from "../offline/site.fixture.ts";
import { Nats, type SelfHostedArgs } from "./nats.ts";
import type { NatsPublisher } from "./nats-publishers.ts";

const READER = "serviceAccount:publisher@test";
const RUN = "serviceAccount:run@backend.iam.gserviceaccount.com";
const PASSWORD = "offline-password-xxxxxxxxxxxxxxx";
const SECRET = "gcp:secretmanager/secret:Secret";
const GRANT = "gcp:secretmanager/secretIamMember:SecretIamMember";
const EVERYTHING: NatsPublisher = { subjects: ["odin.>"], logins: [1], readers: [], outside: false };

const args: SelfHostedArgs = {
  mode: "single",
  site: testSite,
  gateway: "serviceAccount:gateway@test",
  zones: ["us-central1-a"],
  subnet: "subnet-id",
  account: { email: "nats@test", member: "serviceAccount:nats@test" },
  image: "nats@sha256:1",
  machineType: "e2-small",
  cosImage: "cos-133-19999-44-85",
  diskGb: 10,
  snapshots: false,
};

const create = (named: Record<string, NatsPublisher>, more: Partial<SelfHostedArgs> = {}) =>
  record(() => new Nats("nats", { ...args, publishers: { named, reader: READER }, ...more }));

/** The value of a secret. */
const secretValue = ({ one }: Recording<unknown>, name: string) =>
  one("gcp:secretmanager/secretVersion:SecretVersion", `${name}-version`).inputs.secretData;

test("each publisher has a login of its own, and a secret with its URL that only its readers may read", async () => {
  const market = { ...EVERYTHING, subjects: ["odin.token.*.trade", "odin.global.>"], readers: [RUN] };
  const recording = await create({ publisher: EVERYTHING, market });
  const { one, all, result } = recording;
  assert.equal(
    secretValue(recording, "nats-publishers"),
    `publisher ${PASSWORD} odin.>\nmarket ${PASSWORD} odin.token.*.trade odin.global.>\n`,
  );
  assert.equal(secretValue(recording, "publisher-market"), `tls://market:${PASSWORD}@10.10.0.10:4222`);
  assert.equal(secretValue(recording, "publisher-publisher"), `tls://publisher:${PASSWORD}@10.10.0.10:4222`);
  assert.equal(secretValue(recording, "nats-ca"), "offline CA certificate");
  const readers = (name: string) =>
    all(GRANT)
      .filter(({ name: grant }) => grant.startsWith(`${name}-accessor`))
      .map(({ inputs }) => inputs.member);
  assert.deepEqual(readers("publisher-market"), [READER, RUN]);
  assert.deepEqual(readers("publisher-publisher"), [READER]);
  assert.deepEqual(readers("nats-ca"), [READER, RUN]);
  assert.deepEqual(readers("nats-publishers"), ["serviceAccount:nats@test"]);
  // The password of the default publisher is the one that the stack had before it named publishers.
  assert.deepEqual(
    all("random:index/randomPassword:RandomPassword")
      .map(({ name }) => name)
      .sort(),
    ["nats-gateway", "nats-login-market", "nats-publisher"],
  );
  const metadata = one("gcp:compute/instance:Instance").inputs.metadata as Record<string, string>;
  assert.equal(
    metadata["odin-secret-file-nats-publishers"],
    "projects/test-project/secrets/odin-test-nats-publishers/versions/1",
  );
  assert.deepEqual(await resolved(result.publishers?.secrets), {
    publisher: "projects/test-project/secrets/odin-test-publisher-publisher",
    market: "projects/test-project/secrets/odin-test-publisher-market",
  });
});

test("during a rotation NATS accepts both logins, and the secret has the last one", async () => {
  const during = await create({ publisher: { ...EVERYTHING, logins: [1, 2] } });
  assert.equal(
    secretValue(during, "nats-publishers"),
    `publisher ${PASSWORD} odin.>\npublisher-2 ${PASSWORD} odin.>\n`,
  );
  assert.match(String(secretValue(during, "publisher-publisher")), /^tls:\/\/publisher-2:/);
  const after = await create({ publisher: { ...EVERYTHING, logins: [2] } });
  assert.equal(secretValue(after, "nats-publishers"), `publisher-2 ${PASSWORD} odin.>\n`);
});

test("secrets of publishers can be deleted in production, because the program can make them again", async () => {
  const { all } = await create({ market: EVERYTHING }, { site: { ...testSite, production: true } });
  const unprotected = all(SECRET)
    .filter(({ protect }) => !protect)
    .map(({ name }) => name);
  assert.deepEqual(unprotected.sort(), ["nats-ca", "nats-publishers", "publisher-market"]);
});

test("the URL of the default publisher exists only where NATS accepts this login", async () => {
  const both = await create({ publisher: EVERYTHING, market: EVERYTHING });
  assert.equal(await resolved(both.result.publisherUrl), `tls://publisher:${PASSWORD}@10.10.0.10:4222`);
  assert.equal((await create({ market: EVERYTHING })).result.publisherUrl, undefined);
});

test("a publisher outside gets the public address, which the servers' certificates contain", async () => {
  const named = { market: { ...EVERYTHING, outside: true } };
  const recording = await create(named, { publicAddress: "203.0.113.20" });
  assert.equal(secretValue(recording, "publisher-market"), `tls://market:${PASSWORD}@203.0.113.20:4222`);
  const [request] = recording.all("tls:index/certRequest:CertRequest");
  assert.deepEqual(request?.inputs.ipAddresses, ["10.10.0.10", "203.0.113.20", "127.0.0.1"]);
  const metadata = recording.one("gcp:compute/instance:Instance").inputs.metadata as Record<string, string>;
  assert.equal(metadata["odin-nats-advertise"], "false");
});

test("without named publishers nothing changes", async () => {
  const { one, all, result } = await record(() => new Nats("nats", args));
  assert.equal(result.publishers, undefined);
  const metadata = one("gcp:compute/instance:Instance").inputs.metadata as Record<string, string>;
  assert.deepEqual(
    Object.keys(metadata).filter((key) => /publishers|advertise/.test(key)),
    [],
  );
  assert.deepEqual(
    all(SECRET).filter(({ name }) => /^publisher-|-ca$/.test(name)),
    [],
  );
});
