import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { InvalidOptionsError } from "./errors.ts";
import { type PublisherOptions, readOptions } from "./options.ts";

function problemsOf(options: PublisherOptions): readonly string[] {
  try {
    readOptions(options);
  } catch (error) {
    assert.ok(error instanceof InvalidOptionsError, String(error));
    return error.problems;
  }
  assert.fail("accepted");
}

test("without options, all settings have their documented defaults", () => {
  const { onStatus, ...settings } = readOptions({});
  assert.deepEqual(settings, {
    servers: ["127.0.0.1:4222"],
    login: {},
    tls: false,
    credentialsFile: undefined,
    name: "odin-publisher",
    stream: {
      name: "ODIN_TOKENS",
      storage: "file",
      replicas: 1,
      maxAgeSeconds: 30,
      maxMessages: 100_000,
      maxBytes: 52_428_800,
    },
    createStream: false,
    homeDomain: undefined,
    maxQueueEvents: 10_000,
    maxQueueBytes: 16_777_216,
    maxInFlight: 512,
    ackTimeoutMs: 2_000,
  });
});

test("servers may be a list, contain a login, and require TLS", () => {
  const of = (servers: string | string[]) => {
    const { servers: hosts, login, tls } = readOptions({ servers });
    return { hosts, login, tls };
  };
  assert.deepEqual(of("nats://a, b:4333,nats://[::1]:5"), {
    hosts: ["a:4222", "b:4333", "[::1]:5"],
    login: {},
    tls: false,
  });
  assert.deepEqual(of(["tls://connect.example:4222"]), {
    hosts: ["connect.example:4222"],
    login: {},
    tls: true,
  });
  assert.deepEqual(of("nats://me:a%3Ab%20c@a,nats://me:a%3Ab%20c@b"), {
    hosts: ["a:4222", "b:4222"],
    login: { user: "me", pass: "a:b c" },
    tls: false,
  });
  assert.deepEqual(of("nats://t0ken%zz@a").login, { token: "t0ken%zz" });
});

test("every mistake is named, and no password is repeated", () => {
  const problems = problemsOf({
    servers: "http://me:secret@a",
    credentialsFile: "no/such/file",
    name: "a b",
    stream: "A.B",
    createStream: { replicas: 1.5, maxAgeSeconds: 0 },
    maxQueueEvents: 0,
    maxQueueBytes: Number.NaN,
    maxInFlight: -1,
    ackTimeoutMs: 1,
  });
  assert.deepEqual(problems.map((problem) => problem.split(":")[0]).toSorted(), [
    "ackTimeoutMs",
    "createStream.maxAgeSeconds",
    "createStream.replicas",
    "credentialsFile",
    "maxInFlight",
    "maxQueueBytes",
    "maxQueueEvents",
    "name",
    "servers",
    "stream",
  ]);
  assert.doesNotMatch(problems.join(), /secret/);
  assert.match(problemsOf({ servers: [] }).join(), /empty/);
  assert.match(problemsOf({ servers: "nats://a,tls://b" }).join(), /either all/);
  assert.match(problemsOf({ servers: "nats://me:1@a,nats://me:2@b" }).join(), /same user/);
  const both = { servers: "nats://me:secret@a", credentialsFile: fileURLToPath(import.meta.url) };
  assert.match(problemsOf(both).join("\n"), /^credentialsFile: cannot be used together .*$/);
});
