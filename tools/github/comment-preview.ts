import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

// Writes the previews of all stacks into one comment of a pull request. Later runs edit the comment:
//   node tools/github/comment-preview.ts [--print] FOLDER
// FOLDER contains a file STACK.txt for each stack, with the output of `pulumi preview`. The program uses the
// environment variables GITHUB_REPOSITORY, GITHUB_SERVER_URL, GITHUB_API_URL and GITHUB_RUN_ID as runners set
// them. With --print the program only prints the comment. Without --print it also needs GITHUB_TOKEN and
// PULL_REQUEST.

const MARKER = "<!-- odin-ws preview -->";
const COMMENT_LIMIT = 65_536; // longest comment that GitHub accepts, in characters
const AROUND = 1_500; // characters reserved for headings, fences and notes
const LIMIT_MS = 20_000; // 20 s for one request
const BOT = "github-actions[bot]";

/** The output of one stack's preview. */
export interface Preview {
  stack: string;
  text: string;
}

/** The previews in a folder, sorted by stack; empty when the folder does not exist. */
export function readPreviews(folder: string): Preview[] {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".txt")) : [];
  return files.sort().map((name) => ({
    stack: name.slice(0, -".txt".length),
    text: readFileSync(join(folder, name), "utf8").trim(),
  }));
}

/**
 * The comment in Markdown. An output that is too long for GitHub loses its beginning, because its end has the
 * sums.
 *
 * @param run link to the workflow's run, in Markdown
 */
export function renderComment(previews: readonly Preview[], run: string): string {
  if (previews.length === 0) return `${MARKER}\n### Preview\n\nNothing was previewed: see ${run}\n`;
  const room = Math.floor((COMMENT_LIMIT - AROUND) / previews.length);
  const sections = previews.map(({ stack, text }) => {
    const shown =
      text.length <= room ? text : `… the beginning is left out here: see the run\n${text.slice(-room)}`;
    // The fence is longer than any in the output, so that no output can end it.
    const longest = Math.max(2, ...[...shown.matchAll(/`+/g)].map(([ticks]) => ticks.length));
    const fence = "`".repeat(longest + 1);
    return `<details><summary><b>${stack}</b>: ${summaryOf(text)}</summary>\n\n${fence}text\n${shown}\n${fence}\n\n</details>`;
  });
  return `${MARKER}\n### Preview\n\n${sections.join("\n")}\n\n${run}\n`;
}

/** One line: Pulumi's sums, for example "1 to update, 140 unchanged", or the result of preview-offline.sh. */
function summaryOf(text: string): string {
  const sums =
    text
      .split(/^Resources:$/m)
      .at(1)
      ?.split("\n\n")
      .at(0) ?? "";
  const counts = [...sums.matchAll(/^\s*[-+~><]{0,2}\s*(\d+ (?:to [\w-]+|unchanged|changes?))/gm)].map(
    ([, count]) => count,
  );
  if (counts.length > 0) return counts.join(", ");
  const different = /^Different from the base branch:\n {2}(nothing|\d+ lines)\b/m.exec(text)?.[1];
  if (different !== undefined) return `offline, ${different} different from the base branch`;
  return /^\s*error: /m.test(text) || text === "" ? "failed" : "see below";
}

/** The pull request that gets the comment. */
export interface Target {
  api: string;
  repository: string;
  pullRequest: string;
  token: string;
}

/** Edits the comment of an earlier run, or creates it. @throws Error with GitHub's answer */
export async function comment(body: string, target: Target): Promise<"edited" | "created"> {
  const repository = `${target.api}/repos/${target.repository}`;
  const comments = `${repository}/issues/${target.pullRequest}/comments`;
  for (let page = 1; ; page++) {
    const found = (await request("GET", `${comments}?per_page=100&page=${page}`, target.token)) as {
      id: number;
      body?: string;
      user?: { login?: string };
    }[];
    // Edits only the bot's own comment. A person's comment may quote it.
    const mine = found.find((one) => one.user?.login === BOT && one.body?.startsWith(MARKER));
    if (mine) {
      await request("PATCH", `${repository}/issues/comments/${mine.id}`, target.token, { body });
      return "edited";
    }
    if (found.length < 100) break;
  }
  await request("POST", comments, target.token, { body });
  return "created";
}

async function request(method: string, url: string, token: string, body?: object): Promise<unknown> {
  const response = await fetch(url, {
    method,
    headers: {
      accept: "application/vnd.github+json",
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "x-github-api-version": "2022-11-28",
    },
    signal: AbortSignal.timeout(LIMIT_MS),
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: HTTP ${response.status} ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const folder = args.find((arg) => arg !== "--print");
  const server = env.GITHUB_SERVER_URL || "https://github.com";
  const run = `[this run](${server}/${env.GITHUB_REPOSITORY}/actions/runs/${env.GITHUB_RUN_ID})`;
  if (folder === undefined) {
    console.error("usage: node tools/github/comment-preview.ts [--print] FOLDER");
    return 2;
  }
  const body = renderComment(readPreviews(folder), run);
  if (args.includes("--print")) {
    process.stdout.write(body);
    return 0;
  }
  const { GITHUB_TOKEN: token, GITHUB_REPOSITORY: repository, PULL_REQUEST: pullRequest } = env;
  if (!token || !repository || !pullRequest) {
    console.error("comment-preview: set GITHUB_TOKEN, GITHUB_REPOSITORY and PULL_REQUEST, or use --print");
    return 2;
  }
  const api = env.GITHUB_API_URL || "https://api.github.com";
  console.log(`comment ${await comment(body, { api, repository, pullRequest, token })}`);
  return 0;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2), process.env);
