import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Config, ConfigError, readConfig } from "./config.ts";

const NONE = { AUTH_MODE: "none" };
const read = (env: NodeJS.ProcessEnv): Config => readConfig({ ...NONE, ...env });

function mistakes(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.mistakes;
  }
}

test("origins are read in the form in which browsers send them", () => {
  for (const [given, sent] of [
    ["https://app.example.com/", "https://app.example.com"],
    ["HTTPS://App.Example.COM", "https://app.example.com"],
    ["https://app.example.com:443", "https://app.example.com"],
    ["http://app.example.com:80/", "http://app.example.com"],
    ["http://localhost:5173", "http://localhost:5173"],
    ["https://app.example.com:80", "https://app.example.com:80"],
    ["https://münchen.example", "https://xn--mnchen-3ya.example"],
    ["http://[::1]:3000", "http://[::1]:3000"],
    ["capacitor://localhost", "capacitor://localhost"],
    ["chrome-extension://abcdefgh", "chrome-extension://abcdefgh"],
    ["null", "null"],
  ] as const)
    assert.deepEqual(read({ WS_ALLOWED_ORIGINS: given }).WS_ALLOWED_ORIGINS, [sent], given);
});

test("a value that can never work is refused, with what is allowed", () => {
  const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" }).toString();
  const refused: [string, string[], RegExp][] = [
    [
      "WS_ALLOWED_ORIGINS",
      [
        "*",
        "https://*.example.com",
        "https://app.example.com/path",
        "https://app.example.com?x=1",
        "https://app.example.com#x",
        "app.example.com",
        "localhost:3000",
        "wss://app.example.com",
        "https://me:secret@app.example.com",
        "https://one.example https://two.example",
        "https://one.example;https://two.example",
        "https://",
        "file:///",
      ],
      /https:\/\/app\.example\.com/,
    ],
    [
      "WS_PATH",
      ["ws", "/ws x", "/ws?x=1", "/ws#x", "//ws", "/a/../b", "/./ws", "/wś", "/ws\\x", "/{x}", "/ws\t"],
      /such as \/ws/,
    ],
    [
      "WS_TRUSTED_PROXIES",
      ["10.0.0.1", "10.0.0.0/8/8", "fe80::1%eth0/64", "10.0.0.0/", "10.0.0.0/0008", "proxy.example/32"],
      /10\.0\.0\.0\/8/,
    ],
    ["JWKS_URL", ["ftp://a", "https://me:secret@a/keys", "https://token@a/keys"], /must be a URL/],
    ["JS_STREAM_NAME", ["x".repeat(201)], /200/],
    ["JS_CONSUMER_NAME", ["x".repeat(201)], /200/],
    ["JS_STREAM_MAX_AGE", ["0s", "99ms", "99999999h"], /100ms to 87600h/],
    ["JWKS_MAX_AGE", ["0s", "48h"], /1s to 24h/],
    ["JWT_SECRET", [pem(generateKeyPairSync("ed25519").publicKey)], /JWT_PUBLIC_KEY/],
    [
      "JWT_PUBLIC_KEY",
      [
        generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey,
        generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey,
        generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey,
        generateKeyPairSync("ed448").publicKey,
        generateKeyPairSync("x25519").publicKey,
      ].map(pem),
      /RSA of 2048 bits/,
    ],
  ];
  for (const [variable, values, allowed] of refused) {
    const isKey = /^JW/.test(variable);
    const base: NodeJS.ProcessEnv = isKey && variable !== "JWKS_MAX_AGE" ? {} : NONE;
    for (const value of values) {
      const [line = "", ...more] = mistakes({ ...base, [variable]: value });
      assert.match(line, new RegExp(`^${variable} must `), `${variable}=${value}`);
      assert.match(line, allowed, line);
      assert.deepEqual(more, [], `${variable}=${value}`);
    }
  }
  for (const path of ["/", "/ws/", "/WS", "/a/b-c_d.e", "/ws%20x"])
    assert.equal(read({ WS_PATH: path }).WS_PATH, path);
  for (const key of [
    generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey,
    generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey,
    generateKeyPairSync("ed25519").publicKey,
  ])
    assert.deepEqual(mistakes({ JWT_PUBLIC_KEY: pem(key) }), []);
});

test("combinations that can never work are refused", () => {
  for (const [env, line] of [
    [{ POLL_URL: "https://a/events" }, /^SOURCE must be poll when POLL_URL is set/],
    [{ NATS_CREDS_FILE: fileURLToPath(import.meta.url) }, /^NATS_URL is missing: NATS_CREDS_FILE/],
    [{ WS_PATH: "/", DEMO_PAGE: "client/demo" }, /^WS_PATH must not be \/ with DEMO_PAGE/],
    [{ JWKS_MAX_AGE: "2h", JWKS_MAX_STALE_AGE: "1h" }, /^JWKS_MAX_STALE_AGE must not be below/],
    [{ WS_THROTTLE_POLICY: "rate", WS_THROTTLE_LIGHT_PERCENT: "40" }, /must not rise \(40, 50, 25\)/],
  ] as const) {
    const lines = mistakes({ ...NONE, ...env });
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0] as string, line);
  }
  assert.equal(read({ WS_THROTTLE_LIGHT_PERCENT: "40" }).WS_THROTTLE_LIGHT_PERCENT, 40, "not used");
});
