/** The client with tokens, against a gateway that checks them. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { startFeed } from "../harness/feed.ts";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { freePort } from "../harness/ports.ts";
import { issue } from "../harness/tokens.ts";
import { eventually } from "../harness/wait.ts";
import { assertExact, startWitness } from "./witness.ts";

const SECRET = "a secret of at least thirty-two bytes";
const ENV = { AUTH_MODE: "jwt", JWT_SECRET: SECRET };

describe("client with a token", { skip: withoutNats(), concurrency: 4 }, () => {
  test("renews the token in time: one connection lasts longer than each token", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: ENV });
    let calls = 0;
    const token = () => issue(SECRET, { sub: "u", expiresIn: 4, n: calls++ });
    const witness = startWitness(t, gateway.url, { token });
    const book = await witness.listen("TOKEN.trade");
    const feed = startFeed(t, nats, ["TOKEN.trade"], 1);
    await eventually("five tokens", () => calls >= 5, 30_000);
    await assertExact(book, await feed.stop());
    assert.ok(
      !witness.states.some(({ state }) => state === "waiting"),
      "the client never lost the connection",
    );
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
  });

  test("reconnects with a fresh token after the old one has expired, without a loss", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: ENV });
    let calls = 0;
    // Returns the first token three times, like a function that caches its token for too long.
    let first: Promise<string> | undefined;
    const token = () => {
      first ??= issue(SECRET, { sub: "u", expiresIn: 3 });
      return calls++ < 3 ? first : issue(SECRET, { sub: "u" });
    };
    const witness = startWitness(t, gateway.url, { token });
    const book = await witness.listen("CUT.trade");
    const feed = startFeed(t, nats, ["CUT.trade"], 1);
    await eventually("an expired token", () => witness.states.some(({ code }) => code === 4401), 20_000);
    await witness.until("open", 20_000);
    const count = book.got.length;
    await eventually("messages", () => book.got.length > count + 20);
    await assertExact(book, await feed.stop());
    assert.deepEqual(witness.refetches, []);
  });

  test("a plain token ends the client when it expires; an error names a channel that it does not cover", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: ENV });
    const token = await issue(SECRET, { sub: "u", expiresIn: 4, channels: ["MINE.*"] });
    const witness = startWitness(t, gateway.url, { token });
    witness.client.subscribe(["HIS.trade", "MINE.social"], () => {});
    const mine = await witness.listen("MINE.trade");
    const offset = await nats.publish("odin.token.MINE.trade", {});
    await eventually("the message", () => mine.got[0]?.offset === offset);
    assert.deepEqual(
      witness.errors.map(({ code, channels }) => [code, ...channels]),
      [["forbidden_channel", "HIS.trade"]],
    );
    await witness.until("closed", 20_000);
    assert.deepEqual(
      [witness.client.status.reason, witness.client.status.code],
      ["ended: token expired", 4401],
    );
  });

  test("a change of the secret as in the runbook: no token is refused and no message is lost", async (t) => {
    const nats = await startNats(t);
    const next = `${SECRET}, after the change`;
    const port = String(await freePort());
    const start = (env: Record<string, string>) =>
      startGateway(t, { nats, env: { AUTH_MODE: "jwt", WS_PORT: port, ...env } });
    let gateway = await start({ JWT_SECRET: SECRET });
    let secret = SECRET;
    const signedWith: string[] = [];
    const token = () => {
      signedWith.push(secret);
      return issue(secret, { sub: "u", expiresIn: 4, n: signedWith.length });
    };
    const witness = startWitness(t, `ws://127.0.0.1:${port}/ws`, { token });
    const book = await witness.listen("TURN.trade");
    const feed = startFeed(t, nats, ["TURN.trade"], 1);
    const restart = async (env: Record<string, string>) => {
      await gateway.stop();
      gateway = await start(env);
      const connections = async () => (await gateway.stats()).connections === 1;
      await eventually("the client is back", connections, 20_000);
    };
    const count = (wanted: string) => signedWith.filter((one) => one === wanted).length;
    await restart({ JWT_SECRET: next, JWT_SECRET_PREVIOUS: SECRET });
    const ofOld = count(SECRET);
    await eventually(
      "a connection whose token was renewed with the old secret",
      () => count(SECRET) > ofOld,
      20_000,
    );
    secret = next;
    // The connection of an old token is still open, and its next token is one of the new secret.
    await eventually("a renewal with the new secret", () => count(next) > 0, 20_000);
    await restart({ JWT_SECRET: next });
    const got = book.got.length;
    await eventually("messages", () => book.got.length > got + 20);
    await assertExact(book, await feed.stop());
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
    const codes = witness.states.map(({ code }) => code);
    assert.ok(!codes.includes(401) && !codes.includes(4401), `${codes}`);
  });
});
