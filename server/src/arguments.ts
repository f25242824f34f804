/**
 * Checks that there are no command-line arguments, because all settings come from the environment. Prints
 * `help` for --help. For any other argument it prints an error, since ignoring the argument would hide a
 * mistake. In both cases the process ends.
 *
 * @param args arguments after the script's name; workers have the arguments of their primary
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
