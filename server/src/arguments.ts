/**
 * The gateway takes its settings from the environment and no arguments: shows `help` for --help, and refuses anything else rather than
 * start as if it had not been said. Ends the process unless there are none.
 *
 * @param args after the script's name; workers have those of their primary
 */
export function readNoArguments(args: readonly string[], help: string): void {
  if (args.length === 0) return;
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${help}\n`);
    process.exit(0);
  }
  process.stderr.write(
    `odin-ws: unknown argument ${args[0]}: settings are environment variables, see --help\n\n${help}\n`,
  );
  process.exit(2);
}
