import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { mutated } from "./copy.ts";
import { MUTANTS } from "./mutants.ts";

test("each mutant still changes its source, and each part has some", () => {
  for (const mutant of MUTANTS) assert.notEqual(mutated(mutant), mutated({ ...mutant, to: mutant.from }));
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
  for (const part of ["client", "server", "publisher"])
    assert.ok(MUTANTS.filter(({ file }) => file.startsWith(`${part}/`)).length >= 3, part);
});

test("docs/reliability.md lists each mutant", () => {
  const text = readFileSync(new URL("../../../docs/reliability.md", import.meta.url), "utf8");
  for (const { name } of MUTANTS) assert.ok(text.includes(`| ${name} |`), name);
});
