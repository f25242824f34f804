/**
 * `npm run english`: checks the words and the line widths of all texts of the repository.
 * `npm run english -- server docs/runbook.md`: only of these folders and files.
 */

import { join } from "node:path";
import { problems } from "./problems.ts";

const ROOT = join(import.meta.dirname, "../..");
const found = problems(ROOT, process.argv.slice(2));
for (const line of found) console.log(line);
console.log(`${found.length} to change`);
process.exitCode = found.length > 0 ? 1 : 0;
