/** Settings: a wrong value stops the start, and each mistake gets one line. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { runGateway, startGateway } from "../harness/gateway.ts";
import { eventually } from "../harness/wait.ts";

// The lines of the output that name this variable.
const naming = (output: string, name: string) =>
  output.split("\n").filter((line) => new RegExp(`\\b${name}\\b`).test(line));

describe("settings", { concurrency: true }, () => {
  test("the error for jwt without a key names all three variables for a key", async (t) => {
    for (const mode of ["", "jwt"]) {
      const { code, output } = await runGateway(t, { AUTH_MODE: mode });
      assert.ok(code !== 0 && code !== null, `exit code ${code}`);
      const line = output.split("\n").find((one) => one.includes("JWT_SECRET"));
      assert.match(line ?? output, /JWT_PUBLIC_KEY/);
      assert.match(line ?? output, /JWKS_URL/);
    }
  });

  test("all mistakes are reported at once, with one line each", async (t) => {
    const wrong = {
      AUTH_MODE: "maybe",
      WS_PORT: "abc",
      OPS_PORT: "70000",
      WS_PATH: "no-slash",
      WS_ALLOWED_ORIGINS: "https://app.example.com,https://*.example.com",
      JWKS_URL: "https://me:secret@id.example/keys",
      JWT_SECRET: "-----BEGIN PUBLIC KEY-----",
      WS_MAX_CONNECTIONS: "-1",
      WS_MAX_CONNECTIONS_PER_USER: "many",
      WS_CPU_REJECT_THRESHOLD: "high",
      WS_COMPRESSION: "perhaps",
      WS_THROTTLE_POLICY: "random",
      WS_THROTTLE_LIGHT_PERCENT: "200",
      WS_DRAIN_SECONDS: "1h",
      LOG_LEVEL: "loud",
      LOG_FORMAT: "xml",
      SOURCE: "carrier-pigeon",
      JS_STREAM_MAX_AGE: "soon",
      GCP_METRICS: "2",
    };
    const { code, output } = await runGateway(t, wrong);
    assert.ok(code !== 0 && code !== null, `exit code ${code}`);
    for (const name of Object.keys(wrong)) {
      assert.equal(naming(output, name).length, 1, `one line for ${name} in:\n${output}`);
    }
    assert.doesNotMatch(output, /^\s+at .+:\d+/m, "a mistake in the settings must not print a stack trace");
  });

  test("the error for a source without an address names the variable for the address", async (t) => {
    const jetstream = await runGateway(t, { SOURCE: "jetstream" });
    assert.notEqual(jetstream.code, 0);
    assert.ok(naming(jetstream.output, "NATS_URL").length > 0, jetstream.output);
    const poll = await runGateway(t, { SOURCE: "poll" });
    assert.notEqual(poll.code, 0);
    assert.ok(naming(poll.output, "POLL_URL").length > 0, poll.output);
  });

  test("a port in use stops the start, and the error names the port", async (t) => {
    const gateway = await startGateway(t);
    for (const env of [{ WS_PORT: String(gateway.wsPort) }, { OPS_PORT: String(gateway.opsPort) }]) {
      const { code, output } = await runGateway(t, env);
      assert.ok(code !== 0 && code !== null, `exit code ${code}`);
      assert.ok(output.includes(Object.values(env)[0] ?? ""), output);
    }
    await gateway.assertAlive();
  });

  test("logs are JSON lines without secrets, and LOG_LEVEL and LOG_FORMAT apply", async (t) => {
    const secret = "a secret that nobody must ever find in a log";
    const gateway = await startGateway(t, { env: { AUTH_MODE: "jwt", JWT_SECRET: secret } });
    const { process } = gateway;
    const lines = process.output.trim().split("\n");
    assert.ok(lines.length > 0);
    for (const line of lines) assert.equal(typeof JSON.parse(line), "object", line);
    assert.equal(process.output.includes(secret), false);
    const quiet = await startGateway(t, { env: { LOG_LEVEL: "error" } });
    assert.equal(quiet.process.output, "");
    const pretty = await startGateway(t, { env: { LOG_FORMAT: "pretty" } });
    await eventually("a readable line", () => /gateway/.test(pretty.process.output));
    assert.doesNotMatch(pretty.process.output, /^\{/m);
  });
});
