/** Cleans up behind a test's process, however that ends: an interrupted run is killed without a chance to do it itself. */

import { spawn } from "node:child_process";

// Reads what is there to clean up, and does it when its input ends, which is when this process is gone.
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
for item in $folders; do rm -rf -- "$item"; done
`;

// A group of its own: Ctrl-C must not reach it.
const watchdog = spawn("sh", ["-c", SCRIPT], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
watchdog.unref();
const { stdin } = watchdog;
// It is no reason for this process to go on.
if ("unref" in stdin && typeof stdin.unref === "function") stdin.unref();

const tell = (what: string, item: string | number) => stdin.write(`${what} ${item}\n`);

/** From now on the process group must not outlive this process. */
export const guardGroup = (pid: number) => tell("group", pid);
/** The group is gone: its number may soon be another one's. */
export const releaseGroup = (pid: number) => tell("ended", pid);
/** The folder, its path without spaces, must not outlive this process. */
export const guardFolder = (path: string) => tell("folder", path);
