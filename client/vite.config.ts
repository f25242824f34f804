/**
 * Vite's settings for the demo page. `demo/build.ts` builds the page with them. For development,
 * `npx vite client/demo -c client/vite.config.ts` serves the page and reloads it after changes.
 */

import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const GATEWAY = process.env.GATEWAY ?? "http://localhost:3004";

export default defineConfig({
  root: fileURLToPath(new URL("demo", import.meta.url)),
  // Relative addresses, because the page may be served below any path.
  base: "./",
  plugins: [react()],
  build: {
    target: "es2022",
    emptyOutDir: true,
    // The page's content security policy allows no `data:` and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/ws": { target: GATEWAY, ws: true } } },
});
