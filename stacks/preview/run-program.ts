/** What a command line was read as: options, mistakes, or a wish for help. */
type Read<Options> = Options | { mistakes: string[] } | "help";

/**
 * Ends the process with what a command-line program found out: 0 with its text on stdout, 1 with its failure on stderr, 2 with a line
 * for each mistake in the arguments and how to call it.
 *
 * @param example of a right call
 */
export async function runProgram<Options extends object>(
  options: Read<Options>,
  help: string,
  example: string,
  program: (options: Options) => Promise<string>,
): Promise<void> {
  // A program whose outputs fail rejects where nobody waits for it.
  process.on("unhandledRejection", (error) => end(1, textOf(error)));
  process.on("uncaughtException", (error) => end(1, textOf(error)));
  // `npm run preview | head` is no error.
  process.stdout.on("error", () => process.exit(0));
  if (options === "help") return end(0, `${help}\n`);
  if ("mistakes" in options) {
    return end(2, [...options.mistakes, `for example: ${example}; --help lists the options`, ""].join("\n"));
  }
  try {
    end(0, await program(options));
  } catch (error) {
    end(1, textOf(error));
  }
}

/** Errors of the configuration as they are; others with where they came from. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return `${String(error)}\n`;
  const isExpected = "mistakes" in error || error.name === "RunError" || "code" in error;
  return `${isExpected ? error.message : (error.stack ?? error.message)}\n`;
}

function end(code: number, text: string): void {
  const stream = code === 0 ? process.stdout : process.stderr;
  // Not left to the event loop: the SDK keeps handles open.
  stream.write(text, () => process.exit(code));
}
