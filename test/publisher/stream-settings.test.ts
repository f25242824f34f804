/** Gateway and publisher read the same stream from the same environment. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { streamConfig, streamSettings } from "@odin-ws/publisher/stream-settings";
import { readCli } from "../../publisher/src/programs/cli-options.ts";
import { readServiceSettings } from "../../publisher/src/programs/service-settings.ts";
import { ConfigError, readConfig } from "../../server/src/config.ts";

type Env = Record<string, string>;
type Result = { stream: object } | { mistakes: readonly string[] };

function gateway(env: Env): Result {
  try {
    return { stream: streamConfig(streamSettings(readConfig({ AUTH_MODE: "none", ...env }))) };
  } catch (error) {
    if (error instanceof ConfigError) return { mistakes: error.mistakes };
    throw error;
  }
}

/** The stream that `npm run publish` and the service create, or their mistakes. */
function publishers(env: Env): Result[] {
  return [readCli([], env), readServiceSettings(env)].map((read) => {
    assert.notEqual(read, "help");
    if (typeof read === "string" || "mistakes" in read)
      return typeof read === "string" ? { mistakes: [] } : read;
    const { stream: name = "", createStream } = read.publisher;
    assert.ok(typeof createStream === "object");
    return { stream: streamConfig({ name, ...(createStream as Required<typeof createStream>) }) };
  });
}

const DEFAULTS = {
  name: "ODIN_TOKENS",
  subjects: ["odin.token.>", "odin.global.>"],
  retention: "limits",
  discard: "old",
  storage: "file",
  num_replicas: 1,
  max_age: 30_000_000_000, // 30 s
  max_msgs: 100_000,
  max_bytes: 52_428_800,
  duplicate_window: 30_000_000_000,
};

describe("settings of the stream", () => {
  for (const [env, difference] of [
    [{}, {}],
    [{ JS_STREAM_NAME: "", JS_STREAM_MAX_AGE: "" }, {}],
    [
      { JS_STREAM_NAME: "OTHER", JS_STORAGE: "memory", JS_REPLICAS: "3" },
      { name: "OTHER", storage: "memory", num_replicas: 3 },
    ],
    [{ JS_STREAM_MAX_AGE: "100ms" }, { max_age: 100_000_000, duplicate_window: 100_000_000 }],
    [{ JS_STREAM_MAX_AGE: "1h" }, { max_age: 3_600_000_000_000, duplicate_window: 120_000_000_000 }],
    [{ JS_STREAM_MAX_MSGS: "1000000000000" }, { max_msgs: 1e12 }],
    [{ JS_STREAM_MAX_BYTES: "1000000000000000" }, { max_bytes: 1e15 }],
  ] as const)
    test(`${JSON.stringify(env)} is the same stream for all`, () => {
      const stream = { ...DEFAULTS, ...difference };
      for (const result of [gateway(env), ...publishers(env)]) assert.deepEqual(result, { stream });
    });

  for (const [env, mistake] of [
    // The first four once started one program and stopped the other.
    [{ JS_STREAM_MAX_MSGS: "2000000000000" }, /^JS_STREAM_MAX_MSGS must be a whole number from 1 to /],
    [
      { JS_STREAM_MAX_BYTES: "2000000000000000" },
      /^JS_STREAM_MAX_BYTES must be a whole number from 1024 to /,
    ],
    [{ JS_STREAM_MAX_AGE: "0s" }, /^JS_STREAM_MAX_AGE must be a time from 100ms to 87600h .*, not "0s"$/],
    [{ JS_STREAM_MAX_AGE: "50ms" }, /^JS_STREAM_MAX_AGE must be a time from 100ms to 87600h .*, not "50ms"$/],
    [{ JS_STREAM_MAX_MSGS: "2e12" }, /^JS_STREAM_MAX_MSGS must be a whole number .*, not "2e12"$/],
    [{ JS_STREAM_MAX_AGE: "30" }, /^JS_STREAM_MAX_AGE must be a time/],
    [
      { JS_STREAM_NAME: "A.B" },
      /^JS_STREAM_NAME must be a stream name: up to 200 letters, digits, - and _, not "A\.B"$/,
    ],
    [{ JS_STORAGE: "tape" }, /^JS_STORAGE must be one of file, memory, not "tape"$/],
    [{ JS_REPLICAS: "6" }, /^JS_REPLICAS must be a whole number from 1 to 5, not "6"$/],
    [{ NATS_URL: "http://me:hunter2@a" }, /^NATS_URL must be URLs with nats:\/\/ or tls:\/\//],
    [{ NATS_CREDS_FILE: "no/such/file" }, /^NATS_CREDS_FILE cannot be read: ENOENT/],
    [
      { NATS_URL: "nats://me:hunter2@a", NATS_CREDS_FILE: fileURLToPath(import.meta.url) },
      /^NATS_CREDS_FILE cannot be used together with a user or token in NATS_URL/,
    ],
  ] as const)
    test(`${JSON.stringify(env)} is the same mistake for all`, () => {
      const [first, ...others] = [gateway(env), ...publishers(env)];
      assert.ok(first !== undefined && "mistakes" in first, JSON.stringify(first));
      assert.equal(first.mistakes.length, 1);
      assert.match(first.mistakes[0] ?? "", mistake);
      assert.doesNotMatch(first.mistakes.join(), /hunter/);
      for (const other of others) assert.deepEqual(other, first);
    });
});
