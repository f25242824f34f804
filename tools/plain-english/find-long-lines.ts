import { basename, extname } from "node:path";
import type { Finding } from "./find-words.ts";

const COMMENT_WIDTH = 110; // columns, as the formatter's lines of code
const PROSE_WIDTH = 100; // columns of Markdown

const SLASH_COMMENTS = new Set([".ts", ".tsx", ".js", ".mjs", ".css"]);
const HASH_COMMENTS = new Set([".sh", ".yml", ".yaml"]);

/** Finds lines of Markdown prose and of comments that are too long and that a space would allow to wrap. */
export function findLongLines(path: string, text: string): Finding[] {
  const lines = text.split("\n");
  if (extname(path) === ".md") return longProse(lines);
  const marker = commentMarker(path, lines[0] ?? "");
  return marker === undefined ? [] : longComments(lines, marker);
}

/** The start of a comment in this kind of file: alone on its line, or after code. */
function commentMarker(path: string, firstLine: string): RegExp | undefined {
  const kind = extname(path);
  if (SLASH_COMMENTS.has(kind)) return /^\s*(?:\{?\/\*+|\/\/|\*)\s|\s\/\/ /;
  const isScript = HASH_COMMENTS.has(kind) || firstLine.startsWith("#!") || basename(path) === "Dockerfile";
  return isScript || kind === "" ? /^\s*#\s|\s# / : undefined;
}

function longComments(lines: readonly string[], marker: RegExp): Finding[] {
  return lines.flatMap((line, index) => {
    if (width(line) <= COMMENT_WIDTH || isDirective(line)) return [];
    // A marker within a string is no comment.
    const start = blankStrings(line).search(marker);
    if (start < 0) return [];
    const comment = line.slice(start).search(/[^\s/*#{]/) + start;
    return canWrap(line, comment, COMMENT_WIDTH)
      ? [{ line: index + 1, problem: `a comment of ${width(line)} columns: wrap it at ${COMMENT_WIDTH}` }]
      : [];
  });
}

/** Tables, headings and code blocks may be longer; a link or a code span is never broken. */
function longProse(lines: readonly string[]): Finding[] {
  let fence = "";
  return lines.flatMap((line, index) => {
    const [, mark = ""] = /^\s*(```+|~~~+)/.exec(line) ?? [];
    if (mark !== "" && (fence === "" || mark.startsWith(fence))) fence = fence === "" ? mark : "";
    if (mark !== "" || fence !== "" || width(line) <= PROSE_WIDTH || /^\s*\||^#/.test(line)) return [];
    const whole = line.replaceAll(/!?\[[^\]]*\]\([^)]*\)|`[^`]*`/g, (atom) => "x".repeat(atom.length));
    const start = whole.search(/[^\s>*-]/);
    return canWrap(whole, start, PROSE_WIDTH)
      ? [{ line: index + 1, problem: `prose of ${width(line)} columns: wrap it at ${PROSE_WIDTH}` }]
      : [];
  });
}

/** True when the text that begins at `start` has a space within the allowed width. */
function canWrap(line: string, start: number, limit: number): boolean {
  const space = line.indexOf(" ", start);
  return space >= 0 && space <= limit;
}

const width = (line: string): number => [...line].length;

/** Comments that their tool reads as one line. */
const isDirective = (line: string): boolean =>
  /biome-ignore|shellcheck (?:disable|source)|@ts-|^#!/.test(line);

const blankStrings = (line: string): string =>
  line.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`/g, (text) =>
    "x".repeat(text.length),
  );
