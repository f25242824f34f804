/** How the demo page is built; `demo/build.ts` says when and where to. `npx vite client/demo -c client/vite.config.ts` serves it while working on it. */

import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const GATEWAY = process.env.GATEWAY ?? "http://localhost:3004";

export default defineConfig({
  root: fileURLToPath(new URL("demo", import.meta.url)),
  // The page may be served below any path.
  base: "./",
  plugins: [react()],
  build: {
    target: "es2022",
    emptyOutDir: true,
    // The policy of the page allows no `data:` and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/ws": { target: GATEWAY, ws: true } } },
});
