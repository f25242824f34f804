/** Connections whose network is gone, without a FIN: they must not lock their user out. */

import { strict as assert } from "node:assert";
import { before, describe, test } from "node:test";
import { type FaultProxy, startProxy } from "../../client/fault-proxy.ts";
import { assertExact, startWitness } from "../../client/witness.ts";
import { connect, Refused, refusal, type TestClient } from "../../harness/client.ts";
import { assertComplete, startFeed } from "../../harness/feed.ts";
import { type Gateway, startGateway } from "../../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../../harness/nats.ts";
import { type Owner, suiteOwner } from "../../harness/owner.ts";
import { issue } from "../../harness/tokens.ts";
import { eventually, pause, within } from "../../harness/wait.ts";

const SECRET = "a secret of at least thirty-two bytes, as HS256 wants it";
const SEATS = 3; // default of WS_MAX_CONNECTIONS_PER_USER
const BACK_MS = 3000;
const LATE_MS = 200;

let users = 0;
const newToken = (): Promise<string> => issue(SECRET, { sub: `user-${users++}` });

/** Connects the tabs of a user through the proxy, one after the other. */
async function openTabs(t: Owner, proxy: FaultProxy, token: string, count = SEATS): Promise<TestClient[]> {
  const tabs: TestClient[] = [];
  for (let n = 0; n < count; n++) tabs.push(await connect(t, { wsPort: proxy.port }, { token }));
  return tabs;
}

