/** Clients that want to be connected over time: straight lines between points, sorted by time. Before and after, the first and the last value. */
export type Curve = { at: number; connections: number }[];

/** Clients that want to be connected at a moment. @param at seconds */
export function demandAt(curve: Curve, at: number): number {
  const after = curve.findIndex((point) => point.at >= at);
  const next = curve[after];
  if (!next) return curve.at(-1)?.connections ?? 0;
  const previous = curve[after - 1];
  if (!previous || next.at === previous.at) return next.connections;
  const part = (at - previous.at) / (next.at - previous.at);
  return previous.connections + part * (next.connections - previous.connections);
}

/** From `from` clients to `to` in `minutes`, as many minutes at the top (at least half an hour), and back down. */
export function ramp(from: number, to: number, minutes: number): Curve {
  const seconds = minutes * 60;
  const top = Math.max(seconds, 1800);
  return [
    { at: 0, connections: from },
    { at: seconds, connections: to },
    { at: seconds + top, connections: to },
    { at: 2 * seconds + top, connections: from },
  ];
}

/**
 * Reads `minute,connections` lines; a first line of words is a heading, empty lines are left out.
 *
 * @returns the curve, or what is wrong, a line each with its number
 */
export function parseCurve(text: string): Curve | { mistakes: string[] } {
  const curve: Curve = [];
  const mistakes: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || (index === 0 && /[a-z]/i.test(line))) continue;
    const [minute, connections, ...rest] = line.split(",").map((field) => field.trim());
    const isNumber = (field: string | undefined) => /^\d+(\.\d+)?$/.test(field ?? "");
    if (!isNumber(minute) || !isNumber(connections) || rest.length > 0) {
      mistakes.push(`line ${index + 1} is ${line.trim()}: MINUTE,CONNECTIONS, for example 15,20000`);
      continue;
    }
    const at = Number(minute) * 60;
    const last = curve.at(-1);
    if (last && at < last.at) mistakes.push(`line ${index + 1}: minute ${minute} is before the line above`);
    curve.push({ at, connections: Number(connections) });
  }
  if (mistakes.length === 0 && curve.length < 2) mistakes.push("at least two lines, MINUTE,CONNECTIONS");
  return mistakes.length > 0 ? { mistakes } : curve;
}
