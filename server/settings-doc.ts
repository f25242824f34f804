/** `npm run docs` renders docs/settings.md from the gateway's table of settings. */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { settingsTable } from "./src/settings.ts";

const FILE = fileURLToPath(new URL("../docs/settings.md", import.meta.url));

const TEXT = `# Settings of the gateway

All settings are environment variables. An empty variable counts as unset. If a value is wrong, the
gateway prints one line for each mistake and does not start. Times are written as \`500ms\`, \`30s\`,
\`5m\` or \`1h\`. Numbers are whole unless the table says otherwise.

\`npm start\` sets other defaults: no authentication (unless a key is given), readable logs, no drain,
and the demo page.

${settingsTable()}
`;

/** True when the file is what the table renders to. */
export const isCurrent = (): boolean => readFileSync(FILE, "utf8") === TEXT;

if (import.meta.main) writeFileSync(FILE, TEXT);
