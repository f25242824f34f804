import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { publishTrades } from "./example.ts";
import { startNats, withoutNats } from "./nats/nats-server.fixture.ts";

test("the README shows the example as it is", async () => {
  const read = (name: string) => readFile(new URL(name, import.meta.url), "utf8");
  const [readme, example] = await Promise.all([read("../README.md"), read("example.ts")]);
  assert.ok(
    readme.includes(`\`\`\`ts\n${example}\`\`\`\n`),
    "copy publisher/src/example.ts into publisher/README.md",
  );
});

async function* trades() {
  for (let id = 1; id <= 100; id++) {
    const symbol = id % 2 === 0 ? "BTC" : "ETH";
    yield { id: `${id}`, symbol, side: "buy", price: id, amount: 2, value: 2 * id, time: id } as const;
  }
}

suite("with a real nats-server", { skip: withoutNats, timeout: 120_000 }, () => {
  test("the example publishes its trades in order", async (t) => {
    const nats = await startNats(t);
    const warnings: string[] = [];
    await publishTrades(nats.url, trades(), (text) => warnings.push(text));
    const stored = await nats.read();
    assert.equal(stored.length, 100);
    for (const symbol of ["BTC", "ETH"]) {
      const prices = stored
        .filter(({ subject }) => subject === `odin.token.${symbol}.trade`)
        .map(({ body }) => (JSON.parse(body) as { price: number }).price);
      assert.equal(prices.length, 50);
      assert.deepEqual(
        prices,
        prices.toSorted((a, b) => a - b),
      );
    }
    assert.deepEqual(warnings, ["created stream ODIN_TOKENS"]);
  });
});
