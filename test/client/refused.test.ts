/**
 * The client with a gateway that refuses: in Node, and on pages that may or may not read the gateway's
 * answer.
 */

import { strict as assert } from "node:assert";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, type TestContext, test } from "node:test";
import { connect, type Status } from "@odin-ws/client";
import { bundle } from "../../client/build.ts";
import { startBrowser, withoutBrowser } from "../harness/browser.ts";
import { connect as connectPlainly } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { freePort } from "../harness/ports.ts";
import { eventually } from "../harness/wait.ts";

/** `Retry-After` of a full gateway, ms. */
const ADVICE = 10_000;

/** Remaining wait of the client, ms. */
const waits = ({ retryAt = 0 }: Status) => retryAt - Date.now();

/** A gateway whose only place is taken until `leave()`. */
async function startFull(t: TestContext, env: NodeJS.ProcessEnv = {}, headers: Record<string, string> = {}) {
  const gateway = await startGateway(t, { env: { WS_MAX_CONNECTIONS: "1", ...env } });
  const guest = await connectPlainly(t, gateway, { headers });
  return { gateway, leave: () => guest.close() };
}

describe("a full gateway", { concurrency: 2 }, () => {
  test("in Node the client waits for Retry-After, and then connects", async (t) => {
    const { gateway, leave } = await startFull(t);
    const client = connect(gateway.url, { environment: { random: () => 0.5 } }); // own wait: 2.75 s
    t.after(() => client.close());
    const states: Status[] = [];
    client.on("status", (status) => states.push(status));
    await eventually("the wait from Retry-After", () => client.status.reason === "asked to wait");
    assert.ok(waits(client.status) > ADVICE && waits(client.status) <= 1.5 * ADVICE);
    assert.equal(
      (await gateway.metrics()).sum("ws_connections_rejected_total"),
      1,
      "the question is not an attempt",
    );
    await leave();
    await eventually("a free place", async () => (await gateway.stats()).connections === 0);
    const from = Date.now();
    await eventually("the connection", () => client.status.state === "open", 25_000);
    assert.ok(Date.now() - from > ADVICE / 2, "the client did not connect too early");
    const waited = states.filter(({ state }) => state === "waiting").map(({ reason }) => reason);
    assert.deepEqual(waited, ["refused", "asked to wait"]);
  });

  test("a page of an allowed origin can read Retry-After, another page cannot", {
    skip: withoutBrowser(),
  }, async (t) => {
    const scripts = new Map([
      ["/odin-ws.js", (await bundle("index")).code],
      ["/fallback.js", (await bundle("fallback")).code],
    ]);
    const server = createServer(({ url = "" }, response) => {
      const script = scripts.get(url);
      const type = script === undefined ? "text/html" : "text/javascript";
      response.writeHead(200, { "Content-Type": type }).end(script ?? "<!doctype html>");
    });
    const port = await freePort();
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    const open = await startBrowser(t);
    const page = `http://127.0.0.1:${port}`;
    for (const [allowed, advised] of [
      ["", true],
      [page, true],
      ["https://app.example", false],
    ] as const) {
      const origin = allowed || page;
      const { gateway } = await startFull(t, { WS_ALLOWED_ORIGINS: allowed }, { origin });
      const { page: tab } = await open(page);
      // The change after the refusal: the wait from Retry-After, or the next attempt.
      const script = `(async () => {
        const { connect } = await import("/odin-ws.js");
        const client = connect(${JSON.stringify(gateway.url)}, { environment: { random: () => 1 } }); // 5 s
        return new Promise((resolve) => {
          let refused = false;
          client.on("status", ({ state, reason, retryAt }) => {
            if (refused) resolve({ state, reason, wait: (retryAt ?? 0) - Date.now() });
            if (refused) client.close();
            refused ||= reason === "refused";
          });
        });
      })()`;
      const { state, reason, wait } = (await tab.evaluate(script)) as {
        state: string;
        reason: string;
        wait: number;
      };
      if (advised) {
        assert.deepEqual([state, reason], ["waiting", "asked to wait"], allowed);
        assert.ok(wait > ADVICE && wait <= 2 * ADVICE, `${wait}`);
      } else {
        assert.equal(state, "connecting", "the client reconnects after its own wait");
      }
      await tab.context().close();
    }
  });
});
