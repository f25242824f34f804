import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { textFiles } from "./files.ts";
import { findLongLines } from "./find-long-lines.ts";
import { findWords } from "./find-words.ts";
import { problems } from "./problems.ts";
import { EXEMPT, WORDS } from "./words.ts";

const ROOT = join(import.meta.dirname, "../..");

test("every text of the repository uses common words, and wraps its comments and prose", () => {
  const found = problems(ROOT);
  assert.equal(found.length, 0, `\n${found.join("\n")}\n${found.length} to change`);
});

test("every entry of the word list is found, in every spelling", () => {
  for (const { words } of WORDS)
    for (const word of words) {
      const capital = word.charAt(0).toUpperCase() + word.slice(1);
      for (const text of [`A ${word}.`, `${capital}.`, `// ${word.toUpperCase()}`, `"${word}"`])
        assert.equal(
          findWords(text).filter(({ problem }) => problem.startsWith(`'${word}'`)).length,
          1,
          text,
        );
    }
});

test("identifiers count, in camel case and in constants", () => {
  for (const text of ["tellClient()", "isTold", "#told = 0", "ANEW_AFTER", "mend-disk.sh"])
    assert.equal(findWords(text).length, 1, text);
});

test("longer words that only contain one of the list do not count", () => {
  const text = `recommend amend mendacious intelligent shallow newsletter earthenware fourth forthcoming
    enthusiasm whenceforth dearth lesten heedless alongside isNonEmpty isNone is nonempty so manyfold`;
  assert.deepEqual(findWords(text), []);
});

test("phrases that are harmless in this place do not count", () => {
  for (const text of [
    "not for the page, but for its user",
    "it goes on the wire",
    "when AUTH_MODE is none",
    "the rate of late deliveries",
    "for (const it of late)",
  ])
    assert.deepEqual(findWords(text), [], text);
});

test("a phrase is found across the lines of a comment, and its first line is named", () => {
  for (const text of ["a\n/** there is\n * none */", "a\n// there is\n  // none", "a\n# there is\n# none"])
    assert.deepEqual(
      findWords(text).map(({ line }) => line),
      [2],
      text,
    );
});

test("long prose is found, and not what may be long", () => {
  const long = "word ".repeat(25).trim();
  const lines = (text: string) => findLongLines("a.md", text).map(({ line }) => line);
  assert.deepEqual(lines(`# x\n\n${long}\n- ${long}`), [3, 4]);
  assert.deepEqual(lines(`| ${long} |\n## ${long}\n\`\`\`sh\n${long}\n\`\`\``), []);
  assert.deepEqual(lines(`\`${long}\`\n[${long}](x)\nhttps://example.com/${"x".repeat(100)}`), []);
  assert.deepEqual(lines(`\`\`\`sh\nx\n\`\`\`\n${long}`), [4]);
});

test("long comments are found, and not code, directives or addresses", () => {
  const long = "word ".repeat(25).trim();
  const lines = (path: string, text: string) => findLongLines(path, text).map(({ line }) => line);
  assert.deepEqual(
    lines("a.ts", `// ${long}\n * ${long}\n/** ${long} */\nconst a = 1; // ${long}`),
    [1, 2, 3, 4],
  );
  assert.deepEqual(
    lines("a.ts", `const a = "x // ${long}";\n// biome-ignore lint: ${long}\nf(${long});`),
    [],
  );
  assert.deepEqual(lines("a.ts", `// https://example.com/${"x".repeat(110)}`), []);
  assert.deepEqual(lines("a.sh", `# ${long}\necho ${long}\n# shellcheck disable=SC1 # ${long}`), [1]);
  assert.deepEqual(lines("a.json", `// ${long}`), []);
});

test("exempt files exist, and nothing of package managers or of builds is read", () => {
  const paths = textFiles(ROOT).map(({ path }) => path);
  for (const path of EXEMPT) assert.ok(path === "package-lock.json" || paths.includes(path), path);
  assert.ok(paths.length > 500 && paths.includes(".github/workflows/ci.yml"));
  assert.deepEqual(
    paths.filter((path) => /node_modules|package-lock|\.png$|^build\//.test(path)),
    [],
  );
});
