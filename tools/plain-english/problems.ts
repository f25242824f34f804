import { textFiles } from "./files.ts";
import { findLongLines } from "./find-long-lines.ts";
import { findWords } from "./find-words.ts";
import { EXEMPT } from "./words.ts";

/**
 * Every place of the repository that breaks the rules for words and line widths, as `path:line: problem`.
 * With paths, only files and folders that these paths name.
 */
export function problems(root: string, paths: readonly string[] = []): string[] {
  const wanted = paths.map((path) => path.replace(/^\.\/|\/$/g, ""));
  return textFiles(root)
    .filter(({ path }) => !EXEMPT.includes(path))
    .filter(
      ({ path }) => wanted.length === 0 || wanted.some((it) => path === it || path.startsWith(`${it}/`)),
    )
    .flatMap(({ path, text }) => [
      // The name of a file is read, too.
      ...findWords(path.replaceAll(/[-_./]/g, " ")).map(({ problem }) => `${path}: its name has ${problem}`),
      ...[...findWords(text), ...findLongLines(path, text)].map(
        ({ line, problem }) => `${path}:${line}: ${problem}`,
      ),
    ]);
}
