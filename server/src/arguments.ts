import { type Command, readCommand, valuesOrExit } from "@odin-ws/settings/command-line";

/**
 * Checks that there are no command-line arguments, because all settings come from the environment. --help
 * prints the help; any other argument is reported as a mistake. In both cases the process ends.
 *
 * @param args arguments after the script's name; workers have the arguments of their primary
 */
export function readNoArguments(args: readonly string[], command: Command): void {
  valuesOrExit(command, readCommand(command, args));
}
