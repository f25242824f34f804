import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { watch } from "../publisher.fixture.ts";
import { createAccount, strangeCredentials } from "./credentials.fixture.ts";
import { CredentialsWatch, expiryOf } from "./credentials.ts";
import { startNats, withoutNats } from "./nats-server.fixture.ts";

/** A NATS server with one account, and the path of a credentials file that does not exist yet. */
async function setUp(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "odin-publisher-"));
  t.after(() => rm(folder, { recursive: true }));
  const account = createAccount();
  const config = join(folder, "nats.conf");
  await writeFile(config, account.config);
  const nats = await startNats(t, ["-c", config]);
  const credentialsFile = join(folder, "user.creds");
  return { account, nats, credentialsFile };
}

suite("credentials, with a real nats-server", { skip: withoutNats, timeout: 120_000 }, () => {
  test("the credentials file is used, and read again at the next attempt to connect", async (t) => {
    const { account, nats, credentialsFile } = await setUp(t);
    await writeFile(credentialsFile, strangeCredentials());
    const watched = watch(t, { servers: nats.url, credentialsFile, createStream: true });
    const published = watched.publisher.publish({ id: "1", subject: "odin.global.test", data: {} });
    assert.match((await watched.reported("disconnected")).message, /authorization violation/i);
    assert.equal(watched.publisher.stats().credentialsEnd, undefined);
    const exp = Math.floor(Date.now() / 1000) + 5 * DAY;
    await writeFile(credentialsFile, account.credentials({ exp }));
    assert.deepEqual(await published, { offset: 1, duplicate: false });
    await watched.publisher.close();
    const next = watch(t, { servers: nats.url, credentialsFile });
    assert.match(
      (await next.reported("problem")).message,
      /user\.creds expires in [45] days, at .*Z: replace/,
    );
    assert.equal(next.publisher.stats().credentialsEnd, exp);
    await next.publisher.close();
  });

  test("a user that expires is replaced without a loss, because the file was replaced before", async (t) => {
    const { account, nats, credentialsFile } = await setUp(t);
    await writeFile(credentialsFile, account.credentials({ exp: Math.floor(Date.now() / 1000) + 2 }));
    const watched = watch(t, { servers: nats.url, credentialsFile, createStream: true });
    const publish = (id: number) =>
      watched.publisher.publish({ id: `${id}`, subject: "odin.global.test", data: {} });
    assert.equal((await publish(1)).offset, 1);
    await writeFile(credentialsFile, account.credentials());
    const { message } = await watched.reported("disconnected");
    assert.match(message, /expired/i);
    assert.deepEqual(
      await Promise.all([publish(2), publish(3)].map(async (one) => (await one).offset)),
      [2, 3],
    );
    await watched.publisher.close();
  });
});

const DAY = 86_400;
const jwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;
const file = (claims: object) =>
  `-----BEGIN NATS USER JWT-----\n${jwt(claims)}\n------END NATS USER JWT------\n`;

test("the expiry is read from a credentials file and from a token, if they have one", () => {
  assert.equal(expiryOf(file({ exp: 5 })), 5);
  assert.equal(expiryOf(file({ exp: 5 }).replaceAll("\n", "\r\n")), 5);
  assert.equal(expiryOf(jwt({ exp: 5 })), 5);
  for (const text of [file({}), file({ exp: 0 }), file({ exp: "5" }), jwt({}), "secret", "a.b.c", ""])
    assert.equal(expiryOf(text), undefined, text);
});

test("a warning comes once a day from 30 days before the end on, also when the file is replaced", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "odin-publisher-"));
  t.after(() => rm(folder, { recursive: true }));
  const credentialsFile = join(folder, "user.creds");
  const warnings: string[] = [];
  let now = 1_000_000_000; // seconds
  const watched = new CredentialsWatch({
    credentialsFile,
    token: undefined,
    warn: (message) => void warnings.push(message),
    now: () => now * 1000,
  });
  const checkFor = (seconds: number) => {
    for (const until = now + seconds; now < until; now += 3600) watched.check();
    return warnings.splice(0).map((text) => text.replace(/^the user in .*user\.creds /, ""));
  };
  await writeFile(credentialsFile, file({ exp: now + 32 * DAY }));
  assert.deepEqual(checkFor(2 * DAY), []);
  const first = checkFor(DAY);
  assert.match(first[0] ?? "", /^expires in 30 days, at 2001-10-11T\S+Z: replace the file/);
  assert.ok(first.length <= 2, `${first.length} warnings a day`);
  await rm(credentialsFile);
  assert.ok(checkFor(28 * DAY).length >= 27, "a file that is gone for a moment hides nothing");
  await writeFile(credentialsFile, file({ exp: now }));
  assert.match(checkFor(7200)[0] ?? "", /^expired at 2001-/);
  await writeFile(credentialsFile, file({ exp: now + 100 * DAY }));
  assert.deepEqual([checkFor(DAY), watched.end], [[], now + 99 * DAY]);
});
