import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { TOKEN_EVENTS } from "@odin-ws/protocol";
import { SAME_SIGNAL_MS } from "@odin-ws/settings/signals";
import { freePort, newNats, startNats, withoutNats } from "../nats/nats-server.fixture.ts";
import { readCli } from "./cli-options.ts";

const CLI = fileURLToPath(new URL("cli.ts", import.meta.url));

interface Run {
  code: Promise<number | null>;
  stdout: () => string;
  stderr: () => string;
  signal(signal: NodeJS.Signals): void;
  /** Resolves when the output matches the pattern. */
  said(pattern: RegExp): Promise<RegExpMatchArray>;
}

function run(
  t: { after(work: () => void): void },
  args: readonly string[],
  env: Record<string, string> = {},
): Run {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => void child.kill("SIGKILL"));
  const text = { stdout: "", stderr: "" };
  const listeners = new Set<() => void>();
  const code = Promise.withResolvers<number | null>();
  let closed = false;
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk) => {
      text[name] += chunk;
      for (const listener of listeners) listener();
    });
  }
  child.on("error", code.reject);
  child.on("close", (exit) => {
    closed = true;
    code.resolve(exit);
    for (const listener of listeners) listener();
  });
  return {
    code: code.promise,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    signal: (signal) => void child.kill(signal),
    said: (pattern) => {
      const { promise, resolve, reject } = Promise.withResolvers<RegExpMatchArray>();
      const look = () => {
        const match = text.stdout.match(pattern);
        if (match !== null) resolve(match);
        else if (closed)
          reject(
            new Error(
              `the program ended without output that matches ${pattern}:\n${text.stdout}${text.stderr}`,
            ),
          );
      };
      listeners.add(look);
      look();
      return promise;
    },
  };
}

test("defaults, and the sources of server and stream", () => {
  const plain = readCli([], {});
  assert.ok(typeof plain === "object" && "rate" in plain);
  const { seed, ...options } = plain;
  assert.ok(Number.isSafeInteger(seed));
  assert.deepEqual(options, {
    rate: 12,
    tokens: 200,
    seconds: undefined,
    servers: "127.0.0.1:4222",
    publisher: {
      stream: "ODIN_TOKENS",
      createStream: {
        storage: "file",
        replicas: 1,
        maxAgeSeconds: 30,
        maxMessages: 100_000,
        maxBytes: 52_428_800,
      },
    },
  });
  const args = ["--rate", "0.5", "--tokens=7", "--seconds", "2.5", "--seed", "3"];
  const env = {
    NATS_URL: "nats://me:secret@one",
    NATS_CREDS_FILE: "",
    JS_STREAM_NAME: "OTHER",
    JS_STORAGE: "memory",
    JS_REPLICAS: "3",
    JS_STREAM_MAX_AGE: "5m",
    JS_STREAM_MAX_MSGS: "10",
    JS_STREAM_MAX_BYTES: "2048",
  };
  assert.deepEqual(readCli(args, env), {
    rate: 0.5,
    tokens: 7,
    seconds: 2.5,
    seed: 3,
    servers: "one:4222",
    publisher: {
      servers: "nats://me:secret@one",
      stream: "OTHER",
      createStream: { storage: "memory", replicas: 3, maxAgeSeconds: 300, maxMessages: 10, maxBytes: 2_048 },
    },
  });
  const both = readCli(["--url", "nats://two"], env);
  assert.ok(typeof both === "object" && "rate" in both);
  assert.equal(both.servers, "two:4222");
});

