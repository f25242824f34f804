import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { type Config, ConfigError, readConfig, unknownSettings } from "./config.ts";

const NONE = { AUTH_MODE: "none" };
const read = (env: NodeJS.ProcessEnv): Config => readConfig({ ...NONE, ...env });

function mistakes(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.message, error.mistakes.join("\n"));
    for (const line of error.mistakes) assert.doesNotMatch(line, /\n/);
    return error.mistakes;
  }
  return [];
}

test("the documented defaults", () => {
  const expected = {
    WS_PORT: 3004,
    WS_PATH: "/ws",
    OPS_PORT: 3002,
    WS_MAX_CONNECTIONS: 10_000,
    WS_MAX_CONNECTIONS_PER_USER: 3,
    WS_CPU_LIMIT: 1.9,
    WS_CPU_REJECT_THRESHOLD: 75,
    WS_CPU_PAUSE_THRESHOLD: 80,
    WS_MEMORY_LIMIT: 7_516_192_768,
    WS_MAX_NATS_RATE: 1000,
    WS_MAX_BROADCAST_RATE: 1000,
    WS_COMPRESSION: true,
    WS_REPLAY_BUFFER: 100,
    WS_SEND_BUFFER_BYTES: 262_144,
    WS_WRITE_DELAY_MS: 0,
    WS_DRAIN_SECONDS: 60,
    WS_THROTTLE_ENABLED: true,
    WS_THROTTLE_POLICY: "priority",
    WS_THROTTLE_LIGHT_PERCENT: 75,
    WS_THROTTLE_MEDIUM_PERCENT: 50,
    WS_THROTTLE_HEAVY_PERCENT: 25,
    WS_THROTTLE_RECOVERY_SECONDS: 30,
    WS_THROTTLE_MAX_LEVEL: 3,
    WS_THROTTLE_ROLLOUT_PERCENT: 100,
    ENABLE_SUBSCRIPTION_FILTERING: true,
    JS_STREAM_NAME: "ODIN_TOKENS",
    JS_STORAGE: "file",
    JS_REPLICAS: 1,
    JS_STREAM_MAX_AGE: 30_000,
    JS_STREAM_MAX_MSGS: 100_000,
    JS_STREAM_MAX_BYTES: 52_428_800,
    JS_CONSUMER_NAME: "ws-server",
    POLL_INTERVAL_MS: 100,
    SOURCE: "simulator",
    LOG_LEVEL: "info",
    LOG_FORMAT: "json",
    GCP_METRICS: "auto",
    WS_MAX_HANDSHAKE_WAIT_MS: 4000,
    WS_MAX_MESSAGE_BYTES: 4096,
    WS_MAX_CHANNELS: 256,
    WS_INBOUND_RATE: 20,
    WS_INBOUND_BURST: 40,
    WS_PING_SECONDS: 25,
  };
  const config = read({});
  for (const [variable, value] of Object.entries(expected)) {
    assert.deepEqual(config[variable as keyof Config], value, variable);
  }
  assert.ok(config.WS_WORKER_POOL_SIZE >= 1);
});

test("reads numbers, times, lists and switches", () => {
  const config = read({
    WS_PORT: "0",
    WS_CPU_LIMIT: "0.5",
    JS_STREAM_MAX_AGE: "5m",
    WS_ALLOWED_ORIGINS: " https://a.example , ,https://b.example",
    WS_COMPRESSION: "false",
    WS_TRUSTED_PROXIES: "10.0.0.0/8,fd00::/8",
  });
  assert.deepEqual(
    [config.WS_PORT, config.WS_CPU_LIMIT, config.JS_STREAM_MAX_AGE, config.WS_COMPRESSION],
    [0, 0.5, 300_000, false],
  );
  assert.deepEqual(config.WS_ALLOWED_ORIGINS, ["https://a.example", "https://b.example"]);
  for (const [text, ms] of [
    ["500ms", 500],
    ["30s", 30_000],
    ["1h", 3_600_000],
  ] as const) {
    assert.equal(read({ JS_STREAM_MAX_AGE: text }).JS_STREAM_MAX_AGE, ms);
  }
});

