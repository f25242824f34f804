import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runChild } from "../testing/child.ts";
import { comment, readPreviews, renderComment } from "./comment-preview.ts";

const SCRIPT = join(import.meta.dirname, "comment-preview.ts");
const UPDATE = `Previewing update (prod):
~ gcp:compute/regionAutoscaler:RegionAutoscaler: (update)
    ~ maxReplicas: 5 => 8
Resources:
    ~ 1 to update
    +-2 to replace
    140 unchanged
`;

interface Comment {
  id: number;
  body: string;
  user: { login: string };
}

/** A fake GitHub. Pull request 7 has these comments, oldest first. */
async function github(t: TestContext, comments: Comment[]) {
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const { pathname, searchParams } = new URL(request.url ?? "", "http://x");
    const reply = (status: number, body: unknown) => response.writeHead(status).end(JSON.stringify(body));
    if (request.headers.authorization !== "Bearer t0ken") return reply(401, { message: "Bad credentials" });
    const id = Number(pathname.match(/^\/repos\/o\/r\/issues\/comments\/(\d+)$/)?.[1]);
    const known = comments.find((one) => one.id === id);
    if (request.method === "PATCH" && known) {
      known.body = JSON.parse(text).body;
      return reply(200, known);
    }
    if (pathname !== "/repos/o/r/issues/7/comments") return reply(404, { message: "Not Found" });
    if (request.method === "POST") {
      comments.push({ id: 1000, body: JSON.parse(text).body, user: { login: "github-actions[bot]" } });
      return reply(201, comments.at(-1));
    }
    const first = (Number(searchParams.get("page")) - 1) * 100;
    return reply(200, comments.slice(first, first + 100));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return {
    api: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    repository: "o/r",
    pullRequest: "7",
    token: "t0ken",
  };
}

test("one comment for all stacks is created once and then edited, also among comments of others", async (t) => {
  const quoted = renderComment([{ stack: "prod", text: "old" }], "run");
  const comments: Comment[] = Array.from({ length: 130 }, (_, id) => ({
    id,
    body: quoted,
    user: { login: "person" },
  }));
  const target = await github(t, comments);
  assert.equal(await comment(renderComment([{ stack: "prod", text: "first" }], "run 1"), target), "created");
  assert.equal(await comment(renderComment([{ stack: "prod", text: "second" }], "run 2"), target), "edited");
  assert.equal(comments.length, 131);
  assert.match(comments.at(-1)?.body ?? "", /second[\s\S]*run 2/);
  assert.ok(comments.slice(0, 130).every(({ body }) => body === quoted));
  await assert.rejects(comment("x", { ...target, token: "other" }), /HTTP 401 .*Bad credentials/);
});

test("the headline has the sums, or says that the preview failed", () => {
  const text = renderComment(
    [
      { stack: "prod", text: UPDATE.trim() },
      { stack: "staging", text: "error: no stack named 'staging' found" },
      { stack: "offline", text: "42 resources, 120 dollars a month" },
      { stack: "compared", text: "Different from the base branch:\n  3 lines\n  -error: none\n" },
    ],
    "run",
  );
  assert.match(text, /<b>prod<\/b>: 1 to update, 2 to replace, 140 unchanged</);
  assert.match(text, /<b>staging<\/b>: failed</);
  assert.match(text, /<b>offline<\/b>: see below</);
  assert.match(text, /<b>compared<\/b>: offline, 3 lines different from the base branch</);
  assert.match(renderComment([], "run"), /Nothing was previewed/);
});

test("no output can end its fence or make the comment too long", () => {
  const tricky = renderComment([{ stack: "a", text: "```\n</details>\n````" }], "run");
  assert.match(tricky, /\n`{5}text\n```\n<\/details>\n````\n`{5}\n/);
  const long = renderComment(
    ["staging", "prod"].map((stack) => ({ stack, text: `${"x".repeat(200_000)}\n${UPDATE}` })),
    "run",
  );
  assert.ok(long.length <= 65_536, String(long.length));
  assert.equal(long.match(/140 unchanged\n/g)?.length, 2, "the end stays");
});

test("the command reads its folder and the environment", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "odin-comment-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, "previews");
  mkdirSync(folder);
  for (const stack of ["staging", "prod"]) writeFileSync(join(folder, `${stack}.txt`), UPDATE);
  assert.deepEqual(
    readPreviews(folder).map(({ stack }) => stack),
    ["prod", "staging"],
  );
  assert.deepEqual(readPreviews(join(root, "none")), []);
  const comments: Comment[] = [];
  const { api } = await github(t, comments);
  const env = {
    GITHUB_API_URL: api,
    GITHUB_TOKEN: "t0ken",
    GITHUB_REPOSITORY: "o/r",
    PULL_REQUEST: "7",
    GITHUB_RUN_ID: "99",
  };
  const run = (args: string[], extra: NodeJS.ProcessEnv) =>
    runChild(process.execPath, [SCRIPT, ...args], { capture: true, env: extra });
  const done = await run([folder], env);
  assert.deepEqual([done.code, done.output], [0, "comment created\n"]);
  assert.match(comments[0]?.body ?? "", /\[this run\]\(https:\/\/github\.com\/o\/r\/actions\/runs\/99\)/);
  const printed = await run(["--print", folder], { GITHUB_REPOSITORY: "o/r", GITHUB_RUN_ID: "99" });
  assert.deepEqual([printed.code, printed.output], [0, comments[0]?.body]);
  assert.equal((await run([folder], {})).code, 2);
  assert.equal((await run([], env)).code, 2);
});
