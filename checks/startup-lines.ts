/** A result that a start-up script reported on the serial console. */
export interface StartupLine {
  state: "ready" | "failed";
  /** The line, starting at `odin-startup:`. */
  text: string;
  /**
   * The attribute `odin-revision` that the script ran with. Undefined when the script failed before it read
   * it.
   */
  revision: string | undefined;
}

const LINE = /odin-startup: (ready|failed)\b[^\r\n]*/;
const REVISION = /\brevision=([0-9a-f]+)/;
const KEPT = 20; // last lines of the console that a failure shows

/**
 * Reads the serial console in pieces, which may end in the middle of a line. Google keeps the console's
 * content when the VM reboots or its metadata changes, and each of these adds a new result line, so old lines
 * are still there.
 */
export class Console {
  /** The last complete lines, for the message of a failure. */
  readonly tail: string[] = [];
  #rest = "";

  /** Takes the next piece and returns the results of start-up scripts in it. */
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
