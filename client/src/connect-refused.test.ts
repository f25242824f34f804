import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { begin, opened } from "./connect.fixture.ts";
import type { ConnectOptions, Question } from "./types.ts";

/** A client whose first attempt is refused, while a plain request is answered with this `Retry-After`. */
async function refused(advice: string | null | undefined, luck = 0, options: ConnectOptions = {}) {
  const all = begin(options);
  all.line.luck = luck;
  all.line.advice = advice;
  await all.line.pass(0);
  all.line.socket.end(1006);
  await all.line.pass(0);
  return all;
}

/** That it still waits so many seconds; a real clock is in it, which may have gone on. */
function assertWaits({ client }: Awaited<ReturnType<typeof refused>>, seconds: number, message?: string) {
  const left = ((client.status.retryAt ?? 0) - Date.now()) / 1000;
  assert.ok(left > seconds - 0.4 && left <= seconds, `${left} s, not ${seconds}: ${message}`);
}

describe("a connection that never opened", () => {
  test("is asked about once, with the address and without the token", async () => {
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

  test("waits for what the gateway says, and at most twice as long", async () => {
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

  test("never for less than it would have waited by itself", async () => {
    const all = await refused("1", 1);
    assertWaits(all, 5);
    all.client.close();
  });

  test("advice is asked for after every refusal, and windows grow all the same", async () => {
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

  test("no advice, none that can be read, or none that is a time from now: it waits by itself", async () => {
    for (const advice of [null, undefined, "", "0", "-5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"]) {
      const all = await refused(advice);
      assert.equal(all.line.questions.length, 1);
      assertWaits(all, 0.5, `${advice}`);
      await all.line.pass(500);
      assert.equal(all.line.sockets.length, 2);
      all.client.close();
    }
  });

  test("without fetch it waits by itself", async () => {
    const { line, client } = begin({ environment: { fetch: undefined } });
    line.advice = "7";
    await line.pass(0);
    line.socket.end(1006);
    await line.pass(500);
    assert.deepEqual([line.sockets.length, line.questions.length], [2, 0]);
    client.close();
  });
});

describe("what is not asked", () => {
  test("nothing after a connection that was open, and nothing without a token", async () => {
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

  test("nothing when whoever is told of the refusal closes, pauses or hurries", async () => {
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

describe("an answer that comes late", () => {
  /** A question that the test answers. */
  async function asking() {
    const asked: { signal: AbortSignal; answer: (answer: { headers: { get(): string } }) => void }[] = [];
    const fetch = (_: string, { signal }: Question) =>
      new Promise<{ headers: { get(): string } }>((answer) => asked.push({ signal, answer }));
    const all = begin({ environment: { fetch } });
    await all.line.pass(0);
    all.line.socket.end(1006);
    await all.line.pass(100);
    const [question] = asked;
    assert.ok(question !== undefined && asked.length === 1);
    return { ...all, question };
  }
  const late = { headers: { get: () => "7" } };

  for (const how of ["close", "pause", "resume"] as const) {
    test(`after ${how}(): the question is ended, and changes nothing`, async () => {
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

  test("when the wait is over it is not waited for", async () => {
    const { line, client, question } = await asking();
    await line.pass(400);
    assert.deepEqual([line.sockets.length, question.signal.aborted], [2, true]);
    client.close();
  });

  test("within the wait: the time counts from the answer", async () => {
    const { line, client, question } = await asking();
    question.answer(late);
    await line.pass(6_999);
    assert.equal(line.sockets.length, 1);
    await line.pass(1);
    assert.equal(line.sockets.length, 2);
    client.close();
  });
});
