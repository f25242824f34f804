import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { begin, URL } from "./connect.fixture.ts";
import { fallback, isInRollout } from "./fallback.ts";

test("a rollout chooses its percentage of the keys, and a higher one only adds keys", () => {
  const keys = Array.from({ length: 20_000 }, (_, index) => `user-${index}`);
  let before = new Set<string>();
  for (const percent of [0, 0.5, 1, 10, 50, 99.5, 100]) {
    const chosen = new Set(keys.filter((key) => isInRollout(key, percent)));
    const share = (chosen.size / keys.length) * 100;
    const tolerance = Math.min(percent, 100 - percent) < 1 ? 0.2 : 1;
    assert.ok(Math.abs(share - percent) <= tolerance, `${share} %, not ${percent} %`);
    assert.ok(
      [...before].every((key) => chosen.has(key)),
      `${percent} %`,
    );
    before = chosen;
  }
  assert.equal(before.size, keys.length);
});

test("a key is in the same group in every version", () => {
  for (const [key, from] of [
    ["ann", 7.61],
    ["bob", 42.44],
    ["42", 50.12],
    ["zoë", 38.15],
  ] as const) {
    assert.equal(isInRollout(key, from - 0.02), false, key);
    assert.equal(isInRollout(key, from + 0.01), true, key);
  }
});

/** A client, and a network whose requests over HTTP the test answers. */
function network(t: TestContext, { loads = false } = {}) {
  const requests: { path: string; signal: AbortSignal; answer(): void; fail(): void }[] = [];
  const fetch = ((url: { pathname: string }, { signal }: { signal: AbortSignal }) =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({ epoch: "e", offset: 0, recovered: true, messages: [] });
      requests.push({
        path: url.pathname,
        signal,
        answer: () => resolve(new Response(body)),
        fail: () => reject(new TypeError("fetch failed")),
      });
    })) as unknown as typeof globalThis.fetch;
  // The client that loads the fallback by itself uses the global function.
  if (loads) t.mock.method(globalThis, "fetch", fetch);
  const all = begin(loads ? {} : { fallback: fallback({ fetch }) }, URL, loads);
  t.after(() => all.client.close());
  return { ...all, requests };
}

type Network = ReturnType<typeof network>;

/** Refuses each attempt, until this much time has passed. Returns the number of attempts. */
async function refuseFor({ line }: Network, ms: number): Promise<number> {
  const before = line.sockets.length;
  const end = line.environment.now() + ms;
  while (line.environment.now() < end) {
    await line.pass(Math.min(100, end - line.environment.now()));
    line.socket.end(1006);
  }
  return line.sockets.length - before;
}

/** Lets the client have a WebSocket for some seconds, and then ends it. */
async function lose({ line }: Network): Promise<void> {
  await line.pass(100);
  line.socket.welcome();
  await line.pass(6000);
  line.socket.end(1006);
}

describe("a client that has had a WebSocket", () => {
  for (const loads of [false, true]) {
    const how = loads ? "that loads the fallback by itself" : "with the fallback as option";
    test(`${how} stays with WebSockets while they fail for less than 10 s`, async (t) => {
      const all = network(t, { loads });
      await lose(all);
      assert.ok((await refuseFor(all, 9000)) > 5, "attempts");
      assert.deepEqual(all.requests, []);
      await all.line.pass(10_000);
      all.line.socket.welcome();
      await all.line.pass(0);
      assert.equal(all.client.status.gateway, "g");
    });

    test(`${how} receives over HTTP when they fail for longer`, async (t) => {
      const all = network(t, { loads });
      await lose(all);
      await refuseFor(all, 25_000);
      assert.ok(all.requests.length > 0);
      all.requests.at(-1)?.answer();
      await all.line.pass(0);
      assert.deepEqual([all.client.status.gateway, all.client.status.state], ["http", "open"]);
    });
  }

  test("waits for a slow welcome without a request over HTTP", async (t) => {
    const all = network(t);
    await lose(all);
    await all.line.pass(500 + 4900);
    all.line.socket.welcome();
    await all.line.pass(0);
    assert.deepEqual([all.requests.length, all.client.status.gateway], [0, "g"]);
  });

  test("begins to count again with each WebSocket that works", async (t) => {
    const all = network(t);
    for (let n = 0; n < 3; n++) {
      await lose(all);
      await refuseFor(all, 6000);
      await all.line.pass(2000);
    }
    assert.deepEqual(all.requests, []);
  });
});

describe("a client that has had no WebSocket", () => {
  test("receives over HTTP as soon as its WebSocket is refused", async (t) => {
    const { line, client, requests } = network(t);
    await line.pass(0);
    line.socket.end(1006);
    assert.deepEqual(
      requests.map(({ path }) => path),
      ["/poll"],
    );
    requests[0]?.answer();
    await line.pass(0);
    assert.equal(client.status.gateway, "http");
    assert.equal(line.sockets.length, 1);
  });

  test("asks over HTTP after 3 s, and keeps its WebSocket when its welcome comes first", async (t) => {
    const { line, client, requests } = network(t);
    await line.pass(2999);
    assert.equal(requests.length, 0);
    await line.pass(1);
    assert.deepEqual([requests.length, line.socket.closed], [1, false]);
    line.socket.welcome();
    await line.pass(0);
    assert.deepEqual([client.status.gateway, requests[0]?.signal.aborted], ["g", true]);
    requests[0]?.answer();
    await line.pass(0);
    assert.equal(client.status.gateway, "g");
  });

  test("ends its WebSocket when a gateway answers over HTTP first", async (t) => {
    const { line, client, requests } = network(t);
    await line.pass(3000);
    requests[0]?.answer();
    await line.pass(0);
    assert.deepEqual([client.status.gateway, line.socket.closed], ["http", true]);
  });

  test("waits for its WebSocket when the request over HTTP fails", async (t) => {
    const { line, client, requests } = network(t);
    await line.pass(3000);
    requests[0]?.fail();
    await line.pass(4000);
    assert.equal(client.status.state, "connecting");
    line.socket.welcome();
    await line.pass(0);
    assert.equal(client.status.gateway, "g");
  });

  test("keeps the request over HTTP when its WebSocket fails meanwhile", async (t) => {
    const { line, client, requests } = network(t);
    await line.pass(3000);
    line.socket.end(1006);
    requests[0]?.answer();
    await line.pass(0);
    assert.deepEqual([client.status.gateway, requests.length], ["http", 1]);
  });

  test("receives over HTTP again at once when that connection ends", async (t) => {
    const all = network(t);
    const { line, client, requests } = all;
    await lose(all);
    await refuseFor(all, 25_000);
    requests.at(-1)?.answer();
    await line.pass(0);
    assert.equal(client.status.gateway, "http");
    // As after a change of the network.
    client.pause();
    client.resume();
    await line.pass(0);
    const before = requests.length;
    line.socket.end(1006);
    assert.equal(requests.length, before + 1);
  });
});

test("a gateway that ends a WebSocket before the welcome for a reason of its own is believed", async (t) => {
  const { line, client, requests } = network(t);
  await line.pass(0);
  line.socket.end(4409, "another connection");
  await line.pass(0);
  assert.deepEqual([client.status.state, client.status.code, requests.length], ["closed", 4409, 0]);
});