for (const workers of ["1", "2"]) {
  describe(`dead lines, ${workers} worker(s)`, { skip: withoutNats(), concurrency: 4 }, () => {
    const owner = suiteOwner();
    let nats: Nats;
    let gateway: Gateway;
    let replacing: Gateway;

    before(async () => {
      nats = await startNats(owner);
      const env = { AUTH_MODE: "jwt", JWT_SECRET: SECRET, WS_WORKER_POOL_SIZE: workers };
      [gateway, replacing] = await Promise.all([
        startGateway(owner, { nats, env }),
        startGateway(owner, { nats, env: { ...env, WS_USER_LIMIT_ACTION: "replace" } }),
      ]);
    });

    test("three tabs are back within 3 s, and miss no message", async (t) => {
      const proxy = await startProxy(t, gateway.wsPort);
      const token = await newToken();
      const channels = [`SWITCH${workers}.trade`, `SWITCH${workers}.update`];
      const feed = startFeed(t, nats, channels, 2);
      const tabs = await openTabs(t, proxy, token);
      for (const tab of tabs) await tab.subscribe(channels);
      for (const tab of tabs) await tab.receive(20);
      proxy.stall();
      await pause(LATE_MS);
      const from = performance.now();
      const returned = await Promise.all(
        tabs.map(async (tab) => {
          const again = await connect(t, { wsPort: proxy.port }, { token });
          assert.equal((await again.subscribe(channels, tab.position)).recovered, true);
          return again;
        }),
      );
      const ms = performance.now() - from;
      assert.ok(ms < BACK_MS, `back after ${ms} ms`);
      const published = await feed.stop();
      const last = published.at(-1)?.offset ?? 0;
      for (const [n, tab] of tabs.entries()) {
        await returned[n]?.at(last);
        assertComplete([...tab.envelopes, ...(returned[n] as TestClient).envelopes], published);
      }
      assert.equal((await refusal(t, gateway, { token })).status, 429, "the limit holds as before");
    });

    test("three tabs with the client library are back without a refusal, and miss no message", async (t) => {
      const proxy = await startProxy(t, gateway.wsPort);
      const network = new EventTarget();
      const token = await newToken();
      const channel = `LIBRARY${workers}.trade`;
      const tabs = Array.from({ length: SEATS }, () =>
        startWitness(t, proxy.url, { token, environment: { window: network } }),
      );
      const books = await Promise.all(tabs.map((tab) => tab.listen(channel)));
      const feed = startFeed(t, nats, [channel], 2);
      await eventually("messages", () => books.every(({ got }) => got.length > 20));
      proxy.stall();
      await pause(LATE_MS); // for messages that are on their way
      // After this event of the browser, the client checks its connection within 5 s.
      network.dispatchEvent(new Event("online"));
      await Promise.all(tabs.map((tab) => tab.until("waiting")));
      await Promise.all(tabs.map((tab) => tab.until("open")));
      const published = await feed.stop();
      for (const book of books) await assertExact(book, published);
      for (const { refetches, errors, states } of tabs) {
        assert.deepEqual([refetches, errors], [[], []]);
        assert.ok(states.every(({ reason }) => reason !== "refused"));
      }
    });

    test("only the connections that do not answer lose their seat", async (t) => {
      const token = await newToken();
      const dying = await startProxy(t, gateway.wsPort);
      const healthy = await startProxy(t, gateway.wsPort);
      const [first] = await openTabs(t, healthy, token, 1);
      await openTabs(t, dying, token, 1);
      const [third] = await openTabs(t, healthy, token, 1);
      assert.ok(first && third);
      dying.stall();
      const [fourth] = await openTabs(t, healthy, token, 1);
      assert.equal((await refusal(t, gateway, { token })).status, 429);
      for (const tab of [first, third, fourth]) await tab?.ask({ type: "heartbeat" }, "heartbeat_ack");
    });

    test("while all answer, the next connection is refused without a wait", async (t) => {
      const token = await newToken();
      const proxy = await startProxy(t, gateway.wsPort);
      const tabs = await openTabs(t, proxy, token);
      const from = performance.now();
      const answer = await refusal(t, gateway, { token });
      assert.deepEqual([answer.status, JSON.parse(answer.body).error], [429, "per_user"]);
      assert.ok(Number(answer.headers["retry-after"]) >= 1);
      assert.ok(performance.now() - from < 1000, `refused after ${performance.now() - from} ms`);
      // More clients than seats at once: none of them gets a seat, and none of the tabs loses its seat.
      const crowd = await Promise.allSettled(
        Array.from({ length: 20 }, () => connect(t, gateway, { token })),
      );
      assert.ok(crowd.every((one) => one.status === "rejected" && one.reason instanceof Refused));
      for (const tab of tabs) await tab.ask({ type: "heartbeat" }, "heartbeat_ack");
    });

    test("of a crowd that comes back, exactly as many as the limit get a seat", async (t) => {
      const token = await newToken();
      const proxy = await startProxy(t, gateway.wsPort);
      await openTabs(t, proxy, token);
      proxy.stall();
      const crowd = await Promise.allSettled(
        Array.from({ length: 12 }, () => connect(t, gateway, { token })),
      );
      const seated = crowd.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      assert.equal(seated.length, SEATS);
      await within(
        "the crowd's answers",
        Promise.all(seated.map((c) => c.ask({ type: "heartbeat" }, "heartbeat_ack"))),
      );
    });

    test("a client that leaves while it waits for a seat holds none", async (t) => {
      const token = await newToken();
      const proxy = await startProxy(t, gateway.wsPort);
      await openTabs(t, proxy, token);
      proxy.stall();
      const impatient = await startProxy(t, gateway.wsPort);
      const attempt = connect(t, { wsPort: impatient.port }, { token });
      attempt.catch(() => {});
      await eventually("the attempt", () => impatient.connections === 1);
      await pause(LATE_MS);
      impatient.cut();
      await assert.rejects(attempt);
      for (let n = 0; n < SEATS; n++) await eventually("a seat", () => connect(t, gateway, { token }));
      assert.equal((await refusal(t, gateway, { token })).status, 429);
    });

    test("WS_USER_LIMIT_ACTION=replace: the oldest connection is closed with 4409, each time", async (t) => {
      const token = await newToken();
      const proxy = await startProxy(t, replacing.wsPort);
      const tabs = await openTabs(t, proxy, token, 6);
      for (const tab of tabs.slice(0, 3)) assert.equal((await tab.ended()).code, 4409);
      for (const tab of tabs.slice(3)) await tab.ask({ type: "heartbeat" }, "heartbeat_ack");
      await replacing.metric("ws_disconnects_total", { code: "4409" }, (value) => value >= 3);
      proxy.stall();
      const from = performance.now();
      const back = await Promise.all(tabs.slice(3).map(() => connect(t, replacing, { token })));
      assert.ok(performance.now() - from < 1000, "a dead line is not asked first");
      for (const tab of back) await tab.ask({ type: "heartbeat" }, "heartbeat_ack");
    });
  });
}
