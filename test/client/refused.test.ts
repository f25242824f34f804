/** The client at a gateway that refuses: in Node, and on pages of another origin that may read why and that may not. */

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

/** Ms, of a gateway that is full. */
const ADVICE = 10_000;

/** How long it still waits once it has been told for how long, ms. */
const waits = ({ retryAt = 0 }: Status) => retryAt - Date.now();

/** A gateway whose only seat is taken until `leave()`. */
async function startFull(t: TestContext, env: NodeJS.ProcessEnv = {}, headers: Record<string, string> = {}) {
  const gateway = await startGateway(t, { env: { WS_MAX_CONNECTIONS: "1", ...env } });
  const guest = await connectPlainly(t, gateway, { headers });
  return { gateway, leave: () => guest.close() };
}

describe("a gateway that is full", { concurrency: 2 }, () => {
  test("Node: waits for what it says, and then it is in", async (t) => {
    const { gateway, leave } = await startFull(t);
    const client = connect(gateway.url, { environment: { random: () => 0.5 } }); // by itself it would wait for 2.75 s
    t.after(() => client.close());
    const told: Status[] = [];
    client.on("status", (status) => told.push(status));
    await eventually("the advice", () => client.status.reason === "asked to wait");
    assert.ok(waits(client.status) > ADVICE && waits(client.status) <= 1.5 * ADVICE);
    assert.equal((await gateway.metrics()).sum("ws_connections_rejected_total"), 1, "asking is no attempt");
    await leave();
    await eventually("a seat", async () => (await gateway.stats()).connections === 0);
    const from = Date.now();
    await eventually("the connection", () => client.status.state === "open", 25_000);
    assert.ok(Date.now() - from > ADVICE / 2, "not before the time");
    const waited = told.filter(({ state }) => state === "waiting").map(({ reason }) => reason);
    assert.deepEqual(waited, ["refused", "asked to wait"]);
  });

  test("a page of an origin that may connect is told, another one is not", {
    skip: withoutBrowser(),
  }, async (t) => {
    const { code } = await bundle("index");
    const server = createServer(({ url }, response) => {
      const [type, body] =
        url === "/odin-ws.js" ? ["text/javascript", code] : ["text/html", "<!doctype html>"];
      response.writeHead(200, { "Content-Type": type }).end(body);
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
      // Up to the end of the question: the second change while it waits, or the second attempt.
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
        assert.equal(state, "connecting", "it comes back after a wait of its own");
      }
      await tab.context().close();
    }
  });
});
