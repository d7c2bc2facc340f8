// Logging out, on every page.

import { ask } from "./api.js";
import { attempt, by } from "./dom.js";

by("log-out")?.addEventListener("click", attempt(async () => {
  await ask("DELETE", "/api/session");
  location.href = "/login";
}));
