/** Renders docs/settings.md from the gateway's table of settings: `node tools/settings-doc.ts`. */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { settingsTable } from "@odin-ws/server/settings";

const FILE = fileURLToPath(new URL("../docs/settings.md", import.meta.url));

const TEXT = `# Settings of the gateway

Environment variables. An empty one counts as unset. A wrong value stops the start, with one line for each mistake. Times are written \`500ms\`, \`30s\`, \`5m\` or \`1h\`;
numbers are whole unless said otherwise. \`npm start\` sets other defaults: no authentication (unless a key is given), readable logs, no drain, the demo page.

${settingsTable()}
`;

/** True when the file says what the table says. */
export const isCurrent = (): boolean => readFileSync(FILE, "utf8") === TEXT;

if (import.meta.main) writeFileSync(FILE, TEXT);
