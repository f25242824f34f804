import { WORDS, type WordRule } from "./words.ts";

/** A place that breaks a rule of the house's English. */
export interface Finding {
  /** Counted from 1. */
  line: number;
  problem: string;
}

// Between two words of a phrase: spaces, or a line break with the marker of the next line's comment or quotation.
const GAP = "(?:[ \\t]+|[ \\t]*\\r?\\n[ \\t]*(?:\\*|//|#|>)?[ \\t]*)";
const PATTERNS = WORDS.flatMap((rule) =>
  rule.words.map((word) => ({ word, rule, pattern: pattern(word, rule) })),
);

/**
 * Finds the words of the list in a text: in comments, strings and prose, and as a part of identifiers such as
 * `theAnswer` or `ANSWER_TIME` for 'answer'. A longer word that only contains one of the list ('recommend') is not found.
 */
export function findWords(text: string): Finding[] {
  return PATTERNS.flatMap(({ word, rule, pattern }) =>
    [...text.matchAll(pattern)].map(({ index }) => ({
      line: lineAt(text, index),
      problem: `'${word}': write ${rule.instead}`,
    })),
  ).sort((a, b) => a.line - b.line);
}

/** Matches a word in the spellings `word`, `Word`, `WORD` and camelCase `theWord`, each delimited by its own case. */
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
  const spelled = `(?:(?<![A-Za-z])${lower}(?![a-z])|(?<![A-Z])${title}(?![a-z])|(?<![A-Za-z])${upper}(?![A-Za-z]))`;
  return new RegExp(`${before}${spelled}${after}`, "g");
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < index; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}