test("an empty variable counts as unset", () => {
  assert.equal(read({ WS_PORT: "", NATS_URL: "", WS_PATH: "" }).WS_PORT, 3004);
});

test("all wrong values are reported together, one line for each, with variable and value", () => {
  const wrong: Record<string, string> = {
    WS_PORT: "70000",
    WS_PATH: "ws",
    WS_MAX_CONNECTIONS: "many",
    WS_CPU_LIMIT: "-1",
    WS_MEMORY_LIMIT: "7GB",
    WS_COMPRESSION: "yes",
    WS_THROTTLE_POLICY: "random",
    WS_THROTTLE_MAX_LEVEL: "4",
    WS_REPLAY_BUFFER: "1e3",
    JS_STREAM_MAX_AGE: "30",
    JS_STREAM_NAME: "two words",
    JS_STORAGE: "tape",
    SOURCE: "kafka",
    LOG_LEVEL: "loud",
    GCP_METRICS: "true",
    POLL_INTERVAL_MS: "1",
    // Below these values, the client library would be closed or not read.
    WS_MAX_MESSAGE_BYTES: "4095",
    WS_INBOUND_RATE: "19",
    WS_INBOUND_BURST: "9",
  };
  const lines = mistakes({ ...NONE, ...wrong });
  for (const [variable, value] of Object.entries(wrong)) {
    const about = lines.filter((line) => line.startsWith(`${variable} `));
    assert.equal(about.length, 1, `${variable}: ${lines.join("\n")}`);
    assert.ok(about[0]?.includes(JSON.stringify(value)), about[0]);
  }
  assert.equal(lines.length, Object.keys(wrong).length);
});

test("the value of a secret is not repeated in the error", () => {
  const lines = mistakes({ JWT_PUBLIC_KEY: "tooshort", NATS_URL: "http://me:hunter2@nats" });
  assert.ok(lines.some((line) => line.startsWith("JWT_PUBLIC_KEY ")));
  assert.ok(lines.some((line) => line.startsWith("NATS_URL ")));
  assert.doesNotMatch(lines.join(), /tooshort|hunter2/);
});

