import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { OdinProvider } from "../../src/react/index.ts";
import "../styles/base.css";
import "../styles/layout.css";
import "../styles/table.css";
import "../styles/token.css";
import "../styles/connection.css";
import { App } from "./app.tsx";
import { journal, line } from "./surroundings.ts";
import { currentTheme } from "./theme.ts";

document.documentElement.dataset.theme = currentTheme();

/** The address of the gateway that served this page. */
function gateway(): string {
  const url = new URL("ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = "";
  url.hash = "";
  return url.href;
}
// A token in the page's address, `?auth=TOKEN`, is used for the connection.
const token = new URLSearchParams(location.search).get("auth");

const root = document.getElementById("root");
if (root === null) throw new Error('index.html has no element "root"');
createRoot(root).render(
  <StrictMode>
    <OdinProvider
      url={gateway()}
      options={{ environment: { open: line.open }, ...(token === null ? {} : { token }) }}
    >
      <App journal={journal} line={line} />
    </OdinProvider>
  </StrictMode>,
);
