/** How gateways share the dictionaries of the compact encoding over NATS, and what they do if they cannot. */

import { strict as assert } from "node:assert";
import { describe, type TestContext, test } from "node:test";
import { connect, type NodeConnectionOptions } from "@nats-io/transport-node";
import { DictionaryShelf } from "../../server/src/source/dictionary-shelf.ts";
import type { DictionaryBytes } from "../../server/src/source/source.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { suiteOwner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";

/** The login `some` may not use one stream with dictionaries. Each test has a stream of its own. */
const CONFIG = `authorization { users: [
  { user: all, password: all },
  { user: some, password: some, permissions: { publish: { deny: ["$JS.API.STREAM.*.REFUSED_DICTIONARIES"] } } }
] }`;

const bytesOf = (text: string) => Buffer.from(text.repeat(20));

describe("dictionary shelf", { skip: withoutNats() }, () => {
  const owner = suiteOwner();
  let started: Promise<Nats> | undefined;
  const nats = () => {
    started ??= startNats(owner, { config: CONFIG, login: { user: "all", pass: "all" } });
    return started;
  };

  /** The shelf of one gateway. `got`: what it uses, by event; `log`: what it has logged. */
  async function start(t: TestContext, stream: string, user = "all") {
    const login: NodeConnectionOptions = { servers: (await nats()).url, user, pass: user };
    const connection = await connect(login);
    t.after(() => connection.close());
    const got = new Map<string, string>();
    const log: string[] = [];
    const write = (_: object, text: string) => void log.push(text);
    const shelf = new DictionaryShelf({
      config: { JS_STREAM_NAME: stream, JS_REPLICAS: 1, WS_COMPACT: true },
      log: { info: write, warn: write } as never,
      onDictionary: ({ event, bytes }: DictionaryBytes) => got.set(event, Buffer.from(bytes).toString()),
    });
    await shelf.follow(connection);
    return { shelf, got, log, connection };
  }
  const stored = async (stream: string) => {
    const { config } = await (await nats()).jsm.streams.info(`${stream}_DICTIONARIES`);
    return Object.keys(config.metadata ?? {}).filter((name) => name.startsWith("odin-dictionary-"));
  };

  test("a dictionary is used by the gateway that offers it once all can read it, and by gateways that start later", async (t) => {
    const first = await start(t, "FIRST");
    assert.deepEqual(first.log, ["created the stream of dictionaries"]);
    first.shelf.offer({ event: "first", bytes: bytesOf("one") });
    assert.equal(first.got.size, 0, "not before it is stored");
    await eventually("the dictionary", () => first.got.get("first") === "one".repeat(20));
    const later = await start(t, "FIRST");
    assert.equal(later.got.get("first"), "one".repeat(20), "known before the messages are read");
    assert.deepEqual(later.log, []);
    // A better dictionary of the event replaces it, also at the other gateway, which looks every 5 s.
    later.shelf.offer({ event: "first", bytes: bytesOf("two") });
    await eventually("the other gateway", () => first.got.get("first") === "two".repeat(20), 15_000);
    assert.equal(later.got.get("first"), "two".repeat(20));
  });

  test("an offer for an event whose dictionary has changed meanwhile is dropped: all gateways use the same", async (t) => {
    const [one, two] = [await start(t, "BOTH"), await start(t, "BOTH")];
    one.shelf.offer({ event: "both", bytes: bytesOf("A") });
    await eventually("the dictionary", () => one.got.has("both"));
    two.shelf.offer({ event: "both", bytes: bytesOf("B") });
    two.shelf.offer({ event: "other", bytes: bytesOf("C") });
    await eventually("the other dictionary", () => two.got.has("other"));
    assert.equal(two.got.get("both"), "A".repeat(20));
    assert.deepEqual((await stored("BOTH")).sort(), ["odin-dictionary-both", "odin-dictionary-other"]);
    const third = await start(t, "BOTH");
    assert.equal(third.got.get("both"), "A".repeat(20));
  });

  test("a gateway that may not use the stream uses its own dictionaries at once, and reports that", async (t) => {
    const { shelf, got, log } = await start(t, "REFUSED", "some");
    shelf.offer({ event: "own", bytes: bytesOf("mine") });
    await eventually("its own dictionary", () => got.get("own") === "mine".repeat(20));
    shelf.offer({ event: "own2", bytes: bytesOf("mine") });
    assert.equal(got.get("own2"), "mine".repeat(20));
    assert.match(log.join(), /cannot share the dictionaries/);
  });

  test("dictionaries that are too large to be shared are used by the gateway alone, and it reports that", async (t) => {
    const { shelf, got, log } = await start(t, "LARGE");
    const large = Buffer.from(Array.from({ length: 110_000 }, () => Math.floor(Math.random() * 256)));
    shelf.offer({ event: "large", bytes: large });
    await eventually("its own dictionary", () => got.has("large"), 15_000);
    assert.match(log.join(), /cannot share the dictionaries/);
    assert.deepEqual(await stored("LARGE"), []);
  });

  test("without the encoding, NATS is not asked", async (t) => {
    const connection = await connect({ servers: (await nats()).url, user: "all", pass: "all" });
    t.after(() => connection.close());
    const shelf = new DictionaryShelf({
      config: { JS_STREAM_NAME: "OTHER", JS_REPLICAS: 1, WS_COMPACT: false },
      log: { info() {}, warn() {} } as never,
      onDictionary: () => assert.fail("no dictionary exists"),
    });
    const { outMsgs } = connection.stats();
    await shelf.follow(connection);
    await connection.flush();
    assert.equal(connection.stats().outMsgs, outMsgs);
  });
});
