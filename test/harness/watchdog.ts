/**
 * Cleans up after a test's process, however the process ends: an interrupted test run is killed and cannot
 * clean up.
 */

import { spawn } from "node:child_process";

// Reads from its input what to clean up. Cleans up when its input ends, which happens when this process has
// ended.
const SCRIPT = `
without() { left=; for item in $2; do [ "$item" = "$1" ] || left="$left $item"; done; }
while read -r what item; do
  case $what in
    group) groups="$groups $item" ;;
    ended) without "$item" "$groups"; groups=$left ;;
    folder) folders="$folders $item" ;;
  esac
done
for item in $groups; do kill -s KILL -- "-$item"; done
# Again, because a process that was killed may still write while its namespace ends.
for item in $folders; do
  for attempt in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$item" && break; sleep 1; done
done
`;

// The watchdog has its own process group, because Ctrl-C must not reach it.
const watchdog = spawn("sh", ["-c", SCRIPT], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
watchdog.unref();
const { stdin } = watchdog;
// The pipe must not keep this process alive.
if ("unref" in stdin && typeof stdin.unref === "function") stdin.unref();

const send = (what: string, item: string | number) => stdin.write(`${what} ${item}\n`);

/** Ends the process group when this process ends. */
export const guardGroup = (pid: number) => send("group", pid);
/** Forgets a group that has ended, because another group may soon get the same number. */
export const releaseGroup = (pid: number) => send("ended", pid);
/** Deletes the folder when this process ends. Its path must not contain spaces. */
export const guardFolder = (path: string) => send("folder", path);
