import assert from "node:assert/strict";
import { test } from "node:test";
import { Component, createElement as h, type ReactNode } from "react";
import { FakeLine } from "../fake-line.fixture.ts";
import { Stage } from "./hooks.fixture.ts";
import { OdinProvider, useChannel, useFeed } from "./index.ts";

function Price(): ReactNode {
  return h("b", null, String(useChannel<number>("A.trade")?.data ?? "none"));
}

/** A provider inside the stage's provider, with its own FakeLine. */
function provider(line: FakeLine, url: string, token: string): ReactNode {
  // New options and a new function at each rendering, as in most applications.
  const options = { token: () => token, environment: line.environment };
  return h(OdinProvider, { url, options }, h(Price));
}

const addresses = (line: FakeLine) => line.sockets.map(({ url }) => url);

test("another url uses the options that come with it", async (t) => {
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

test("other options alone make no new connection, and the first token function stays", async (t) => {
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

test("after a change of the options, another url uses the latest options", async (t) => {
  const stage = new Stage(t);
  const line = new FakeLine();
  await stage.show(provider(line, "ws://a/ws", "A"));
  await stage.show(provider(line, "ws://a/ws", "B"));
  await stage.show(provider(line, "ws://b/ws", "B"));
  await line.pass(0);
  assert.deepEqual(addresses(line).at(-1), "ws://b/ws?auth=B");
});

test("an unmounted provider disconnects within 2 s: 1 s for its channels, 1 s for the connection", async (t) => {
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

/** Shows its children, or the message of the error that one of them has thrown. */
class Boundary extends Component<{ children: ReactNode }, { message?: string }> {
  override state: { message?: string } = {};
  static getDerivedStateFromError({ message }: Error): { message: string } {
    return { message };
  }
  override render(): ReactNode {
    return this.state.message ?? this.props.children;
  }
}

const feed = { channels: ["A.trade", "wrong"], initial: "", fold: (state: string) => state };
for (const [hook, Wrong] of [
  ["useChannel", (): ReactNode => String(useChannel("not a channel"))],
  ["useFeed", (): ReactNode => useFeed(feed)],
] as const) {
  test(`${hook} with an invalid channel throws, and leaves no connection behind`, async (t) => {
    t.mock.method(console, "error", () => {}); // React reports the error to the console, too.
    const stage = new Stage(t);
    const line = new FakeLine();
    const options = { environment: line.environment };
    await stage.show(h(OdinProvider, { url: "ws://a/ws", options }, h(Boundary, null, h(Wrong))));
    await line.pass(0);
    assert.match(stage.text, /is not a channel like/);
    await stage.unmount();
    await stage.wait(1_000);
    await stage.wait(1_000);
    assert.equal(line.left, 0);
    assert.ok(line.sockets.every(({ closed }) => closed));
  });
}