test("NATS_URL may contain a login; the error for an invalid URL does not repeat it", () => {
  const NATS_URL = "tls://me:hunter%2F2@10.0.0.5:4222,tls://10.0.0.6:4222";
  assert.equal(read({ NATS_URL }).NATS_URL, NATS_URL);
  const of = (env: NodeJS.ProcessEnv): string => {
    const lines = mistakes({ ...NONE, ...env });
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.doesNotMatch(lines.join(), /hunter/);
    return lines.join();
  };
  assert.match(
    of({ NATS_URL: "nats://me:hunter1@a,nats://me:hunter2@b" }),
    /^NATS_URL must have the same user/,
  );
  assert.match(of({ NATS_URL: "nats://hunter@a,tls://b" }), /^NATS_URL must be either all/);
  assert.match(of({ NATS_URL: "ws://me:hunter1@a" }), /^NATS_URL must be URLs with nats:\/\/ or tls:\/\//);
  const NATS_CREDS_FILE = fileURLToPath(import.meta.url);
  assert.match(of({ JS_HOME_DOMAIN: "home" }), /^NATS_URL is missing: JS_HOME_DOMAIN has no use without it$/);
  assert.match(
    of({ NATS_URL: "nats://a", JS_HOME_DOMAIN: "$JS.home" }),
    /^JS_HOME_DOMAIN must be a JetStream domain/,
  );
  assert.equal(read({ NATS_URL: "nats://a", JS_HOME_DOMAIN: "home" }).JS_HOME_DOMAIN, "home");
  assert.match(of({ NATS_URL: "nats://hunter@a", NATS_CREDS_FILE }), /^NATS_CREDS_FILE .*NATS_URL/);
  assert.equal(read({ NATS_URL: "nats://a", NATS_CREDS_FILE }).NATS_CREDS_FILE, NATS_CREDS_FILE);
});

test("settings that contradict each other are reported in one line", () => {
  const one = (env: NodeJS.ProcessEnv) => {
    const lines = mistakes(env);
    assert.equal(lines.length, 1, lines.join("\n"));
    return lines[0] as string;
  };
  assert.match(one({}), /AUTH_MODE .*JWT_SECRET.*JWT_PUBLIC_KEY.*JWKS_URL/);
  assert.match(
    one({ JWT_SECRET_PREVIOUS: "x".repeat(32), JWKS_URL: "https://a/keys" }),
    /^JWT_SECRET is missing: JWT_SECRET_PREVIOUS/,
  );
  assert.match(one({ JWT_SECRET: "x".repeat(32), JWKS_URL: "https://a/keys" }), /JWT_SECRET and JWKS_URL/);
  assert.match(one({ ...NONE, SOURCE: "jetstream" }), /NATS_URL/);
  assert.match(one({ ...NONE, SOURCE: "poll" }), /POLL_URL/);
  assert.match(one({ ...NONE, WS_PORT: "4000", OPS_PORT: "4000" }), /OPS_PORT.*WS_PORT/);
  assert.match(one({ ...NONE, WS_CPU_PAUSE_THRESHOLD: "50" }), /WS_CPU_PAUSE_THRESHOLD/);
  assert.match(one({ ...NONE, NATS_CREDS_FILE: "/nowhere/x.creds" }), /NATS_CREDS_FILE/);
  for (const range of ["10.0.0.0", "localhost/8", "10.0.0.0/x"]) {
    assert.match(one({ ...NONE, WS_TRUSTED_PROXIES: range }), /WS_TRUSTED_PROXIES/, range);
  }
});

test("a range of proxies has no more bits than an address", () => {
  for (const range of ["10.0.0.0/33", "fd00::/129"]) {
    assert.match(mistakes({ ...NONE, WS_TRUSTED_PROXIES: range }).join(), /WS_TRUSTED_PROXIES/, range);
  }
});

test("a malformed setting is not also called missing", () => {
  for (const env of [
    { JWT_PUBLIC_KEY: "no key" },
    { ...NONE, SOURCE: "poll", POLL_URL: "ftp://a" },
    { ...NONE, SOURCE: "jetstream", NATS_URL: "http://a" },
  ]) {
    const lines = mistakes(env);
    assert.equal(lines.length, 1, lines.join("\n"));
  }
});

test("an invalid public key is reported with its variable", () => {
  const lines = mistakes({
    JWT_PUBLIC_KEY: "-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----",
  });
  assert.match(lines.join(), /JWT_PUBLIC_KEY/);
});

test("a comma in a URL's query is part of the URL", () => {
  const POLL_URL = "https://backend.example/events?kinds=trade,social";
  assert.equal(read({ SOURCE: "poll", POLL_URL }).POLL_URL, POLL_URL);
});

test("the default source follows from the other settings", () => {
  assert.equal(read({}).SOURCE, "simulator");
  assert.equal(read({ NATS_URL: "tls://a:4222,tls://b:4222" }).SOURCE, "jetstream");
  assert.equal(read({ NATS_URL: "nats://a:4222", SOURCE: "simulator" }).SOURCE, "simulator");
  assert.equal(read({ POLL_URL: "https://a/events", SOURCE: "poll" }).SOURCE, "poll");
});

test("for any environment the only error is the list of mistakes", () => {
  const variables = Object.keys(read({}));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...variables), fc.string(), { maxKeys: 6 }), (env) => {
      const lines = mistakes(env);
      for (const line of lines) assert.match(line, /^[A-Z_]+ /);
    }),
  );
});

test("misspelled variables are found when they look like settings", () => {
  const env = { WS_PORT: "1", WS_MAX_CONECTIONS: "5", JWT_SECRT: "x", PATH: "/bin", NODE_ENV: "x" };
  assert.deepEqual(unknownSettings(env), ["WS_MAX_CONECTIONS", "JWT_SECRT"]);
});
