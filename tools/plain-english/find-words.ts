import { WORDS, type WordRule } from "./words.ts";

/** A place that breaks a rule of the house's English. */
export interface Finding {
  /** Counted from 1. */
  line: number;
  problem: string;
}

// Between two words of a phrase: spaces, or a line break and the marker of a comment or a quotation.
const GAP = "(?:[ \\t]+|[ \\t]*\\r?\\n[ \\t]*(?:\\*|//|#|>)?[ \\t]*)";
const PATTERNS = WORDS.flatMap((rule) =>
  rule.words.map((word) => ({ word, rule, pattern: pattern(word, rule) })),
);

/**
 * Finds the words of the list in a text: in comments, strings and prose, and as a part of identifiers such as
 * `theAnswer` or `ANSWER_TIME` for 'answer'. Does not find a longer word that only contains one of the list,
 * such as 'recommend'.
 */
export function findWords(text: string): Finding[] {
  return PATTERNS.flatMap(({ word, rule, pattern }) =>
    [...text.matchAll(pattern)].map(({ index }) => ({
      line: lineAt(text, index),
      problem: `'${word}': write ${rule.instead}`,
    })),
  ).sort((a, b) => a.line - b.line);
}

/** Matches a word in the spellings `word`, `Word` and `WORD`, also as a part of an identifier. */
function pattern(word: string, { notAfter, notBefore }: WordRule): RegExp {
  const spell = (change: (part: string) => string) => word.split(" ").map(change).join(GAP);
  const lower = spell((part) => part);
  const title = word
    .split(" ")
    .map((part, index) => (index === 0 ? capital(part) : part))
    .join(GAP);
  const upper = spell((part) => part.toUpperCase());
  const before = notAfter === undefined ? "" : `(?<!${notAfter})`;
  const after = notBefore === undefined ? "" : `(?!${notBefore})`;
  const spellings = [
    `(?<![A-Za-z])${lower}(?![a-z])`,
    `(?<![A-Z])${title}(?![a-z])`,
    `(?<![A-Za-z])${upper}(?![A-Za-z])`,
  ];
  return new RegExp(`${before}(?:${spellings.join("|")})${after}`, "g");
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < index; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}
