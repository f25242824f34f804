import { type Command, type Read, valuesOrExit } from "@odin-ws/settings/command-line";

/**
 * Runs a command-line program and ends the process: with 0 and the program's text on stdout, or with 1 and
 * its error on stderr. Help and mistakes in the arguments end the process as for every command.
 */
export async function runProgram<Options extends object>(
  command: Command,
  options: Read<Options>,
  program: (options: Options) => Promise<string>,
): Promise<void> {
  // When an output of the Pulumi program fails, the SDK rejects a promise that no code awaits.
  process.on("unhandledRejection", (error) => end(1, textOf(error)));
  process.on("uncaughtException", (error) => end(1, textOf(error)));
  // `npm run preview | head` is no error.
  process.stdout.on("error", () => process.exit(0));
  const values = valuesOrExit(command, options);
  try {
    end(0, await program(values));
  } catch (error) {
    end(1, textOf(error));
  }
}

/** The message of an error that users can cause, such as a wrong setting; other errors with their stack. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return `${String(error)}\n`;
  const isExpected = "mistakes" in error || error.name === "RunError" || "code" in error;
  return `${isExpected ? error.message : (error.stack ?? error.message)}\n`;
}

function end(code: number, text: string): void {
  const stream = code === 0 ? process.stdout : process.stderr;
  // Without exit() the process would not end, because the SDK keeps handles open.
  stream.write(text, () => process.exit(code));
}
