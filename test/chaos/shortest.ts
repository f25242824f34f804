/** Finds a short list of faults that still fails. */

/**
 * Removes parts of a list as long as the rest still fails: first halves, then smaller parts.
 *
 * @param fails runs a list
 * @param maxRuns limit of the calls of `fails`
 */
export async function shortest<Item>(
  items: readonly Item[],
  fails: (items: readonly Item[]) => Promise<boolean>,
  maxRuns: number,
): Promise<readonly Item[]> {
  let current = items;
  let parts = 2;
  let runs = 0;
  while (current.length > 1) {
    const size = Math.ceil(current.length / parts);
    let isShorter = false;
    for (let from = 0; from < current.length; from += size) {
      if (runs++ >= maxRuns) return current;
      const rest = [...current.slice(0, from), ...current.slice(from + size)];
      if (!(await fails(rest))) continue;
      current = rest;
      parts = Math.max(2, parts - 1);
      isShorter = true;
      break;
    }
    if (isShorter) continue;
    if (size === 1) return current;
    parts = Math.min(current.length, parts * 2);
  }
  return current;
}
