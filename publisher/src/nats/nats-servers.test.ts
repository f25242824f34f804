import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerCertificate } from "node:tls";
import fc from "fast-check";
import { connectionOptions, readNatsServers } from "./nats-servers.ts";

const FORM = /^must be URLs with nats:\/\/ or tls:\/\//;

test("a user and password, or a token, in one URL are used for all servers", () => {
  assert.deepEqual(readNatsServers("tls://me:a%3Ab@10.0.0.5:4222, tls://10.0.0.6"), {
    servers: ["10.0.0.5:4222", "10.0.0.6:4222"],
    login: { user: "me", pass: "a:b" },
    tls: true,
    problems: [],
  });
  assert.deepEqual(readNatsServers(["nats://t0ken@a", "nats://t0ken@b:80"]), {
    servers: ["a:4222", "b:80"],
    login: { token: "t0ken" },
    tls: false,
    problems: [],
  });
});

test("any percent-encoded user and password is decoded", () => {
  const text = fc.string({ minLength: 1 });
  fc.assert(
    fc.property(text, text, (user, pass) => {
      const url = `nats://${encodeURIComponent(user)}:${encodeURIComponent(pass)}@a`;
      assert.deepEqual(readNatsServers(url).login, { user, pass });
    }),
  );
});

test("mistakes are reported without a password", () => {
  for (const [urls, ...problems] of [
    ["http://me:hunter2@a", FORM],
    ["nats://", FORM],
    ["nats://me:hunt/er2@a", FORM],
    ["nats://me:12?hunter2@a", FORM],
    ["nats://me:12#hunter2@a", FORM],
    ["nats://me:hunter2@a/path", FORM],
    ["nats://me:12,hunter2@a", /number 2/],
    ["nats://:hunter2@a", /^has a password without a user in URL number 1$/],
    ["nats://me:hunter2@a,nats://me:hunter3@b", /^must have the same user and password/],
    ["nats://hunter2@a,nats://hunter3@b", /^must have the same user and password/],
    ["nats://a,tls://b", /^must be either all nats:\/\/ or all tls:\/\/$/],
  ] satisfies [string, ...RegExp[]][]) {
    const { problems: found } = readNatsServers(urls);
    assert.equal(found.length, problems.length, `${urls}: ${found.join("; ")}`);
    for (const [index, pattern] of problems.entries()) assert.match(found[index] ?? "", pattern, urls);
    assert.doesNotMatch(found.join(), /hunt|er,?[23]/);
  }
});

test("tls:// requires TLS, nats:// leaves the choice to the server", () => {
  const { tls: none, ...plain } = connectionOptions(readNatsServers("nats://me:secret@a"));
  assert.equal(none, undefined);
  assert.deepEqual(plain, { servers: ["a:4222"], user: "me", pass: "secret" });
  assert.ok(connectionOptions(readNatsServers("tls://a")).tls);
});

test("a certificate is checked against the address when the client gives no name", () => {
  const check = (urls: string, name: string, subjectaltname: string): boolean => {
    const { tls } = connectionOptions(readNatsServers(urls));
    const { checkServerIdentity } = tls as {
      checkServerIdentity: (name: string, certificate: PeerCertificate) => Error | undefined;
    };
    const certificate = { subject: { CN: "any" }, subjectaltname } as unknown as PeerCertificate;
    return checkServerIdentity(name, certificate) === undefined;
  };
  const cluster = "tls://10.0.0.5,tls://[fd00::6]:4223";
  // Node uses "localhost" when it gets no name.
  assert.ok(check(cluster, "localhost", "IP Address:10.0.0.5"));
  assert.ok(check(cluster, "localhost", "IP Address:FD00:0:0:0:0:0:0:6"));
  assert.ok(!check(cluster, "localhost", "IP Address:10.0.0.7"));
  assert.ok(!check(cluster, "localhost", "DNS:localhost"));
  assert.ok(
    !check("tls://nats.example", "localhost", "DNS:localhost"),
    "no name was given, and the only server has a name",
  );
  assert.ok(check("tls://nats.example", "nats.example", "DNS:nats.example"));
  assert.ok(!check("tls://nats.example", "nats.example", "DNS:other.example"));
  assert.ok(!check("tls://nats.example,tls://10.0.0.5", "nats.example", "IP Address:10.0.0.5"));
  assert.ok(check("tls://localhost", "localhost", "DNS:localhost"));
});
