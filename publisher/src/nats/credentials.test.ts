import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { nkeys } from "@nats-io/transport-node";
import { watch } from "../publisher.fixture.ts";
import { startNats, withoutNats } from "./nats-server.fixture.ts";

type Key = ReturnType<typeof nkeys.createUser>;

const base64 = (data: string | Uint8Array): string => Buffer.from(data).toString("base64url");

/** A NATS token that `issuer` signs for `subject`. */
function sign(issuer: Key, subject: Key, nats: object): string {
  const claims = {
    jti: "1",
    iat: 1,
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: "test",
    nats,
  };
  const text = `${base64('{"typ":"JWT","alg":"ed25519-nkey"}')}.${base64(JSON.stringify(claims))}`;
  return `${text}.${base64(issuer.sign(Buffer.from(text)))}`;
}

/** A credentials file in the format of NATS. */
function credentials(account: Key, user: Key): string {
  const jwt = sign(account, user, { type: "user", version: 2, subs: -1, data: -1, payload: -1 });
  const block = (name: string, text: string) => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  return `${block("NATS USER JWT", jwt)}\n${block("USER NKEY SEED", Buffer.from(user.getSeed()).toString())}`;
}

suite("credentials, with a real nats-server", { skip: withoutNats, timeout: 120_000 }, () => {
  test("the credentials file is used, and read again at the next attempt to connect", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "odin-publisher-"));
    t.after(() => rm(folder, { recursive: true }));
    const [operator, account, system] = [
      nkeys.createOperator(),
      nkeys.createAccount(),
      nkeys.createAccount(),
    ];
    const connections = {
      subs: -1,
      data: -1,
      payload: -1,
      conn: -1,
      leaf: -1,
      imports: -1,
      exports: -1,
      wildcards: true,
    };
    const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
    const of = (limits: object) => ({ type: "account", version: 2, limits });
    const config = join(folder, "nats.conf");
    await writeFile(
      config,
      `operator: ${sign(operator, operator, { type: "operator", version: 2 })}
       system_account: ${system.getPublicKey()}
       resolver: MEMORY
       resolver_preload: {
         ${account.getPublicKey()}: ${sign(operator, account, of({ ...connections, ...storage }))}
         ${system.getPublicKey()}: ${sign(operator, system, of(connections))}
       }`,
    );
    const nats = await startNats(t, ["-c", config]);
    const credentialsFile = join(folder, "user.creds");
    // Credentials of an account that the server does not know.
    await writeFile(credentialsFile, credentials(nkeys.createAccount(), nkeys.createUser()));
    const watched = watch(t, { servers: nats.url, credentialsFile, createStream: true });
    const published = watched.publisher.publish({ id: "1", subject: "odin.global.test", data: {} });
    assert.match((await watched.reported("disconnected")).message, /authorization violation/i);
    await writeFile(credentialsFile, credentials(account, nkeys.createUser()));
    assert.deepEqual(await published, { offset: 1, duplicate: false });
    await watched.publisher.close();
  });
});
