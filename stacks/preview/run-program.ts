/** The result of reading a command line: options, mistakes, or a request for help. */
type Read<Options> = Options | { mistakes: string[] } | "help";

/**
 * Runs a command-line program and ends the process. Exit code 0: the program's text on stdout. 1: the error
 * on stderr. 2: the mistakes in the arguments on stderr, a line each, and an example.
 *
 * @param example a correct command line
 */
export async function runProgram<Options extends object>(
  options: Read<Options>,
  help: string,
  example: string,
  program: (options: Options) => Promise<string>,
): Promise<void> {
  // When an output of a Pulumi program fails, a promise is rejected that no code waits for.
  process.on("unhandledRejection", (error) => end(1, textOf(error)));
  process.on("uncaughtException", (error) => end(1, textOf(error)));
  // A closed pipe is no error: `npm run preview | head`.
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

/** The message of an expected error, such as one of the configuration; other errors with their stack. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return `${String(error)}\n`;
  const isExpected = "mistakes" in error || error.name === "RunError" || "code" in error;
  return `${isExpected ? error.message : (error.stack ?? error.message)}\n`;
}

function end(code: number, text: string): void {
  const stream = code === 0 ? process.stdout : process.stderr;
  // Exits explicitly, because handles of the SDK would keep the process alive.
  stream.write(text, () => process.exit(code));
}
