import assert from "node:assert/strict";
import { test } from "node:test";
import { createElement as h, type ReactNode } from "react";
import { FakeLine } from "../fake-line.fixture.ts";
import { Stage } from "./hooks.fixture.ts";
import { OdinProvider, useChannel } from "./index.ts";

function Price(): ReactNode {
  return h("b", null, String(useChannel<number>("A.trade")?.data ?? "none"));
}

/** A provider below the stage's own, on a line of its own. */
function provider(line: FakeLine, url: string, token: string): ReactNode {
  // Other options and another function at each rendering, as in most applications.
  const options = { token: () => token, environment: line.environment };
  return h(OdinProvider, { url, options }, h(Price));
}

const addresses = (line: FakeLine) => line.sockets.map(({ url }) => url);

test("another url: the options that come with it, not those of the first", async (t) => {
  const stage = new Stage(t);
  const line = new FakeLine();
  await stage.show(provider(line, "ws://a/ws", "A"));
  await line.pass(0);
  assert.deepEqual(addresses(line), ["ws://a/ws?auth=A"]);
  await stage.show(provider(line, "ws://b/ws", "B"));
  await line.pass(0);
  assert.deepEqual(addresses(line), ["ws://a/ws?auth=A", "ws://b/ws?auth=B"]);
  await stage.wait(1_000);
  await stage.wait(1_000);
  assert.deepEqual(
    line.sockets.map(({ closed }) => closed),
    [true, false],
  );
  await stage.unmount();
  await stage.wait(1_000);
  await stage.wait(1_000);
  assert.equal(line.left, 0);
});

test("other options alone: no other connection, and the first's token function stays", async (t) => {
  const stage = new Stage(t);
  const line = new FakeLine();
  await stage.show(provider(line, "ws://a/ws", "A"));
  await line.pass(0);
  line.socket.welcome();
  for (const token of ["B", "C"]) await stage.show(provider(line, "ws://a/ws", token));
  await stage.wait(5_000);
  assert.deepEqual(addresses(line), ["ws://a/ws?auth=A"]);
  assert.equal(line.socket.closed, false);
  line.socket.end(1006);
  await line.pass(500);
  assert.deepEqual(addresses(line), ["ws://a/ws?auth=A", "ws://a/ws?auth=A"]);
});

test("options, then another url with the same ones: the latest", async (t) => {
  const stage = new Stage(t);
  const line = new FakeLine();
  await stage.show(provider(line, "ws://a/ws", "A"));
  await stage.show(provider(line, "ws://a/ws", "B"));
  await stage.show(provider(line, "ws://b/ws", "B"));
  await line.pass(0);
  assert.deepEqual(addresses(line).at(-1), "ws://b/ws?auth=B");
});

test("gone, it leaves within two seconds: one for its channels, one for the connection", async (t) => {
  const stage = new Stage(t);
  const line = new FakeLine();
  await stage.show(provider(line, "ws://a/ws", "A"));
  await line.pass(0);
  await stage.unmount();
  await stage.wait(1_000);
  assert.equal(line.socket.closed, false);
  await stage.wait(1_000);
  assert.equal(line.socket.closed, true);
});
