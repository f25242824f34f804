import { strict as assert } from "node:assert";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type AwaitStartupArgs, awaitStartup, StartupError } from "../../checks/await-startup.ts";
import { computeApi } from "../../checks/compute-api.ts";
import { runChild } from "../../tools/testing/child.ts";
import { freePort } from "../harness/ports.ts";
import { type FakeCompute, fakeCompute, type Reply } from "./fake-compute.ts";

const CLI = fileURLToPath(new URL("../../checks/await-startup.ts", import.meta.url));
const BOOT = "[    0.000000] Linux version 6.12\r\n[    1.5] systemd[1]: Started.\r\n";
const VM = { project: "p", zone: "r-a", instance: "odin-test-nats" };

/**
 * A fake VM whose console gets another piece each time all of it was read. Like the real API, it answers from
 * the byte that was asked for.
 */
async function vm(t: TestContext, pieces: readonly string[], pageBytes = 1_000_000): Promise<FakeCompute> {
  let looks = 0;
  return fakeCompute(t, ({ path }) => {
    const start = Number(new URL(path, "http://x").searchParams.get("start"));
    const whole = Buffer.from(pieces.slice(0, looks + 1).join(""));
    const page = whole.subarray(start, start + pageBytes);
    if (page.length === 0) looks += 1;
    return { body: { contents: page.toString(), start: String(start), next: String(start + page.length) } };
  });
}

/** Waits for the VM with short times. */
function wait(url: string, args: Partial<AwaitStartupArgs> = {}): Promise<string> {
  return awaitStartup(
    { ...VM, poll: 20, deadline: 600, grace: 100, ...args },
    computeApi({ ODIN_COMPUTE_URL: url }),
  );
}

const fails = (promise: Promise<string>, ...patterns: RegExp[]) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof StartupError, String(error));
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });

test("finds the line even if the console's pieces end in the middle of it", async (t) => {
  const line = "[   41.1] startup-script[512]: odin-startup: ready role=nats revision=00ab\r\n";
  const { url, asked } = await vm(t, [BOOT, "", line.slice(0, 40), line.slice(40)], 64);
  assert.equal(await wait(url, { revision: "00ab" }), "odin-startup: ready role=nats revision=00ab");
  assert.match(
    asked[0]?.path ?? "",
    /^\/compute\/v1\/projects\/p\/zones\/r-a\/instances\/odin-test-nats\/serialPort\?port=1&start=0$/,
  );
  assert.match(asked.at(-1)?.path ?? "", /start=[1-9]\d+$/, "asks only for new content");
});

test("lines of an earlier boot or of other metadata do not count", async (t) => {
  const old =
    "odin-startup: ready role=nats revision=01\nodin-startup: failed role=nats step=pull revision=02: no\nodin-startup: failed role=nats step=metadata: no\n";
  const { url } = await vm(t, [
    old,
    "",
    "odin-startup: ready role=nats\n",
    "odin-startup: ready role=nats revision=03\n",
  ]);
  assert.equal(await wait(url, { revision: "03" }), "odin-startup: ready role=nats revision=03");
  const never = await vm(t, [old]);
  await fails(
    wait(never.url, { revision: "03" }),
    /no line 'odin-startup: ready' of revision 03 within 1 s/,
    /revision=02: no/,
  );
});

test("without a revision the last line counts", async (t) => {
  const { url } = await vm(t, ["odin-startup: failed role=x step=pull: no\nodin-startup: ready role=x\n"]);
  assert.equal(await wait(url), "odin-startup: ready role=x");
  const failed = await vm(t, ["odin-startup: ready role=x\nodin-startup: failed role=x step=pull: no\n"]);
  await fails(wait(failed.url), /: odin-startup: failed role=x step=pull: no\n/);
});

test("a failure ends the wait at once, with the last lines of the console", async (t) => {
  const noise = Array.from({ length: 30 }, (_, n) => `noise ${n}\r\n`).join("");
  const { url } = await vm(t, [
    `${BOOT}${noise}`,
    "odin-startup: failed role=nats step=pull revision=07: image not found\r\n",
  ]);
  const start = performance.now();
  await fails(
    wait(url, { revision: "07", deadline: 60_000 }),
    /^odin-test-nats: odin-startup: failed role=nats step=pull revision=07: image not found$/m,
    /\nThe end of its serial console:\n {2}noise 11\n/,
  );
  assert.ok(performance.now() - start < 5_000);
});

test("a new failure without a revision counts, unless the script runs again soon", async (t) => {
  const early = "odin-startup: failed role=nats step=metadata: no answer\n";
  const stays = await vm(t, [BOOT, early]);
  await fails(
    wait(stays.url, { revision: "05", deadline: 60_000 }),
    /: odin-startup: failed role=nats step=metadata/,
  );
  const again = await vm(t, [BOOT, early, "", "odin-startup: ready role=nats revision=05\n"]);
  assert.equal(
    await wait(again.url, { revision: "05", grace: 5_000 }),
    "odin-startup: ready role=nats revision=05",
  );
});

test("a console that cannot be read: temporary errors are retried, permanent errors are reported", async (t) => {
  const busy: Reply = { status: 503, body: "<html>try again</html>" };
  const ready: Reply = { body: { contents: "odin-startup: ready role=x\n", next: "27" } };
  const passing = await fakeCompute(t, (_, before) => (before < 2 ? busy : ready));
  assert.equal(await wait(passing.url), "odin-startup: ready role=x");
  const stays = await fakeCompute(t, () => busy);
  await fails(wait(stays.url), /within 1 s; HTTP 503: <html>try again/, /\(nothing\)/);
  const denied = await fakeCompute(t, () => ({ status: 403, body: { error: { message: "no" } } }));
  await fails(
    wait(denied.url, { deadline: 60_000 }),
    /cannot read the serial console: HTTP 403: no: this account needs compute\.instances\.getSerialPortOutput/,
  );
  assert.equal(denied.asked.length, 1);
  await fails(wait(`http://127.0.0.1:${await freePort()}`), /gave no answer: .*ECONNREFUSED/);
});

test("the command takes everything from the environment", async (t) => {
  const run = async (env: Record<string, string>) =>
    runChild(process.execPath, [CLI], { capture: true, env: { PATH: process.env.PATH, ...env } });
  const { url } = await vm(t, ["odin-startup: ready role=nats revision=0f\n"]);
  const env = {
    PROJECT: "p",
    ZONE: "r-a",
    INSTANCE: "odin-test-nats",
    ODIN_COMPUTE_URL: url,
    ODIN_STARTUP_DEADLINE_SECONDS: "2",
  };
  const ready = await run({ ...env, REVISION: "0f" });
  assert.deepEqual(
    [ready.code, ready.output],
    [0, "odin-test-nats: odin-startup: ready role=nats revision=0f\n"],
  );
  const late = await run({ ...env, REVISION: "10" });
  assert.equal(late.code, 1);
  assert.match(late.output, /no line 'odin-startup: ready' of revision 10 within 2 s/);
  const { INSTANCE: _, ...incomplete } = env;
  assert.equal((await run(incomplete)).code, 2);
});
