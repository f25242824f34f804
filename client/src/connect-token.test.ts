import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, inSeconds, opened, URL } from "./connect.fixture.ts";

test("the function is called before every connection, and before its token expires", async () => {
  const given: string[] = [];
  const token = async () => given[given.push(inSeconds(100 + given.length)) - 1] ?? "";
  const { line, client } = begin({ token });
  await line.pass(0);
  assert.equal(line.socket.url, `${URL}?auth=${encodeURIComponent(given[0] ?? "")}`);
  line.socket.welcome();
  await line.pass(75_000);
  assert.equal(given.length, 1);
  await line.pass(10_000);
  assert.deepEqual(line.socket.asked, [{ type: "auth", token: given[1] }]);
  line.socket.end(4401);
  assert.equal(client.status.state, "waiting");
  await line.pass(600);
  assert.equal(line.socket.url, `${URL}?auth=${encodeURIComponent(given[2] ?? "")}`);
  client.close();
});

test("an expired token that is a plain string ends the client", async () => {
  const { line, client } = await opened([], { token: inSeconds(1) });
  line.socket.end(4401, "token revoked");
  assert.deepEqual([client.status.state, client.status.reason], ["closed", "ended: token revoked"]);
});

test("a function that fails or never answers is reported and called again", async () => {
  let mode: "fail" | "hang" | "work" = "fail";
  const token = () => {
    if (mode === "fail") throw new Error("no session");
    return mode === "hang" ? new Promise<string>(() => {}) : "t";
  };
  const { line, client, errors } = begin({ token });
  await line.pass(0);
  assert.deepEqual(errors, [{ code: "token", message: "Error: no session", channels: [] }]);
  assert.equal(client.status.state, "waiting");
  mode = "hang";
  await line.pass(500);
  await line.pass(10_000);
  assert.equal(client.status.state, "waiting");
  assert.deepEqual(errors.at(-1), { code: "token", message: "no token", channels: [] });
  mode = "work";
  await line.pass(90_000); // After 60 s, a call without an answer counts as failed.
  assert.equal(line.socket.url, `${URL}?auth=t`);
  client.close();
});

test("a function that is slower than 10 s is reported, is not called again meanwhile, and connects", async () => {
  for (const seconds of [9, 12, 25, 55]) {
    let running = 0;
    let calls = 0;
    let most = 0;
    const token = (): Promise<string> => {
      calls++;
      most = Math.max(most, ++running);
      return new Promise<string>((resolve) => {
        line.environment.setTimeout(() => {
          running--;
          resolve("slow");
        }, seconds * 1000);
      });
    };
    const { line, client, errors } = begin({ token });
    line.luck = 0.5;
    await line.pass(seconds * 1000);
    client.resume(); // A hasty user does not cause another call.
    await line.pass(25_000);
    assert.equal(line.socket.url, `${URL}?auth=slow`, `${seconds} s`);
    assert.equal(most, 1, `${seconds} s`);
    assert.equal(errors.length > 0, seconds > 10);
    assert.ok(calls <= 3, `${calls}`);
    client.close();
  }
});

test("a token that is not used within a minute is not used any more", async () => {
  let calls = 0;
  const { line, client } = begin({ token: async () => `t${++calls}` });
  await line.pass(0);
  client.pause();
  await line.pass(100_000);
  client.resume();
  await line.pass(0);
  assert.equal(line.socket.url, `${URL}?auth=t2`);
  client.close();
});

test("a token that is too long for a message is used in the next address", async () => {
  const long = () => `${inSeconds(100)}${"x".repeat(5000)}`;
  const { line } = await opened([], { token: long });
  await line.pass(99_000);
  assert.deepEqual(line.socket.asked, []);
});
