import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { Machine, testSite } from "../offline/site.fixture.ts";
import { checkedPayload, Secret } from "./secret.ts";

const SECRET = "gcp:secretmanager/secret:Secret";
const VERSION = "gcp:secretmanager/secretVersion:SecretVersion";
const GRANT = "gcp:secretmanager/secretIamMember:SecretIamMember";

const accessors = { gateway: "serviceAccount:gateway@test", nats: "serviceAccount:nats@test" };

test("a value that two roles may read", async () => {
  const { one, all } = await record(
    () => new Secret("nats-password", { site: testSite, value: "hunter2", accessors }),
  );
  const component = one("odin-ws:index:Secret").urn;
  const secret = one(SECRET, "nats-password");
  assert.deepEqual(secret.inputs, {
    secretId: "odin-test-nats-password",
    project: "test-project",
    replication: { auto: {} },
    labels: { app: "odin-ws", stack: "test", role: "secret" },
    versionDestroyTtl: "2592000s",
  });
  const version = one(VERSION, "nats-password-version");
  assert.deepEqual(version.inputs, {
    project: "test-project",
    secret: "projects/test-project/secrets/odin-test-nats-password",
    secretData: "hunter2",
    deletionPolicy: "DELETE",
  });
  assert.deepEqual(
    all(GRANT).map(({ name, inputs }) => [name, inputs]),
    Object.entries(accessors).map(([role, member]) => [
      `nats-password-accessor-${role}`,
      {
        project: "test-project",
        secretId: "projects/test-project/secrets/odin-test-nats-password",
        role: "roles/secretmanager.secretAccessor",
        member,
      },
    ]),
  );
  for (const child of [secret, version, ...all(GRANT)]) assert.equal(child.parent, component);
});

test("the value is a secret in the state, the name of its version is not", async () => {
  const { one } = await record(() => {
    const { version } = new Secret("token", { site: testSite, value: "hunter2", accessors });
    new Machine("machine", { version });
  });
  assert.deepEqual(one(VERSION).secrets, ["secretData"]);
  assert.deepEqual(one("test:index:Machine").secrets, []);
});

test("a machine that gets the version waits for the grants", async () => {
  const { one, all } = await record(() => {
    const { version } = new Secret("token", { site: testSite, value: "hunter2", accessors });
    new Machine("machine", { version });
  });
  const machine = one("test:index:Machine");
  assert.equal(machine.inputs.version, "projects/test-project/secrets/odin-test-token/versions/1");
  for (const { urn } of [one(VERSION), ...all(GRANT)]) assert.ok(machine.dependencies.includes(urn), urn);
});

test("in production the secret is protected, and its version can still be replaced", async () => {
  const { one } = await record(
    () => new Secret("token", { site: { ...testSite, production: true }, value: "hunter2", accessors }),
  );
  assert.deepEqual([one(SECRET).protect, one(VERSION).protect], [true, false]);
  const elsewhere = await record(() => new Secret("token", { site: testSite, value: "hunter2", accessors }));
  assert.equal(elsewhere.one(SECRET).protect, false);
});

test("a secret without readers is refused", async () => {
  await assert.rejects(
    record(() => new Secret("token", { site: testSite, value: "hunter2", accessors: {} })),
    /Secret odin-test-token has no accessors/,
  );
});

test("payloads that Secret Manager refuses", () => {
  assert.equal(checkedPayload("é", "token"), "é");
  assert.equal(checkedPayload("x".repeat(65536), "token").length, 65536);
  assert.throws(() => checkedPayload("", "token"), /The value of secret token is empty/);
  assert.throws(() => checkedPayload("é".repeat(32769), "token"), /has 65538 bytes, the limit is 65536/);
});
