import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { begin, opened } from "./connect.fixture.ts";
import type { ConnectOptions, Question } from "./types.ts";

/** A client whose first attempt is refused; the answer to a plain request has this `Retry-After`. */
async function refused(advice: string | null | undefined, luck = 0, options: ConnectOptions = {}) {
  const all = begin(options);
  all.line.luck = luck;
  all.line.advice = advice;
  await all.line.pass(0);
  all.line.socket.end(1006);
  await all.line.pass(0);
  return all;
}

/**
 * Checks that the client still waits this many seconds. `retryAt` uses the real clock, so some time may have
 * passed.
 */
function assertWaits({ client }: Awaited<ReturnType<typeof refused>>, seconds: number, message?: string) {
  const left = ((client.status.retryAt ?? 0) - Date.now()) / 1000;
  assert.ok(left > seconds - 0.4 && left <= seconds, `${left} s, not ${seconds}: ${message}`);
}

describe("a connection that never opened", () => {
  test("the client asks once, at the same address, without the token", async () => {
    const { line, client } = await refused("7", 0, { token: "secret" });
    assert.deepEqual(
      line.questions.map(({ url }) => url),
      ["https://gateway.example/ws"],
    );
    assert.equal(client.status.state, "waiting");
    client.close();
    const near = begin({}, "ws://127.0.0.1:3004/ws?zone=a");
    await near.line.pass(0);
    near.line.socket.end(1006);
    await near.line.pass(0);
    assert.equal(near.line.questions[0]?.url, "http://127.0.0.1:3004/ws?zone=a");
    near.client.close();
  });

  test("the client waits once to twice the time in Retry-After", async () => {
    for (const [luck, seconds] of [
      [0, 7],
      [0.5, 10.5],
      [1, 14],
    ] as const) {
      const all = await refused("7", luck);
      assert.deepEqual([all.client.status.state, all.client.status.reason], ["waiting", "asked to wait"]);
      assertWaits(all, seconds);
      await all.line.pass(seconds * 1000 - 1);
      assert.equal(all.line.sockets.length, 1);
      await all.line.pass(1);
      assert.equal(all.line.sockets.length, 2);
      all.client.close();
      assert.equal(all.line.left, 0);
    }
  });

  test("the client waits for at most five minutes, whatever the answer says", async () => {
    for (const advice of ["86400", "2147483", "1e999"]) {
      for (const [luck, seconds] of [
        [0, 150],
        [1, 300],
      ] as const) {
        const all = await refused(advice, luck);
        assertWaits(all, seconds, advice);
        await all.line.pass(seconds * 1000);
        assert.equal(all.line.sockets.length, 2);
        all.client.close();
      }
    }
  });

  test("only 426, 429 and 503 are answers for this client", async () => {
    for (const status of [200, 301, 401, 404, 426, 429, 500, 502, 503]) {
      const all = begin();
      Object.assign(all.line, { advice: "7", status });
      await all.line.pass(0);
      all.line.socket.end(1006);
      await all.line.pass(0);
      assertWaits(all, [426, 429, 503].includes(status) ? 7 : 0.5, `${status}`);
      all.client.close();
    }
  });

  test("a look at the page or the network does not skip this wait, but resume() does", async () => {
    const all = await refused("60");
    const { line, client } = all;
    for (const hidden of [true, false, true, false]) {
      line.page.hidden = hidden;
      line.page.fire();
      line.window.fire();
      await line.pass(5_000);
    }
    assert.deepEqual([client.status.state, client.status.reason], ["waiting", "asked to wait"]);
    assert.equal(line.sockets.length, 1);
    line.page.hidden = true;
    line.page.fire();
    await line.pass(1_000);
    client.resume();
    await line.pass(0);
    assert.equal(line.sockets.length, 2);
    client.close();
    const hiding = await refused("60", 0, { pauseHiddenAfter: 1_000 });
    hiding.line.page.hidden = true;
    hiding.line.page.fire();
    await hiding.line.pass(10_000);
    assert.equal(hiding.client.status.state, "paused");
    hiding.line.page.hidden = false;
    hiding.line.page.fire();
    await hiding.line.pass(0);
    assert.equal(hiding.client.status.state, "waiting");
    await hiding.line.pass(49_000);
    assert.equal(hiding.line.sockets.length, 1);
    await hiding.line.pass(1_000);
    assert.equal(hiding.line.sockets.length, 2);
    hiding.client.close();
  });

  test("the client never waits less than without the answer", async () => {
    const all = await refused("1", 1);
    assertWaits(all, 5);
    all.client.close();
  });

  test("the client asks after every refusal, and its own window still grows", async () => {
    const all = await refused("1", 1);
    for (const seconds of [5, 10, 20, 20]) {
      assertWaits(all, seconds);
      await all.line.pass(seconds * 1000);
      all.line.socket.end(1006);
      await all.line.pass(0);
    }
    assert.equal(all.line.questions.length, 5);
    all.client.close();
  });

  test("without a usable Retry-After the client uses its own wait", async () => {
    for (const advice of [null, undefined, "", "0", "-5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"]) {
      const all = await refused(advice);
      assert.equal(all.line.questions.length, 1);
      assertWaits(all, 0.5, `${advice}`);
      await all.line.pass(500);
      assert.equal(all.line.sockets.length, 2);
      all.client.close();
    }
  });

  test("without fetch the client uses its own wait", async () => {
    const { line, client } = begin({ environment: { fetch: undefined } });
    line.advice = "7";
    await line.pass(0);
    line.socket.end(1006);
    await line.pass(500);
    assert.deepEqual([line.sockets.length, line.questions.length], [2, 0]);
    client.close();
  });
});

