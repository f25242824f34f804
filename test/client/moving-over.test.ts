/** The code of the guide for a frontend that polls today, run against a gateway that checks tokens. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { suiteOwner } from "../harness/owner.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { issue } from "../harness/tokens.ts";
import { eventually } from "../harness/wait.ts";

const SECRET = "a secret of the identity service";
const PACKAGES = fileURLToPath(new URL("../../node_modules", import.meta.url));
const GUIDE = readFileSync(new URL("../../docs/moving-over.md", import.meta.url), "utf8");
const HOST = "live.example.com";
/** Functions that the guide leaves to the page. */
const PAGE = `
const say = (what, value) => console.log(JSON.stringify({ what, value }));
const userId = "ann";
const fetchToken = async () => process.env.TOKEN;
const loadPresentState = async (channels) => say("state", channels ?? []);
const show = (...values) => say("show", values);
`;

/** The blocks of code in this order: with the client, without it, server-sent events. */
const [withClient = "", ownPolls = "", eventSource = "", ...more] = [
  ...GUIDE.matchAll(/^```js\n([\s\S]*?)^```/gm),
].map(([, code = ""]) => code);

describe("the guide for a frontend that polls", { skip: withoutNats(), concurrency: true }, () => {
  const owner = suiteOwner();
  let started: Promise<{ nats: Nats; gateway: Gateway }> | undefined;
  const service = () => {
    started ??= (async () => {
      const nats = await startNats(owner);
      const gateway = await startGateway(owner, { nats, env: { AUTH_MODE: "jwt", JWT_SECRET: SECRET } });
      return { nats, gateway };
    })();
    return started;
  };

  /** Runs code of the guide with a token of this user. */
  async function run(t: TestContext, code: string, user: string) {
    const { nats, gateway } = await service();
    const token = await issue(SECRET, { sub: user });
    const script = code
      .replaceAll(
        new RegExp(`(https|wss)://${HOST}`, "g"),
        (_, scheme: string) => `${scheme === "wss" ? "ws" : "http"}://127.0.0.1:${gateway.wsPort}`,
      )
      .replaceAll("auth=TOKEN", `auth=${token}`);
    assert.ok(!script.includes(HOST) && script !== code, script);
    const folder = await mkdtemp(join(tmpdir(), "odin-guide-"));
    t.after(() => rm(folder, { recursive: true }));
    await symlink(PACKAGES, join(folder, "node_modules"));
    const file = join(folder, "page.mjs");
    await writeFile(file, `${PAGE}${script}`);
    // Browsers have EventSource without a flag.
    const page = new ProcessGroup(process.execPath, ["--experimental-eventsource", file], {
      PATH: process.env.PATH ?? "",
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? "",
      NODE_NO_WARNINGS: "1",
      TOKEN: token,
    });
    t.after(() => page.dispose());
    const said = (what: string) =>
      page.output
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as { what: string; value: unknown })
        .filter((line) => line.what === what)
        .map(({ value }) => value);
    const shows = async (data: object, wanted: unknown) => {
      await eventually(
        () => `the present state:\n${page.tail()}`,
        () => said("state").length > 0,
      );
      await nats.publish("odin.token.BTC.trade", data);
      await eventually(
        () => `${JSON.stringify(wanted)} on the page:\n${page.tail()}`,
        () => said("show").some((value) => JSON.stringify(value).includes(JSON.stringify(wanted))),
        20_000,
      );
    };
    return { gateway, shows };
  }

  const opened = (gateway: Gateway, user: string) =>
    gateway.process.output
      .split("\n")
      .filter((line) => line.includes(`"user":"${user}"`) && line.includes("connection opened"))
      .map((line) => (JSON.parse(line) as { transport?: string }).transport ?? "websocket");

  test("has three blocks of code, which the tests of this file run", () => {
    assert.deepEqual(more, []);
    assert.match(withClient, /rollout: \{ percent: 0, key: userId \}/);
    assert.match(ownPolls, /\/poll\?/);
    assert.match(eventSource, /new EventSource/);
  });

  test("step 1: with 0 percent everybody polls, and gets the state and the messages", async (t) => {
    const { gateway, shows } = await run(t, withClient, "one");
    await shows({ price: 1 }, ["BTC.trade", { price: 1 }]);
    assert.deepEqual(opened(gateway, "one"), ["poll"]);
  });

  test("step 2 and 3: a higher percentage gives the same page a WebSocket", async (t) => {
    const { gateway, shows } = await run(t, withClient.replace("percent: 0,", "percent: 100,"), "two");
    await shows({ price: 2 }, ["BTC.trade", { price: 2 }]);
    assert.deepEqual(opened(gateway, "two"), ["websocket"]);
  });

  test("step 4: without the option, the page needs no import of the fallback", async (t) => {
    const code = withClient.replace(/^.*\/fallback";\n/m, "").replace(/^ {2}fallback: .*\n/m, "");
    assert.ok(!code.includes("fallback"), code);
    const { gateway, shows } = await run(t, code, "four");
    await shows({ price: 4 }, ["BTC.trade", { price: 4 }]);
    assert.deepEqual(opened(gateway, "four"), ["websocket"]);
  });

  test("a frontend without the client polls by itself", async (t) => {
    const { gateway, shows } = await run(t, ownPolls, "own");
    await shows({ price: 5 }, ["BTC.trade", { price: 5 }]);
    assert.deepEqual(opened(gateway, "own"), ["poll"]);
  });

  test("an EventSource shows the messages", async (t) => {
    const { gateway, shows } = await run(t, eventSource, "events");
    await shows({ price: 6 }, { price: 6 });
    assert.deepEqual(opened(gateway, "events"), ["events"]);
  });

  test("the gateway has the metrics that the guide lets people watch", async () => {
    const types = [...GUIDE.matchAll(/(?:ws_messages_received_total)?\{type="(\w+)"\}/g)].map(
      ([, type]) => type,
    );
    assert.deepEqual([...new Set(types)].sort(), ["events", "poll", "poll_not_modified"]);
    const { gateway } = await service();
    const answer = await fetch(
      `http://127.0.0.1:${gateway.wsPort}/poll?channels=BTC.trade&auth=${await issue(SECRET, { sub: "watched" })}`,
    );
    assert.equal(answer.status, 200);
    assert.ok(await gateway.metric("ws_messages_received_total", { type: "poll" }, (count) => count > 0));
    assert.match(GUIDE, /sum\(rate\(ws_messages_received_total\{type=~"poll\.\*"\}\[5m\]\)\)/);
  });
});
