/** What a start-up script said of itself on the serial console. */
export interface StartupLine {
  state: "ready" | "failed";
  /** The line from `odin-startup:` on. */
  text: string;
  /** Which metadata the script ran with: the attribute `odin-revision`; undefined where it failed before it knew. */
  revision: string | undefined;
}

const LINE = /odin-startup: (ready|failed)\b[^\r\n]*/;
const REVISION = /\brevision=([0-9a-f]+)/;
const KEPT = 20; // lines of the console that a failure shows

/**
 * Reads the serial console as it comes, in pieces that may end anywhere. The console is kept over reboots and over changes of the
 * metadata, each of which adds a line of its own, so old lines are still there.
 */
export class Console {
  /** The last whole lines, for a failure's message. */
  readonly tail: string[] = [];
  #rest = "";

  /** Takes the next piece and returns what start-up scripts said in it. */
  read(piece: string): StartupLine[] {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop() ?? "";
    this.tail.push(...lines.map((line) => line.trimEnd()));
    this.tail.splice(0, this.tail.length - KEPT);
    return lines.flatMap((line) => {
      const [text, state] = line.match(LINE) ?? [];
      if (text === undefined || (state !== "ready" && state !== "failed")) return [];
      return [{ state, text: text.trimEnd(), revision: text.match(REVISION)?.[1] }];
    });
  }
}