describe("the client does not ask how long to wait", () => {
  test("after a connection that was open, or when it has no token", async () => {
    const { line, client } = await opened();
    line.socket.end(1006);
    await line.pass(0);
    assert.deepEqual([client.status.reason, line.questions.length], ["lost", 0]);
    client.close();
    const token = () => Promise.reject(new Error("no session"));
    const other = begin({ token });
    await other.line.pass(0);
    assert.deepEqual([other.client.status.reason, other.line.questions.length], ["no token", 0]);
    other.client.close();
  });

  test("when a status listener closes, pauses or resumes it", async () => {
    for (const [how, state] of [
      ["close", "closed"],
      ["pause", "paused"],
      ["resume", "connecting"],
    ] as const) {
      const { line, client } = begin();
      client.on("status", (status) => {
        if (status.state === "waiting") client[how]();
      });
      await line.pass(0);
      line.socket.end(1006);
      await line.pass(0);
      assert.deepEqual([client.status.state, line.questions.length], [state, 0]);
      client.close();
    }
  });
});

describe("a late answer", () => {
  /** A client whose question the test answers later. */
  async function asking() {
    const asked: {
      signal: AbortSignal;
      answer: (answer: { status: number; headers: { get(): string } }) => void;
    }[] = [];
    const fetch = (_: string, { signal }: Question) =>
      new Promise<{ status: number; headers: { get(): string } }>((answer) => asked.push({ signal, answer }));
    const all = begin({ environment: { fetch } });
    await all.line.pass(0);
    all.line.socket.end(1006);
    await all.line.pass(100);
    const [question] = asked;
    assert.ok(question !== undefined && asked.length === 1);
    return { ...all, question };
  }
  const late = { status: 426, headers: { get: () => "7" } };

  for (const how of ["close", "pause", "resume"] as const) {
    test(`after ${how}(): the question is aborted and has no effect`, async () => {
      const { line, client, question } = await asking();
      assert.equal(question.signal.aborted, false);
      client[how]();
      assert.equal(question.signal.aborted, true);
      const { state, retryAt } = client.status;
      question.answer(late);
      await line.pass(0);
      assert.deepEqual([client.status.state, client.status.retryAt], [state, retryAt]);
      client.close();
      assert.equal(line.left, 0);
    });
  }

  test("after the end of the wait: the client does not wait for the answer", async () => {
    const { line, client, question } = await asking();
    await line.pass(400);
    assert.deepEqual([line.sockets.length, question.signal.aborted], [2, true]);
    client.close();
  });

  test("during the wait: Retry-After counts from the answer", async () => {
    const { line, client, question } = await asking();
    question.answer(late);
    await line.pass(6_999);
    assert.equal(line.sockets.length, 1);
    await line.pass(1);
    assert.equal(line.sockets.length, 2);
    client.close();
  });
});