suite("with a real nats-server", { skip: withoutNats, concurrency: true, timeout: 120_000 }, () => {
  test("--rate 30 --seconds 2 publishes 60 events and trending, and reports", async (t) => {
    const nats = await startNats(t);
    const cli = run(t, ["--rate", "30", "--seconds", "2", "--seed", "5"], { NATS_URL: nats.url });
    assert.equal(await cli.code, 0, cli.stderr());
    const [, published, stored] = await cli.said(
      /ended after 2\.\d s: published (\d+), stored (\d+), waiting 0\n$/,
    );
    assert.equal(stored, published);
    const messages = await nats.read();
    assert.equal(messages.length, Number(stored));
    assert.equal(messages[0]?.subject, "odin.global.trending");
    // On a busy machine, the last events may come too late.
    assert.ok(messages.length >= 50 && messages.length <= 62, `${messages.length} events`);
    const events = new Set(messages.map(({ subject }) => subject.split(".").at(-1)));
    assert.ok(TOKEN_EVENTS.filter((event) => events.has(event)).length >= 4, [...events].join());
  });

  test("without NATS the program reports the failure and continues; a status line every 5 s; Ctrl-C stores the rest and ends", async (t) => {
    const nats = await newNats(t);
    const cli = run(t, ["--rate", "20", "--url", nats.url.replace("//", "//me:secret@")]);
    await cli.said(/not connected to NATS at 127\.0\.0\.1:\d+: connection refused\n/);
    await nats.start();
    await cli.said(/connected to NATS at 127\.0\.0\.1:\d+; |connected to NATS at 127\.0\.0\.1:\d+\n/);
    const [, published] = await cli.said(
      /\n5 s: \d+\.\d events\/s, published (\d+), stored \d+, waiting \d+\n/,
    );
    assert.ok(Number(published) > 80, published);
    cli.signal("SIGINT");
    assert.equal(await cli.code, 0, cli.stderr());
    const [, total, stored] = await cli.said(
      /ended after \d+\.\d s: published (\d+), stored (\d+), waiting 0\n$/,
    );
    assert.equal(stored, total);
    assert.equal((await nats.read()).length, Number(stored));
    assert.doesNotMatch(cli.stdout() + cli.stderr(), /secret/);
  });
});

suite("without NATS", { concurrency: true }, () => {
  test("all mistakes are reported at once, with the names that were typed", async (t) => {
    const args = ["--rate", "fast", "--tokens", "0", "--seed=-1", "--foo", "bar", "--seconds"];
    const env = {
      NATS_URL: "http://me:secret@one",
      NATS_CREDS_FILE: "no/such/file",
      JS_STREAM_NAME: "A.B",
      JS_STORAGE: "tape",
      JS_REPLICAS: "9",
      JS_STREAM_MAX_AGE: "soon",
    };
    const cli = run(t, args, env);
    assert.equal(await cli.code, 2);
    assert.equal(cli.stdout(), "");
    const lines = cli.stderr().trim().split("\n");
    assert.equal(lines.pop(), "npm run publish -- --help shows what is allowed");
    assert.deepEqual(lines.map((line) => line.split(" ")[0]).toSorted(), [
      "--foo",
      "--rate",
      "--seconds",
      "--seed",
      "--tokens",
      "JS_REPLICAS",
      "JS_STORAGE",
      "JS_STREAM_MAX_AGE",
      "JS_STREAM_NAME",
      "NATS_CREDS_FILE",
      "NATS_URL",
    ]);
    assert.match(cli.stderr(), /^--rate must be a number from 0\.1 to 100000, not "fast"$/m);
    assert.doesNotMatch(cli.stderr(), /secret/);
  });

  test("--help explains every option", async (t) => {
    const cli = run(t, ["--help"]);
    assert.equal(await cli.code, 0);
    for (const name of [
      "--rate",
      "--tokens",
      "--seconds",
      "--seed",
      "--url",
      "NATS_URL",
      "JS_STREAM_MAX_AGE",
    ]) {
      assert.ok(cli.stdout().includes(name), name);
    }
  });

  test("without NATS until the end, the program gives up after 5 s and reports how many events are not stored", async (t) => {
    const cli = run(t, ["--rate", "10", "--seconds", "0.5", "--url", `nats://127.0.0.1:${await freePort()}`]);
    await cli.said(/waiting up to 5 s for \d+ events/);
    assert.equal(await cli.code, 1);
    assert.match(cli.stderr(), /\d+ accepted events are not known to be stored.*not connected/);
  });

  test("a doubled Ctrl-C is one; a later one ends the program at once", async (t) => {
    const cli = run(t, ["--url", `nats://127.0.0.1:${await freePort()}`]);
    await cli.said(/not connected/);
    cli.signal("SIGINT");
    cli.signal("SIGINT");
    await cli.said(/waiting up to 5 s/);
    await sleep(2 * SAME_SIGNAL_MS);
    const before = performance.now();
    cli.signal("SIGINT");
    assert.equal(await cli.code, 130);
    assert.ok(performance.now() - before < 2_000, "the program waited for events");
  });
});
